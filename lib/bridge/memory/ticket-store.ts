import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { Agenda, Task } from '../agenda.js'

interface Ticket extends Task {
  readonly value: string
  readonly due: number
}

/** Values for one use within their time. */
export class TicketStore {
  readonly #clock: Clock
  readonly #agenda: Agenda
  readonly #max: number
  readonly #tickets = new Map<string, Ticket>()

  constructor (clock: Clock, agenda: Agenda, max: number) {
    this.#clock = clock
    this.#agenda = agenda
    this.#max = max
  }

  put (id: string, value: string, ttl: number): void {
    // Refused rather than taken from somebody who was told that theirs is good.
    if (this.#tickets.size >= this.#max) throw new BridgeError('unavailable', 'too many tickets are outstanding')
    const ticket: Ticket = {
      value,
      due: this.#clock.now() + ttl,
      run: () => {
        if (this.#tickets.get(id) === ticket) this.#tickets.delete(id)
      }
    }
    this.#tickets.set(id, ticket)
    this.#agenda.plan(ticket.due, ticket)
  }

  take (id: string): string | null {
    const ticket = this.#tickets.get(id)
    if (ticket === undefined) return null
    this.#tickets.delete(id)
    return ticket.due > this.#clock.now() ? ticket.value : null
  }

  close (): void {
    this.#tickets.clear()
  }
}
