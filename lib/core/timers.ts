import type { Clock } from '../clock.js'

/** Longest single wait. setTimeout fires at once from 2^31 ms on, and a day later nobody minds one wake-up more. */
const LONGEST_WAIT = 24 * 60 * 60 * 1000

/** Keys of abandoned buckets that are not worth a rebuild of the heap. */
const STALE_FROM = 64

/** Values of {@link Timer.bucket} beside the key of a bucket. */
const IDLE = -1
const DUE = -2

/**
 * A deadline. A class of its own with `fire` is its own handle and can be scheduled again and again, which is how a
 * connection gets by on one small object; for everything else there are {@link Timers.at} and {@link Timers.after}.
 */
export abstract class Timer {
  /** When it is due, in the clock's milliseconds. */
  when = 0
  /** Key of the bucket it is in; kept by {@link Timers}, as are its neighbours there. */
  bucket: number = IDLE
  previous: Timer = this
  next: Timer = this

  abstract fire (): void
}

/** What {@link Timers.cancel} takes. */
export type TimerHandle = Timer

class Callback extends Timer {
  readonly fire: () => void

  constructor (run: () => void) {
    super()
    this.fire = run
  }
}

/**
 * All deadlines of all connections on one armed timeout of the clock.
 *
 * Deadlines are rounded up to buckets of `resolution` ms: never early, at most one resolution late. A bucket is a circular
 * list through its timers, so that cancelling is O(1) and leaves nothing behind; the keys of the buckets form a heap, so
 * that far deadlines cost nothing until they come near.
 */
export class Timers {
  /** How late a timer may be at most, unless the process is. */
  readonly resolution: number
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  /** First timer of each bucket. */
  readonly #buckets = new Map<number, Timer>()
  /** Binary heap of the keys. Those of buckets that are gone stay in until they surface or outnumber the others. */
  #keys: number[] = []
  #stale = 0
  /** The latest bucket that has run; a timer set by one that runs goes to a later one, or they could go on for ever. */
  #latest = -1
  #armedFor = Infinity
  #disarm: (() => void) | undefined
  #closed = false

  /** @param onError - Gets what a timer throws; the others run all the same. Without it, it is an uncaught exception. */
  constructor (clock: Clock, resolution: number = 50, onError: (error: unknown) => void = uncaught) {
    this.#clock = clock
    this.resolution = resolution
    this.#onError = onError
  }

  /** Runs `run` once when `clock.now()` has reached `when`. */
  at (when: number, run: () => void): TimerHandle {
    const timer = new Callback(run)
    this.schedule(timer, when)
    return timer
  }

