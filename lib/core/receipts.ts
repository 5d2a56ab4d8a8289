import { parsePosition } from '../protocol/position.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { TimerHandle, Timers } from './timers.js'

/** How long a node remembers whom a message with a receipt went to, in ms; no publisher may wait longer. */
export const MAX_RECEIPT_TIMEOUT = 60_000

/** Messages with receipts a node keeps track of at a time; beyond it the oldest is given up. */
const MAX_TRACKED = 10_000

/** Connection ids, by what they did with a message until now. */
export interface ReceiptState {
  readonly received: string[]
  readonly missing: string[]
}

interface Tracked {
  readonly id: string
  readonly userId: string
  /** Connections that were online when it was sent and have not answered. */
  readonly missing: Set<string>
  /** Those that are gone without having answered. */
  readonly lost: Set<string>
  readonly received: Set<string>
  readonly forget: TimerHandle
  readonly waiters: Set<() => void>
}

export interface ReceiptsOptions {
  readonly timers: Timers
  readonly connections: Connections
}

/** A publisher that asked before the message has arrived here. */
interface Early {
  readonly position: string
  readonly wake: () => void
}

/** Who acknowledged which direct message, on this node. */
export class Receipts {
  readonly #options: ReceiptsOptions
  /** Oldest first. */
  readonly #tracked = new Map<string, Tracked>()
  readonly #ofUser = new Map<string, Set<Tracked>>()
  readonly #early = new Map<string, Set<Early>>()

  constructor (options: ReceiptsOptions) {
    this.#options = options
  }

  /** Messages kept track of. */
  get size (): number {
    return this.#tracked.size
  }

  /** A message that wants receipts arrived: whoever is online now is to answer. */
  expect (userId: string, position: string): void {
    const id = key(userId, position)
    if (this.#tracked.has(id)) return
    const missing = new Set(this.#listening(userId).map((connection) => connection.id))
    const forget = this.#options.timers.after(MAX_RECEIPT_TIMEOUT, () => this.#forget(tracked))
    const tracked: Tracked = { id, userId, missing, lost: new Set(), received: new Set(), forget, waiters: new Set() }
    this.#tracked.set(id, tracked)
    const others = this.#ofUser.get(userId)
    if (others === undefined) this.#ofUser.set(userId, new Set([tracked]))
    else others.add(tracked)
    const [oldest] = this.#tracked.values()
    if (this.#tracked.size > MAX_TRACKED && oldest !== undefined) this.#forget(oldest)
    this.#wakeEarly(userId)
  }

  received (userId: string, connectionId: string, position: string): void {
    const tracked = this.#tracked.get(key(userId, position))
    if (tracked === undefined || !tracked.missing.delete(connectionId)) return
    tracked.received.add(connectionId)
    wakeIfDone(tracked)
  }

  /** A connection that is gone will not answer any more. */
  lost (userId: string, connectionId: string): void {
    for (const tracked of this.#ofUser.get(userId) ?? []) {
      if (!tracked.missing.delete(connectionId)) continue
      tracked.lost.add(connectionId)
      wakeIfDone(tracked)
    }
    this.#wakeEarly(userId)
  }

  /** Resolves when everybody who was online has answered or is gone, or after `timeout` ms. */
  async collect (userId: string, position: string, timeout: number): Promise<ReceiptState> {
    const id = key(userId, position)
    const { timers } = this.#options
    const deadline = new Signal()
    const timer = timers.after(timeout, deadline.fire)
    try {
      if (this.#isUnderWay(userId, position)) await this.#arrival(userId, position, deadline)
      const tracked = this.#tracked.get(id)
      if (tracked === undefined) return { received: [], missing: [] }
      if (tracked.missing.size > 0) {
        const done = new Signal()
        tracked.waiters.add(done.fire)
        await Promise.race([done.fired, deadline.fired])
        tracked.waiters.delete(done.fire)
      }
      return { received: [...tracked.received], missing: [...tracked.missing, ...tracked.lost] }
    } finally {
      timers.cancel(timer)
    }
  }

  /** Connections that follow the user's inbox; one that does not yet will find the message behind its welcome. */
  #listening (userId: string): Connection[] {
    return this.#options.connections.ofUser(userId).filter(({ inbox }) => inbox !== null)
  }

  /** Will the message still arrive here, for somebody? */
  #isUnderWay (userId: string, position: string): boolean {
    const { epoch, offset } = parsePosition(position) ?? { epoch: '', offset: -1 }
    if (offset === -1 || this.#tracked.has(key(userId, position))) return false
    return this.#listening(userId).some(({ inbox }) => inbox !== null && (inbox.channel.head.epoch !== epoch || inbox.channel.head.offset < offset))
  }

  async #arrival (userId: string, position: string, deadline: Signal): Promise<void> {
    const arrived = new Signal()
    const early: Early = { position, wake: arrived.fire }
    const others = this.#early.get(userId) ?? new Set()
    this.#early.set(userId, others.add(early))
    await Promise.race([arrived.fired, deadline.fired])
    others.delete(early)
    if (others.size === 0 && this.#early.get(userId) === others) this.#early.delete(userId)
  }

  #wakeEarly (userId: string): void {
    for (const { position, wake } of this.#early.get(userId) ?? []) {
      if (!this.#isUnderWay(userId, position)) wake()
    }
  }

  #forget (tracked: Tracked): void {
    const { id, userId, forget, waiters } = tracked
    if (!this.#tracked.delete(id)) return
    this.#options.timers.cancel(forget)
    const others = this.#ofUser.get(userId)
    others?.delete(tracked)
    if (others?.size === 0) this.#ofUser.delete(userId)
    for (const wake of waiters) wake()
  }
}

/** Something that happens once. */
class Signal {
  fire: () => void = () => {}
  readonly fired = new Promise<void>((resolve) => { this.fire = resolve })
}

function wakeIfDone (tracked: Tracked): void {
  if (tracked.missing.size > 0) return
  for (const wake of tracked.waiters) wake()
}

/** Positions name an entry of one log only. */
function key (userId: string, position: string): string {
  return `${position} ${userId}`
}
