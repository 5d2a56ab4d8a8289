/**
 * Receivers served before the event loop gets its turn. 256 writes cost about 3 ms: what a request to the API beside a room
 * of 10,000 waits for at most (measured: p99 8 ms in slices of 256, 230 ms in one go).
 */
export const SLICE = 256

/** Bytes of one pass, one larger item aside; below what any connection may have waiting. */
const BATCH_BYTES = 256 * 1024

/** Items that take as long to hand over as a write takes: slices of a larger batch serve fewer receivers. */
const ITEMS_A_WRITE = 128

/** Bytes that may wait for a fan-out; beyond it something has to go. */
export const MAX_QUEUED = 4 * 1024 * 1024

/** Work that is done in slices. */
interface Sliced {
  readonly pending: boolean
  /** Serves receivers until about `budget` is spent, 1 for each write; returns how much that was, at least 1. */
  slice (budget: number): number
}

/** Takes turns among the fan-outs that have work: one slice a turn of the event loop, round robin. */
export class FanOutScheduler {
  readonly #waiting: Sliced[] = []
  /**
   * Told when a delivery threw, which is a defect (the receiver it was for missed something, the others did not), and when
   * somebody publishes faster than can be delivered.
   */
  readonly onError: (err: unknown) => void
  #armed = false

  constructor (onError: (err: unknown) => void) {
    this.onError = onError
  }

  schedule (work: Sliced): void {
    this.#waiting.push(work)
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    let budget = SLICE
    while (budget > 0) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      budget -= next.slice(budget)
      if (next.pending) this.#waiting.push(next)
    }
    if (this.#waiting.length > 0) setImmediate(this.#turn)
    else this.#armed = false
  }
}

/** What a fan-out must know of its items, so that they stay bounded. */
export interface FanOutBounds<Item> {
  bytes (item: Item): number
  /** Too much waits: makes something shorter of it that says the same to a receiver in the end, or that something is missing. */
  shorten (items: Item[]): Item[]
}

/**
 * Hands items to receivers, in order. A small audience is served at once; a large one in slices, first in, first out: the
 * next batch starts when the last receiver has the one before, with all that waits by then. Receivers that come and go in the middle of a pass are visited
 * or not; an item's own number tells `deliver` who was there when it was pushed.
 */
export class FanOut<Receiver, Item> implements Sliced {
  readonly receivers = new Set<Receiver>()
  readonly #scheduler: FanOutScheduler
  readonly #deliver: (receiver: Receiver, items: readonly Item[]) => void
  readonly #bounds: FanOutBounds<Item>
  #queue: Item[] = []
  #queuedBytes = 0
  /** Bytes at which the queue is shortened: well above what the last time left, so that it costs no more than the pushes. */
  #maxQueued = MAX_QUEUED
  #batch: Item[] = []
  #cursor: Iterator<Receiver> | null = null
  #delivering = false

  constructor (scheduler: FanOutScheduler, deliver: (receiver: Receiver, items: readonly Item[]) => void, bounds: FanOutBounds<Item>) {
    this.#scheduler = scheduler
    this.#deliver = deliver
    this.#bounds = bounds
  }

  /** Bytes that wait, the pass under way aside. */
  get queuedBytes (): number {
    return this.#queuedBytes
  }

  get pending (): boolean {
    return this.#delivering || this.#cursor !== null || this.#queue.length > 0
  }

  push (item: Item): void {
    if (this.pending) {
      this.#enqueue(item)
    } else if (this.receivers.size <= SLICE) {
      // What a delivery itself pushes (a removal ends typing) waits until everybody has this item.
      this.#delivering = true
      const items = [item]
      for (const receiver of this.receivers) this.#hand(receiver, items)
      this.#delivering = false
      if (this.#queue.length > 0) this.#scheduler.schedule(this)
    } else {
      this.#enqueue(item)
      this.#scheduler.schedule(this)
    }
  }

  /** Hands a receiver at once what is on its way to it; `deliver` knows what it had before. */
  flushTo (receiver: Receiver): void {
    // In one go: a receiver that is removed by the first of them must not get the rest.
    if (this.#batch.length + this.#queue.length > 0) this.#hand(receiver, [...this.#batch, ...this.#queue])
  }

  #enqueue (item: Item): void {
    this.#queue.push(item)
    this.#queuedBytes += this.#bounds.bytes(item)
    if (this.#queuedBytes <= this.#maxQueued) return
    this.#queue = this.#bounds.shorten(this.#queue)
    this.#queuedBytes = 0
    for (const kept of this.#queue) this.#queuedBytes += this.#bounds.bytes(kept)
    this.#maxQueued = Math.max(MAX_QUEUED, this.#queuedBytes * 2)
  }

  #nextBatch (): Item[] {
    let count = 0
    let bytes = 0
    for (const item of this.#queue) {
      const size = this.#bounds.bytes(item)
      if (count > 0 && bytes + size > BATCH_BYTES) break
      count++
      bytes += size
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count)
  }

  /** One receiver's trouble must stop neither the others nor the queue. */
  #hand (receiver: Receiver, items: readonly Item[]): void {
    try {
      this.#deliver(receiver, items)
    } catch (err) {
      this.#scheduler.onError(err)
    }
  }

  slice (budget: number): number {
    if (this.#cursor === null) {
      this.#batch = this.#nextBatch()
      this.#cursor = this.receivers.values()
    }
    const cost = Math.max(1, this.#batch.length / ITEMS_A_WRITE)
    let spent = 0
    while (spent < budget) {
      const next = this.#cursor.next()
      if (next.done === true) {
        this.#cursor = null
        this.#batch = []
        break
      }
      this.#hand(next.value, this.#batch)
      spent += cost
    }
    // An empty pass still costs its turn, so that a queue nobody listens to cannot spin.
    return Math.max(spent, 1)
  }
}
