import { FrameQueue } from './frame-queue.js'
import type { Frame } from './frame.js'
import { Pending } from './pending.js'
import type { Transport } from './transport.js'

/** What one write of a backlog holds at most, a larger frame aside: the rest stays shared until the socket wants it. */
const CHUNK = 64 * 1024

const OPEN = 0
/** Over its limit, its owner not told yet. */
const OVERFLOWED = 1
const CLOSED = 2

export interface FlusherOptions {
  /**
   * Writes in one turn of the event loop. A write costs about 12 us, so this is how long the API beside us may have to wait.
   * @default 256
   */
  readonly slice?: number
}

/**
 * Writes what the outboxes of one plugin instance have waiting, in the same turn of the event loop, a slice at a time.
 */
export class Flusher {
  /** The empty list that every outbox starts from. */
  readonly empty = new Pending()
  /** Bytes that wait in the outboxes; kept by them. */
  queuedBytes = 0
  /** Frames handed to transports; kept by the outboxes. */
  messagesOut = 0
  /** Calls that took; kept by the outboxes. */
  writes = 0
  readonly #slice: number
  #dirty: Outbox[] = []
  #next = 0
  #immediate: NodeJS.Immediate | undefined
  #closed = false

  constructor (options: FlusherOptions = {}) {
    this.#slice = options.slice ?? 256
  }

  /** Has `outbox` run in this turn, or in a later one when there are many. For the outbox itself to call. */
  schedule (outbox: Outbox): void {
    if (this.#closed) return
    this.#dirty.push(outbox)
    this.#immediate ??= setImmediate(this.#run)
  }

  /** Forgets whoever waits. Outboxes can still be flushed one by one. */
  close (): void {
    this.#closed = true
    clearImmediate(this.#immediate)
    this.#immediate = undefined
    this.#dirty = []
    this.#next = 0
    this.empty.release()
  }

  readonly #run = (): void => {
    this.#immediate = undefined
    // What is pushed from here on begins a new list: the old ones must not outlive this flush.
    this.empty.release()
    const end = this.writes + this.#slice
    try {
      while (this.writes < end) {
        const outbox = this.#dirty[this.#next]
        if (outbox === undefined) break
        this.#next++
        outbox.run()
      }
    } finally {
      // Here also when a callback of an owner threw: the others must not wait for ever because of it.
      if (this.#next < this.#dirty.length) {
        this.#immediate = setImmediate(this.#run)
      } else {
        this.#dirty = []
        this.#next = 0
      }
    }
  }
}

/** Kept by the outbox and called as methods: a connection can pass itself and needs no closures. */
export interface OutboxOptions {
  readonly transport: Transport
  readonly flusher: Flusher
  /** Bytes that may wait, in the queue and in the socket. */
  readonly limit: number
  /**
   * Too much waits even without volatile frames. Called once, from the flusher and never out of a push, so that a room can
   * push to its members in a plain loop; the queue is gone by then.
   */
  onOverflow (): void
  /** This many volatile frames were dropped. Called from the flusher as well. */
  onDropped? (count: number): void
}

/**
 * What waits for one connection. Frames pushed in one turn of the event loop leave in one write at its end; while the
 * transport is full they queue by reference, up to the limit.
 */
export class Outbox {
  readonly #owner: OutboxOptions
  readonly #transport: Transport
  readonly #flusher: Flusher
  readonly #limit: number
  /** What the next flush writes. Present only while open, with neither a backlog nor a full transport. */
  #pending: Pending | undefined
  /** What a full transport left behind; all that follows queues behind it. */
  #backlog: FrameQueue | undefined
  #dropped = 0
  #state: typeof OPEN | typeof OVERFLOWED | typeof CLOSED = OPEN
  #full = false
  #scheduled = false

  constructor (options: OutboxOptions) {
    this.#owner = options
    this.#transport = options.transport
    this.#flusher = options.flusher
    this.#limit = options.limit
    this.#pending = undefined
    this.#backlog = undefined
  }

  /** Bytes that wait, in the queue and in the transport. */
  get bytes (): number {
    return this.#queued + this.#transport.bufferedAmount
  }

