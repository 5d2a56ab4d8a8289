type Task = () => void | Promise<void>

interface Waiting {
  readonly task: Task
  readonly bytes: number
  readonly dropped?: () => void
}

export interface LaneOptions {
  /** What the task keeps in memory while it waits. */
  readonly bytes?: number
  /** Called instead of the task when it is dropped. */
  readonly dropped?: () => void
}

/**
 * Keeps work about one room in the order it came, hooks included, while other rooms go on. A lane exists only while something
 * in it is unfinished; work that finishes at once never makes one. A task must settle in bounded time: what is behind it waits.
 */
export class Lanes {
  #lanes: Map<string, Waiting[]> | null = null
  #waiting = 0
  #waitingBytes = 0
  readonly #onError: (err: unknown) => void

  constructor (onError: (err: unknown) => void) {
    this.#onError = onError
  }

  /** Tasks that have not begun. */
  get waiting (): number {
    return this.#waiting
  }

  /** Sum of their bytes. */
  get waitingBytes (): number {
    return this.#waitingBytes
  }

  /** Would a task have to wait? */
  busy (name: string): boolean {
    return this.#lanes?.has(name) === true
  }

  run (name: string, task: Task, { bytes = 0, dropped }: LaneOptions = {}): void {
    const queue = this.#lanes?.get(name)
    if (queue !== undefined) {
      queue.push({ task, bytes, dropped })
      this.#waiting++
      this.#waitingBytes += bytes
      return
    }
    const done = this.#start(task)
    if (done === undefined) return
    this.#lanes ??= new Map()
    this.#lanes.set(name, [])
    this.#continueAfter(name, done)
  }

  /** Drops what has not begun: nobody is there for it any more. */
  drop (): void {
    this.#waiting = 0
    this.#waitingBytes = 0
    for (const queue of this.#lanes?.values() ?? []) {
      for (const { dropped } of queue.splice(0)) dropped?.()
    }
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
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      this.#waiting--
      this.#waitingBytes -= next.bytes
      const done = this.#start(next.task)
      if (done !== undefined) {
        this.#continueAfter(name, done)
        return
      }
    }
    this.#lanes?.delete(name)
  }
}
