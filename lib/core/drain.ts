import type { Clock } from '../clock.js'
import { goawayFrame } from '../protocol/encode.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { Timers } from './timers.js'

export interface DrainOptions {
  /** Clients are asked to reconnect at a random moment within this time, in ms. */
  readonly spread: number
  /** After this time the sockets that are left are dropped, in ms. */
  readonly deadline: number
  /** Close code for those that did not go by themselves. */
  readonly code: number
}

/**
 * Sends everybody away: each client is given its own moment to reconnect, those that stay are closed when all moments have
 * passed, and what does not close is dropped at the deadline.
 */
export class Drain {
  readonly #connections: Connections
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #options: DrainOptions
  /** Sockets that have not closed, connections that ended included. */
  readonly #open = new Set<Connection>()
  #draining: Promise<void> | null = null
  #emptied: () => void = () => {}

  constructor (connections: Connections, clock: Clock, timers: Timers, options: DrainOptions) {
    this.#connections = connections
    this.#clock = clock
    this.#timers = timers
    this.#options = options
  }

  get draining (): boolean {
    return this.#draining !== null
  }

  /** One that comes in while the node drains, because its handshake began before, is sent away at once. */
  opened (connection: Connection): void {
    this.#open.add(connection)
    if (this.draining) this.#close(connection)
  }

  closed (connection: Connection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) this.#emptied()
  }

  /** Resolves when no socket is left. */
  start (): Promise<void> {
    this.#draining ??= this.#run()
    return this.#draining
  }

  async #run (): Promise<void> {
    const { spread, deadline } = this.#options
    if (this.#open.size === 0) return
    const empty = new Promise<void>((resolve) => { this.#emptied = resolve })
    for (const connection of this.#connections.all()) {
      connection.sendText(goawayFrame(Math.floor(this.#clock.random() * spread)))
    }
    const closing = this.#timers.after(Math.min(spread, deadline), () => {
      for (const connection of [...this.#connections.all()]) this.#close(connection)
    })
    const dropping = this.#timers.after(deadline, () => {
      for (const connection of this.#open) connection.transport.terminate()
    })
    await empty
    this.#timers.cancel(closing)
    this.#timers.cancel(dropping)
  }

  #close (connection: Connection): void {
    connection.close(this.#options.code, 'server shutting down')
  }
}
