import type { Clock } from '../clock.js'
import { closeCodes } from '../protocol/close-codes.js'
import { expiringFrame } from '../protocol/encode.js'
import type { Connection } from './connection.js'
import type { Timers } from './timers.js'

/** How long before its end a credential is announced as expiring, in ms; a third of its time where that is shorter. */
const NOTICE = 60_000

/** Longest time in ms without a look at the wall clock, which may have been set meanwhile. */
const LONGEST_WAIT = 5 * 60_000

/**
 * Ends connections when their credentials end, with a notice before. Watches the wall clock through the shared timers: one
 * that is set back delays the end, one that jumps ahead brings it at the next look.
 */
export class Expiry {
  readonly #clock: Clock
  readonly #timers: Timers

  constructor (clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  /** Starts over with the connection's current `expiresAt`. */
  watch (connection: Connection): void {
    this.forget(connection)
    if (connection.expiresAt === null) return
    const left = connection.expiresAt - this.#clock.wall()
    const notice = Math.min(NOTICE, left / 3)
    this.#wait(connection, left - notice, () => this.#announce(connection, notice))
  }

  forget (connection: Connection): void {
    if (connection.expiry === null) return
    this.#timers.cancel(connection.expiry)
    connection.expiry = null
  }

  #announce (connection: Connection, notice: number): void {
    const { expiresAt } = connection
    if (expiresAt === null || connection.ended) return
    const left = expiresAt - this.#clock.wall()
    if (left > notice) {
      this.#wait(connection, left - notice, () => this.#announce(connection, notice))
      return
    }
    connection.sendText(expiringFrame(expiresAt))
    this.#end(connection)
  }

  #end (connection: Connection): void {
    const { expiresAt } = connection
    if (expiresAt === null || connection.ended) return
    const left = expiresAt - this.#clock.wall()
    if (left > 0) this.#wait(connection, left, () => this.#end(connection))
    else connection.close(closeCodes.credentialsExpired.code, 'credentials expired')
  }

  #wait (connection: Connection, ms: number, then: () => void): void {
    connection.expiry = this.#timers.after(Math.min(Math.max(0, ms), LONGEST_WAIT), then)
  }
}
