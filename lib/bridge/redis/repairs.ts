/** Repairs under way at once: a node that comes back has one to make for every channel it follows, and others wait behind them. */
const MAX_FLIGHTS = 128

/** What may be missing something, and is looked after a few at a time. */
export class Repairs<Key> {
  readonly #repair: (key: Key) => Promise<void>
  readonly #dirty = new Set<Key>()
  /** Where it is in them: beginning anew for each, it would pass by all that were taken out before. */
  #next = this.#dirty.values()
  #flights = 0

  /** @param repair - never rejects */
  constructor (repair: (key: Key) => Promise<void>) {
    this.#repair = repair
  }

  /** What is waiting for its repair already has that one alone; what is being repaired gets another one. */
  add (key: Key): void {
    this.#dirty.add(key)
    this.#fly()
  }

  close (): void {
    this.#dirty.clear()
  }

  #fly (): void {
    while (this.#dirty.size > 0 && this.#flights < MAX_FLIGHTS) {
      const next = this.#next.next()
      if (next.done === true) {
        // What is added later never comes by an iterator that was at its end.
        this.#next = this.#dirty.values()
        continue
      }
      this.#dirty.delete(next.value)
      this.#flights++
      void this.#repair(next.value).finally(() => {
        this.#flights--
        this.#fly()
      })
    }
  }
}
