/** Repairs under way at once: a node that comes back has one to make for every channel it follows, and others wait behind them. */
const MAX_FLIGHTS = 128

/** What may be missing something, and is looked after a few at a time. */
export class Repairs<Key> {
  readonly #repair: (key: Key) => Promise<void>
  readonly #dirty = new Set<Key>()
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
    for (const key of this.#dirty) {
      if (this.#flights === MAX_FLIGHTS) return
      this.#dirty.delete(key)
      this.#flights++
      void this.#repair(key).finally(() => {
        this.#flights--
        this.#fly()
      })
    }
  }
}
