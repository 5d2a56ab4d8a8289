import { hash } from 'node:crypto'
import type { Clock } from '../../clock.js'
import type { Position } from '../../protocol/position.js'
import type { ChannelName, IdempotencyKey, PublishResult, Retention } from '../bridge.js'
import { genesis, metaTtl } from '../judge.js'
import type { Agenda, Task } from '../agenda.js'
import { Keys } from './keys.js'
import { Log } from './log.js'
import type { LogEntry } from './log.js'

/** How often in ms idle logs are looked through for those whose head may be forgotten. */
const IDLE_PASS = 60 * 60 * 1000

/** Shortest time in ms between two passes over one log. Appending and reading trim by themselves; this is for quiet ones. */
const PASS = 5_000

interface Slot {
  readonly channel: ChannelName
  readonly log: Log
  readonly keys: Keys
  readonly pass: Task
  /** Whether the pass is on the agenda. */
  planned: boolean
  /** Somebody follows the channel. */
  pinned: boolean
  /** How long the head is kept after the last use. */
  metaTtl: number
  usedAt: number
}

/** All that is left of a log nobody follows and that has no entries, keys or removals: one of very many. */
interface Idle {
  readonly head: Position
  readonly metaTtl: number
  usedAt: number
}

/**
 * All logs of the process, with the idempotency keys that belong to them.
 *
 * The head of an idle log is kept for a day, so that a position handed out earlier is still recognised, but no more than
 * `maxIdle` of them. A log without any history needs no memory at all: its
 * epoch is derived from its name, so it can be made up again at any time.
 */
export class Logs {
  readonly #clock: Clock
  readonly #agenda: Agenda
  readonly #maxIdle: number
  readonly #slots = new Map<ChannelName, Slot>()
  /** In the order in which they became idle. */
  readonly #idle = new Map<ChannelName, Idle>()
  #idlePass = false
  /**
   * Part of every new epoch, since the number grows whenever a log with a history is forgotten: otherwise "before the first
   * entry" of that log would be the same position as in the one that takes its place.
   */
  #forgotten = 0
  /** Makes epochs and entry ids differ from those of every other process and run. */
  readonly #name: string
  #appended = 0

  constructor (clock: Clock, agenda: Agenda, maxIdle: number) {
    this.#clock = clock
    this.#agenda = agenda
    this.#maxIdle = maxIdle
    this.#name = clock.id()
  }

  /** The log to read from; it is not kept if there is none yet. */
  peek (channel: ChannelName): Log {
    const slot = this.#slots.get(channel)
    if (slot !== undefined) {
      slot.usedAt = this.#clock.now()
      return slot.log
    }
    const idle = this.#idle.get(channel)
    if (idle === undefined) return new Log(this.#origin(channel))
    idle.usedAt = this.#clock.now()
    return new Log(idle.head)
  }

  append<E extends LogEntry> (channel: ChannelName, retention: Retention, make: (position: Position) => E): E {
    const slot = this.#open(channel)
    // No other log, nor another life of this one, may ever use the id again: the chain stands on that.
    const entry = make(slot.log.next(`${this.#name}:${++this.#appended}`))
    slot.log.append(entry, retention, slot.usedAt)
    slot.metaTtl = metaTtl(retention.ttl)
    if (!slot.planned) this.#plan(slot)
    return entry
  }

  /** Keeps the log as long as somebody follows the channel. */
  pin (channel: ChannelName): Log {
    const slot = this.#open(channel)
    slot.pinned = true
    return slot.log
  }

  unpin (channel: ChannelName): void {
    const slot = this.#slots.get(channel)
    if (slot === undefined) return
    slot.pinned = false
    slot.usedAt = this.#clock.now()
    this.#settle(slot)
  }

  lookup (channel: ChannelName, key: IdempotencyKey): PublishResult | null {
    return this.#slots.get(channel)?.keys.lookup(key, this.#clock.now()) ?? null
  }

  remember (channel: ChannelName, key: IdempotencyKey, position: Position, timestamp: number): void {
    const slot = this.#open(channel)
    const record = slot.keys.remember(key, position, timestamp, slot.usedAt)
    this.#agenda.plan(record.due, record)
  }

  close (): void {
    this.#slots.clear()
    this.#idle.clear()
  }

  /** The position before the first entry of a log that never had one. */
  #origin (channel: ChannelName): Position {
    return genesis(hash('sha1', `${this.#name} ${this.#forgotten} ${channel}`, 'hex').slice(0, 16))
  }

  #open (channel: ChannelName): Slot {
    const now = this.#clock.now()
    const open = this.#slots.get(channel)
    if (open !== undefined) {
      open.usedAt = now
      return open
    }
    const idle = this.#idle.get(channel)
    this.#idle.delete(channel)
    const slot: Slot = {
      channel,
      log: new Log(idle?.head ?? this.#origin(channel)),
      keys: new Keys(() => this.#settle(slot)),
      pass: { run: now => this.#pass(slot, now) },
      planned: false,
      pinned: false,
      metaTtl: idle?.metaTtl ?? metaTtl(0),
      usedAt: now
    }
    this.#slots.set(channel, slot)
    return slot
  }

  #plan (slot: Slot): void {
    const due = slot.log.due()
    slot.planned = due !== Infinity
    if (slot.planned) this.#agenda.plan(Math.max(due, this.#clock.now() + PASS), slot.pass)
  }

  #pass (slot: Slot, now: number): void {
    slot.log.trim(now)
    this.#plan(slot)
    if (!slot.planned) this.#settle(slot)
  }

  /** Decides how much of a log is still needed after something of it went. */
  #settle (slot: Slot): void {
    const { channel, log, keys, metaTtl, usedAt } = slot
    if (slot.pinned || !log.empty || keys.size > 0) return
    // A pass may still have been planned for a log that was put away; the one that has its name now is another.
    if (this.#slots.get(channel) !== slot) return
    this.#slots.delete(channel)
    if (log.head.offset === 0) return
    this.#idle.set(channel, { head: log.head, metaTtl, usedAt })
    const [oldest] = this.#idle.keys()
    if (oldest !== undefined && this.#idle.size > this.#maxIdle) this.#forget(oldest)
    if (!this.#idlePass) this.#planIdlePass()
  }

  #planIdlePass (): void {
    this.#idlePass = true
    this.#agenda.plan(this.#clock.now() + IDLE_PASS, {
      run: now => {
        this.#idlePass = false
        for (const [channel, { metaTtl, usedAt }] of this.#idle) {
          if (now - usedAt >= metaTtl) this.#forget(channel)
        }
        if (this.#idle.size > 0) this.#planIdlePass()
      }
    })
  }

  #forget (channel: ChannelName): void {
    this.#idle.delete(channel)
    this.#forgotten++
  }
}
