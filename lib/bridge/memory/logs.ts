import { hash } from 'node:crypto'
import type { Clock } from '../../core/clock.js'
import type { Position } from '../../protocol/position.js'
import type { ChannelName, IdempotencyKey, PublishResult, Retention } from '../bridge.js'
import { genesis, metaTtl } from '../judge.js'
import type { Agenda, Task } from './agenda.js'
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
  usedAt: number
}

/**
 * All logs of the process, with the idempotency keys that belong to them.
 *
 * A log nobody follows and that has nothing left but its head is idle: the head is kept for a day, so that a position handed
 * out earlier is still recognised, but no more than `maxIdle` of them. A log without any history needs no memory at all: its
 * epoch is derived from its name, so it can be made up again at any time.
 */
export class Logs {
  readonly #clock: Clock
  readonly #agenda: Agenda
  readonly #maxIdle: number
  readonly #slots = new Map<ChannelName, Slot>()
  /** In the order in which they became idle. */
  readonly #idle = new Set<Slot>()
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
    if (slot === undefined) return this.#virgin(channel)
    slot.usedAt = this.#clock.now()
    return slot.log
  }

  append<E extends LogEntry> (channel: ChannelName, retention: Retention, make: (position: Position) => E): E {
    const slot = this.#open(channel)
    // No other log, nor another life of this one, may ever use the id again: the chain stands on that.
    const entry = make(slot.log.next(`${this.#name}:${++this.#appended}`))
    slot.log.append(entry, retention, slot.usedAt)
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

  #virgin (channel: ChannelName): Log {
    return new Log(genesis(hash('sha1', `${this.#name} ${this.#forgotten} ${channel}`, 'hex').slice(0, 16)))
  }

  #open (channel: ChannelName): Slot {
    let slot = this.#slots.get(channel)
    if (slot === undefined) {
      const opened: Slot = {
        channel,
        log: this.#virgin(channel),
        keys: new Keys(() => this.#settle(opened)),
        pass: { run: now => this.#pass(opened, now) },
        planned: false,
        pinned: false,
        usedAt: 0
      }
      this.#slots.set(channel, opened)
      slot = opened
    }
    slot.usedAt = this.#clock.now()
    this.#idle.delete(slot)
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
    if (slot.pinned || !slot.log.empty || slot.keys.size > 0) return
    // A pass may still have been planned for a log that is forgotten; another may have its name now.
    if (this.#slots.get(slot.channel) !== slot) return
    if (slot.log.head.offset === 0) {
      this.#slots.delete(slot.channel)
      return
    }
    this.#idle.add(slot)
    const [oldest] = this.#idle
    if (oldest !== undefined && this.#idle.size > this.#maxIdle) this.#forget(oldest)
    if (!this.#idlePass) this.#planIdlePass()
  }

  #planIdlePass (): void {
    this.#idlePass = true
    this.#agenda.plan(this.#clock.now() + IDLE_PASS, {
      run: now => {
        this.#idlePass = false
        for (const slot of this.#idle) {
          if (now - slot.usedAt >= metaTtl(slot.log.retention.ttl)) this.#forget(slot)
        }
        if (this.#idle.size > 0) this.#planIdlePass()
      }
    })
  }

  #forget (slot: Slot): void {
    this.#idle.delete(slot)
    this.#slots.delete(slot.channel)
    this.#forgotten++
  }
}
