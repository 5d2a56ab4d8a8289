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

/** Who acknowledged which direct message, on this node. */
export class Receipts {
  readonly #options: ReceiptsOptions
  readonly #tracked = new Map<string, Tracked>()
  /** Publishers that ask before the message has arrived here. */
  readonly #early = new Map<string, Set<() => void>>()

  constructor (options: ReceiptsOptions) {
    this.#options = options
  }

  /** A message that wants receipts arrived: whoever is online now is to answer. */
  expect (userId: string, position: string): void {
    const id = key(userId, position)
    if (this.#tracked.has(id)) return
    const { timers, connections } = this.#options
    const missing = new Set(connections.ofUser(userId).map((connection) => connection.id))
    const forget = timers.after(MAX_RECEIPT_TIMEOUT, () => this.#forget(id))
    this.#tracked.set(id, { userId, missing, lost: new Set(), received: new Set(), forget, waiters: new Set() })
    const oldest = this.#tracked.keys().next()
    if (this.#tracked.size > MAX_TRACKED && oldest.done !== true) this.#forget(oldest.value)
    for (const wake of this.#early.get(id) ?? []) wake()
  }

  received (userId: string, connectionId: string, position: string): void {
    const tracked = this.#tracked.get(key(userId, position))
    if (tracked === undefined || !tracked.missing.delete(connectionId)) return
    tracked.received.add(connectionId)
    wakeIfDone(tracked)
  }

  /** A connection that is gone will not answer any more. */
  lost (userId: string, connectionId: string): void {
    for (const tracked of this.#tracked.values()) {
      if (tracked.userId !== userId || !tracked.missing.delete(connectionId)) continue
      tracked.lost.add(connectionId)
      wakeIfDone(tracked)
    }
  }

  /** Resolves when everybody who was online has answered or is gone, or after `timeout` ms. */
  async collect (userId: string, position: string, timeout: number): Promise<ReceiptState> {
    const id = key(userId, position)
    const { timers, connections } = this.#options
    const deadline = new Signal()
    const timer = timers.after(timeout, deadline.fire)
    try {
      if (!this.#tracked.has(id) && connections.hasUser(userId)) await this.#arrival(id, deadline)
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

  async #arrival (id: string, deadline: Signal): Promise<void> {
    const arrived = new Signal()
    const waiting = this.#early.get(id) ?? new Set()
    waiting.add(arrived.fire)
    this.#early.set(id, waiting)
    await Promise.race([arrived.fired, deadline.fired])
    waiting.delete(arrived.fire)
    if (waiting.size === 0) this.#early.delete(id)
  }

  #forget (id: string): void {
    const tracked = this.#tracked.get(id)
    if (tracked === undefined) return
    this.#options.timers.cancel(tracked.forget)
    this.#tracked.delete(id)
    for (const wake of tracked.waiters) wake()
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