  /** Runs `run` once after `ms`. */
  after (ms: number, run: () => void): TimerHandle {
    return this.at(this.#clock.now() + ms, run)
  }

  /** Sets `timer` to `when`, whether it is set already or not. */
  schedule (timer: Timer, when: number): void {
    this.cancel(timer)
    if (this.#closed) return
    // A whole number, which V8 keeps in the object itself.
    timer.when = Math.ceil(when)
    const key = Math.max(Math.ceil(timer.when / this.resolution), this.#latest + 1)
    timer.bucket = key
    const first = this.#buckets.get(key)
    if (first === undefined) {
      this.#buckets.set(key, timer)
      this.#addKey(key)
    } else {
      timer.previous = first.previous
      timer.next = first
      first.previous.next = timer
      first.previous = timer
    }
    if (key < this.#armedFor) this.#arm(key)
  }

  /** Does nothing when it has run, or was cancelled. */
  cancel (timer: TimerHandle): void {
    const key = timer.bucket
    timer.bucket = IDLE
    if (key < 0) return
    if (timer.next === timer) {
      this.#buckets.delete(key)
      this.#dropKey()
      return
    }
    if (this.#buckets.get(key) === timer) this.#buckets.set(key, timer.next)
    unlink(timer)
  }

  /** Cancels all; timers set from now on never run. */
  close (): void {
    this.#closed = true
    this.#disarm?.()
    this.#disarm = undefined
    for (const first of this.#buckets.values()) takeAll(first, IDLE)
    this.#buckets.clear()
    this.#keys = []
  }

  #arm (key: number): void {
    this.#disarm?.()
    this.#armedFor = key
    const wait = Math.ceil(key * this.resolution - this.#clock.now())
    this.#disarm = this.#clock.timeout(this.#tick, Math.min(Math.max(wait, 0), LONGEST_WAIT))
  }

  readonly #tick = (): void => {
    this.#disarm = undefined
    // Nothing that runs below arms anything; what is earliest in the end is armed once.
    this.#armedFor = -Infinity
    const latest = Math.floor(this.#clock.now() / this.resolution)
    this.#latest = latest
    for (let key = this.#firstKey(); key !== undefined && key <= latest; key = this.#firstKey()) {
      const first = this.#buckets.get(key)
      this.#buckets.delete(key)
      removeFirst(this.#keys)
      if (first !== undefined) this.#runAll(takeAll(first, DUE))
    }
    this.#armedFor = Infinity
    const next = this.#firstKey()
    if (next !== undefined) this.#arm(next)
  }

  #runAll (due: Timer[]): void {
    due.sort(byDeadline)
    for (const timer of due) {
      // Cancelled or set anew by one that ran before it.
      if (timer.bucket !== DUE) continue
      timer.bucket = IDLE
      if (this.#closed) continue
      try {
        timer.fire()
      } catch (error) {
        this.#onError(error)
      }
    }
  }

  /** Key of the earliest bucket there is. */
  #firstKey (): number | undefined {
    let key = this.#keys[0]
    while (key !== undefined && !this.#buckets.has(key)) {
      removeFirst(this.#keys)
      this.#stale--
      key = this.#keys[0]
    }
    return key
  }

  #addKey (key: number): void {
    this.#keys.push(key)
    siftUp(this.#keys, this.#keys.length - 1)
  }

  /** A bucket has gone before its time. */
  #dropKey (): void {
    this.#stale++
    if (this.#buckets.size === 0) {
      this.#keys = []
      this.#stale = 0
      if (this.#armedFor === -Infinity) return
      this.#disarm?.()
      this.#disarm = undefined
      this.#armedFor = Infinity
    } else if (this.#stale > STALE_FROM && this.#stale * 2 > this.#keys.length) {
      // Sorted is heaped.
      this.#keys = [...this.#buckets.keys()].sort((a, b) => a - b)
      this.#stale = 0
    }
  }
}

function uncaught (error: unknown): void {
  queueMicrotask(() => { throw error })
}

function byDeadline (a: Timer, b: Timer): number {
  return a.when - b.when
}

function unlink (timer: Timer): void {
  timer.previous.next = timer.next
  timer.next.previous = timer.previous
  timer.previous = timer.next = timer
}

/** Takes the list apart, so that no timer keeps another one alive. */
function takeAll (first: Timer, bucket: typeof IDLE | typeof DUE): Timer[] {
  const timers = [first]
  for (let timer = first.next; timer !== first; timer = timer.next) timers.push(timer)
  for (const timer of timers) {
    timer.previous = timer.next = timer
    timer.bucket = bucket
  }
  return timers
}

function siftUp (heap: number[], index: number): void {
  const key = heap[index]
  if (key === undefined) return
  while (index > 0) {
    const parent = (index - 1) >> 1
    const above = heap[parent]
    if (above === undefined || above <= key) break
    heap[index] = above
    index = parent
  }
  heap[index] = key
}

function removeFirst (heap: number[]): void {
  const key = heap.pop()
  if (key === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    let child = index * 2 + 1
    let below = heap[child]
    const right = heap[child + 1]
    if (right !== undefined && below !== undefined && right < below) {
      child++
      below = right
    }
    if (below === undefined || below >= key) break
    heap[index] = below
    index = child
  }
  heap[index] = key
}
