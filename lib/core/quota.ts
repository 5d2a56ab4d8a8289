/** Two sums of floating-point times that should be equal differ by less than this, in ms. */
const EPSILON = 1e-3

/**
 * A token bucket: `max` tokens, refilled continuously at `max` a `window`.
 *
 * Kept as the one instant at which it will be full again, which is all its state: a refill is the passing of time.
 */
export class TokenBucket {
  readonly #max: number
  readonly #window: number
  #fullAt = -Infinity

  /** @param window - Milliseconds in which an empty bucket fills. */
  constructor (max: number, window: number) {
    this.#max = max
    this.#window = window
  }

  /** Nothing of it is taken: it is like a new one. */
  isFull (now: number): boolean {
    return this.#fullAt <= now
  }

  /**
   * Takes `n` tokens, or none.
   *
   * @returns 0 when taken, else the whole milliseconds until that many are there (`Infinity` for more than `max`).
   */
  take (now: number, n: number = 1): number {
    if (n > this.#max) return Infinity
    const fullAt = Math.max(this.#fullAt, now) + n * this.#window / this.#max
    const wait = fullAt - now - this.#window
    if (wait > EPSILON) return Math.ceil(wait)
    this.#fullAt = fullAt
    return 0
  }
}
