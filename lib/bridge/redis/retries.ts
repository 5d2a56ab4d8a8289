import type { Clock } from '../../clock.js'

/** How long until it is tried again, in ms; between half of it and all of it. */
const RETRY = 1_000

/** What failed and is tried again a little later, all of it together. */
export class Retries<Key> {
  readonly #clock: Clock
  readonly #again: (key: Key) => void
  readonly #failed = new Set<Key>()
  #cancel: (() => void) | null = null

  constructor (clock: Clock, again: (key: Key) => void) {
    this.#clock = clock
    this.#again = again
  }

  add (key: Key): void {
    this.#failed.add(key)
    this.#cancel ??= this.#clock.timeout(() => {
      this.#cancel = null
      const keys = [...this.#failed]
      this.#failed.clear()
      for (const each of keys) this.#again(each)
    }, RETRY * (0.5 + 0.5 * this.#clock.random()))
  }

  close (): void {
    this.#cancel?.()
    this.#cancel = null
    this.#failed.clear()
  }
}
