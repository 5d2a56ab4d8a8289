import type { Clock } from '../../clock.js'

/** How often it is told that connections fail, in ms: while Redis is away, each of them fails again and again. */
const INTERVAL = 10_000

/** Tells of failing connections at a bounded rate: the first time at once, and how many there were with the next. */
export class LinkLog {
  readonly #clock: Clock
  readonly #tell: (error: Error, more: number) => void
  #told = -Infinity
  #more = 0

  constructor (clock: Clock, tell: (error: Error, more: number) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  failed (error: unknown): void {
    const now = this.#clock.now()
    if (now - this.#told < INTERVAL) {
      this.#more++
      return
    }
    const more = this.#more
    this.#told = now
    this.#more = 0
    // The words alone: the errors of ioredis carry commands with their arguments, passwords among them.
    this.#tell(new Error(error instanceof Error ? error.message : String(error)), more)
  }
}
