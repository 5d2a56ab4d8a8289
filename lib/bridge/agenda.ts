import type { Clock } from '../clock.js'

export interface Task {
  run (now: number): void
}

/** Tasks due within the same slot run together, so that a million of them cost a few timers. */
const SLOT = 100

/** Longer timeouts fire at once in Node.js. */
const MAX_DELAY = 2 ** 31 - 1

/**
 * Everything that happens later in a bridge, on one timer. There is none while nothing is planned. A task runs up to
 * 100 ms late and never early; it cannot be cancelled, but has to find out itself whether there is still something to do.
 */
export class Agenda {
  readonly #clock: Clock
  readonly #slots = new Map<number, Task[]>()
  /** Binary heap over the keys of the slots: they are few, the tasks in them may be many. */
  readonly #heap: number[] = []
  #cancel: (() => void) | null = null
  #armed = Infinity
  #closed = false

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** @param due by {@link Clock.now}, and later than now */
  plan (due: number, task: Task): void {
    if (this.#closed) return
    const slot = Math.ceil(due / SLOT)
    const tasks = this.#slots.get(slot)
    if (tasks !== undefined) {
      tasks.push(task)
      return
    }
    this.#slots.set(slot, [task])
    this.#push(slot)
    if (slot < this.#armed) this.#arm(slot)
  }

  close (): void {
    this.#cancel?.()
    this.#cancel = null
    this.#closed = true
    this.#slots.clear()
    this.#heap.length = 0
  }

  #arm (slot: number): void {
    this.#cancel?.()
    this.#armed = slot
    const delay = Math.max(0, slot * SLOT - this.#clock.now())
    this.#cancel = this.#clock.timeout(() => this.#wake(), Math.min(delay, MAX_DELAY))
  }

  #wake (): void {
    this.#cancel = null
    // Tasks plan others while they run; one timer is armed at the end instead of one for each.
    this.#armed = -Infinity
    const now = this.#clock.now()
    let slot = this.#heap[0]
    while (slot !== undefined && slot * SLOT <= now) {
      this.#pop()
      const tasks = this.#slots.get(slot) ?? []
      this.#slots.delete(slot)
      for (const task of tasks) task.run(now)
      slot = this.#heap[0]
    }
    this.#armed = Infinity
    if (slot !== undefined) this.#arm(slot)
  }

  #push (slot: number): void {
    const heap = this.#heap
    let index = heap.push(slot) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || above <= slot) break
      heap[index] = above
      index = parent
    }
    heap[index] = slot
  }

  #pop (): void {
    const heap = this.#heap
    const moved = heap.pop()
    if (moved === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && right < (heap[child] ?? Infinity)) child++
      const below = heap[child]
      if (below === undefined || below >= moved) break
      heap[index] = below
      index = child
    }
    heap[index] = moved
  }
}
