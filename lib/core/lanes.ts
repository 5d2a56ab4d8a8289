type Task = () => void | Promise<void>

/**
 * Keeps work about one room in the order it came, hooks included, while other rooms go on. A lane exists only while something
 * in it is unfinished; work that finishes at once never makes one.
 */
export class Lanes {
  #lanes: Map<string, Task[]> | null = null
  #waiting = 0
  readonly #onError: (err: unknown) => void

  constructor (onError: (err: unknown) => void) {
    this.#onError = onError
  }

  /** Tasks that have not begun. */
  get waiting (): number {
    return this.#waiting
  }

  run (name: string, task: Task): void {
    const queue = this.#lanes?.get(name)
    if (queue !== undefined) {
      queue.push(task)
      this.#waiting++
      return
    }
    const done = this.#start(task)
    if (done === undefined) return
    this.#lanes ??= new Map()
    this.#lanes.set(name, [])
    this.#continueAfter(name, done)
  }

  /** As {@link run}, for a caller that wants to know when its task is through. */
  runAndWait<T> (name: string, task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.run(name, () => task().then(resolve, reject))
    })
  }

  #start (task: Task): Promise<void> | undefined {
    try {
      return task() ?? undefined
    } catch (err) {
      this.#onError(err)
      return undefined
    }
  }

  #continueAfter (name: string, done: Promise<void>): void {
    done.catch(this.#onError).then(() => this.#next(name), this.#onError)
  }

  #next (name: string): void {
    const queue = this.#lanes?.get(name)
    if (queue === undefined) return
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      this.#waiting--
      const done = this.#start(task)
      if (done !== undefined) {
        this.#continueAfter(name, done)
        return
      }
    }
    this.#lanes?.delete(name)
  }
}