  /** Never throws and never calls out. Ignored once closed or over the limit. */
  push (frame: Frame): void {
    let pending = this.#pending
    if (pending !== undefined) {
      pending = pending.append(frame)
    } else if (this.#state === OPEN && !this.#full && this.#backlog === undefined) {
      pending = this.#flusher.empty.append(frame)
      this.#schedule()
    } else {
      this.#enqueue(frame)
      return
    }
    this.#pending = pending
    this.#flusher.queuedBytes += frame.size
    if (pending.bytes > this.#limit) this.#spill(pending)
  }

  /** Writes all there is, full or not: for right before a close frame, after which nothing may follow. */
  flush (): void {
    this.#write(true)
  }

  /** The transport takes frames again. */
  drained (): void {
    this.#full = false
    if (this.#backlog !== undefined) this.#schedule()
  }

  /** Drops the queue. */
  close (): void {
    this.#state = CLOSED
    this.#clear()
  }

  /** What the flusher calls. */
  run (): void {
    this.#scheduled = false
    if (this.#dropped > 0) {
      const dropped = this.#dropped
      this.#dropped = 0
      this.#owner.onDropped?.(dropped)
    }
    if (this.#state === OVERFLOWED) {
      this.#state = CLOSED
      this.#owner.onOverflow()
    } else {
      this.#write(false)
    }
  }

  get #queued (): number {
    return (this.#pending?.bytes ?? 0) + (this.#backlog?.bytes ?? 0)
  }

  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#flusher.schedule(this)
  }

  /** Behind a backlog or a full transport. */
  #enqueue (frame: Frame): void {
    if (this.#state !== OPEN) return
    if (this.bytes + frame.size > this.#limit && !this.#makeRoom(frame)) return
    this.#backlog ??= new FrameQueue()
    this.#backlog.push(frame)
    this.#flusher.queuedBytes += frame.size
  }

  /** Drops volatile frames until `frame` fits; failing that, drops `frame` if it is one, else everything. */
  #makeRoom (frame: Frame): boolean {
    this.#dropVolatile()
    if (this.bytes + frame.size <= this.#limit) return true
    if (frame.volatile) {
      this.#dropped++
      this.#schedule()
    } else {
      this.#overflow()
    }
    return false
  }

  #dropVolatile (): void {
    const backlog = this.#backlog
    if (backlog === undefined) return
    const before = backlog.bytes
    const dropped = backlog.dropVolatile()
    if (dropped === 0) return
    this.#flusher.queuedBytes -= before - backlog.bytes
    this.#dropped += dropped
    this.#schedule()
  }

  #overflow (): void {
    this.#state = OVERFLOWED
    this.#clear()
    this.#schedule()
  }

  #clear (): void {
    this.#flusher.queuedBytes -= this.#queued
    this.#pending = undefined
    this.#backlog = undefined
  }

  /**
   * More than the limit was pushed in one turn. Nobody has tried to write any of it yet, so that alone says nothing about
   * the consumer: offer it to the transport now, and judge by what it leaves behind.
   */
  #spill (pending: Pending): void {
    this.#pending = undefined
    const backlog = this.#backlog = new FrameQueue()
    for (const frame of pending.frames()) backlog.push(frame)
    this.#writeBacklog(backlog, false)
    if (this.bytes <= this.#limit) return
    this.#dropVolatile()
    if (this.bytes > this.#limit) this.#overflow()
  }

  #write (force: boolean): void {
    const pending = this.#pending
    if (pending !== undefined) {
      this.#pending = undefined
      if (this.#transport.raw) {
        this.#send(pending.wire, pending.count, pending.bytes)
        return
      }
      const backlog = this.#backlog = new FrameQueue()
      for (const frame of pending.frames()) backlog.push(frame)
    }
    if (this.#backlog !== undefined) this.#writeBacklog(this.#backlog, force)
  }

  #writeBacklog (backlog: FrameQueue, force: boolean): void {
    const { raw } = this.#transport
    // Another backlog, or none: the transport closed us out of a write.
    while (this.#backlog === backlog) {
      const frame = this.#full && !force ? undefined : backlog.shift()
      if (frame === undefined) break
      if (raw) {
        this.#sendChunk(frame, backlog)
      } else {
        this.#send(frame.payload, 1, frame.size)
      }
    }
    if (this.#backlog === backlog && backlog.length === 0) this.#backlog = undefined
  }

  /** Writes `first` together with what follows it and still fits. */
  #sendChunk (first: Frame, backlog: FrameQueue): void {
    const wires = [first.wire]
    let bytes = first.size
    while (bytes < CHUNK) {
      const frame = backlog.shift()
      if (frame === undefined) break
      wires.push(frame.wire)
      bytes += frame.size
    }
    this.#send(wires.length === 1 ? first.wire : Buffer.concat(wires, bytes), wires.length, bytes)
  }

  #send (data: Buffer, count: number, bytes: number): void {
    const flusher = this.#flusher
    flusher.queuedBytes -= bytes
    flusher.messagesOut += count
    flusher.writes++
    // Before the call, since a transport may report that it has drained before it returns.
    this.#full = true
    if (this.#transport.raw ? this.#transport.write(data) : this.#transport.send(data)) this.#full = false
  }
}
