import { hash } from 'node:crypto'
import type { Clock } from '../../clock.js'
import type { Names } from './names.js'
import { loadScript } from './script.js'
import type { Store } from './store.js'

const TAKE = loadScript('take-ticket')

export interface TicketsOptions {
  readonly clock: Clock
  readonly names: Names
  /** How long a call may take, in ms. */
  readonly timeout: number
  /** Where what has this name is. */
  storeOf (name: string): Store
}

/** Values for one use in the whole cluster. */
export class Tickets {
  readonly #options: TicketsOptions

  constructor (options: TicketsOptions) {
    this.#options = options
  }

  async put (id: string, value: string, ttl: number): Promise<void> {
    const name = nameOf(id)
    await this.#options.storeOf(name).command('set', this.#options.names.service(name), value, 'PX', Math.ceil(ttl))
  }

  async take (id: string): Promise<string | null> {
    const { clock, names, timeout, storeOf } = this.#options
    const name = nameOf(id)
    const value = await storeOf(name).run(TAKE, [names.service(name), names.service(name, 'taken')], [clock.id(), 2 * timeout])
    return value === null ? null : String(value)
  }
}

/** Ids come from outside, and whoever reads the store's keys must not be able to use what they find. */
function nameOf (id: string): string {
  return `ticket:${hash('sha256', id, 'hex')}`
}
