import { REMOVAL_WINDOW } from '../bridge.js'
import type { Entry, ReadQuery, ReadResult, RemovalEntry, Retention } from '../bridge.js'
import { advance, judge } from '../judge.js'
import type { GapReason } from '../../protocol/frames.js'
import { START, parsePosition } from '../../protocol/position.js'
import type { Position } from '../../protocol/position.js'

export type LogEntry = Entry | RemovalEntry

interface Stored {
  readonly entry: LogEntry
  /** Chain before this entry. */
  readonly previous: string
  /** When it was appended, by the clock that never jumps. */
  readonly at: number
}

const MIN_CAPACITY = 4

/**
 * The entries of one channel that are still kept, and its head, which outlives them.
 *
 * Offsets have no holes, so the entry at `offset` sits in slot `offset % capacity` of a ring: appending, trimming and looking
 * up cost the same however long the log is.
 */
export class Log {
  #head: Position
  /** Offset of the oldest entry kept; one more than the head's when there is none. */
  #first: number
  /** Its length is a power of two, so that a slot is a bit mask of the offset (also of one beyond 32 bits). */
  #ring: Array<Stored | undefined> = []
  /** The last append's: it holds for the whole log, since a log can only lose its oldest entries first. */
  #retention: Retention = { size: 0, ttl: 0 }
  /** Removed users, apart from the entries: they must be known for the whole window however small the log is. */
  readonly #removals = new Map<string, number>()

  constructor (head: Position) {
    this.#head = head
    this.#first = head.offset + 1
  }

  get head (): Position {
    return this.#head
  }

  /** Nothing left but the head. */
  get empty (): boolean {
    return this.#first > this.#head.offset && this.#removals.size === 0
  }

  /** The position that the next {@link append} must carry. */
  next (entryId: string): Position {
    return advance(this.#head, entryId)
  }

  append (entry: LogEntry, retention: Retention, now: number): void {
    this.trim(now)
    // Only after what was too old by the former bounds has gone: a longer time must not bring it back.
    const shorter = retention.ttl < this.#retention.ttl
    this.#retention = retention
    if (shorter) this.trim(now)
    while (this.#length() > 0 && this.#length() >= retention.size) this.#drop()
    if (this.#length() === this.#ring.length) this.#resize(Math.max(MIN_CAPACITY, this.#ring.length * 2))
    this.#ring[this.#slot(entry.position.offset)] = { entry, previous: this.#head.chain, at: now }
    this.#head = entry.position
    if (entry.kind === 'removal') {
      // Taken out first, so that the map stays in the order of time.
      this.#removals.delete(entry.userId)
      this.#removals.set(entry.userId, now)
    }
  }

  /** Drops what is too old or too much. */
  trim (now: number): void {
    for (let oldest = this.#at(this.#first); oldest !== undefined; oldest = this.#at(this.#first)) {
      if (this.#length() <= this.#retention.size && now - oldest.at < this.#retention.ttl) break
      this.#drop()
    }
    if (this.#first > this.#head.offset && this.#ring.length > 0) this.#ring = []
    if (this.#removals.size === 0) return
    for (const [userId, at] of this.#removals) {
      if (now - at < REMOVAL_WINDOW) break
      this.#removals.delete(userId)
    }
  }

  /** When {@link trim} has something to do next; `Infinity` if never. */
  due (): number {
    const oldest = this.#at(this.#first)
    const [removedAt = Infinity] = this.#removals.values()
    return Math.min(oldest === undefined ? Infinity : oldest.at + this.#retention.ttl, removedAt + REMOVAL_WINDOW)
  }

  /** Age of each removal of the last minute. */
  removals (now: number): Map<string, number> {
    this.trim(now)
    const ages = new Map<string, number>()
    for (const [userId, at] of this.#removals) ages.set(userId, now - at)
    return ages
  }

  read (query: ReadQuery, now: number): ReadResult {
    this.trim(now)
    if ('last' in query) return this.#backward(this.#head.offset, Math.min(query.last, query.limit), query.maxBytes)
    const text = 'since' in query ? query.since : 'after' in query ? query.after : query.before
    const forward = !('before' in query)
    if (text === START) {
      return forward ? this.#forward(this.#start(), query.limit, query.maxBytes) : this.#backward(0, 0, 0)
    }
    const position = parsePosition(text)
    if (position === null) return this.#gap('expired')
    const verdict = judge(position, this.#head, offset => this.#at(offset)?.previous)
    if (verdict !== 'recovered') return this.#gap(verdict)
    return forward
      ? this.#forward(position, query.limit, query.maxBytes)
      : this.#backward(position.offset - 1, query.limit, query.maxBytes)
  }

  #gap (gap: GapReason): ReadResult {
    return { head: this.#head, gap, entries: [], more: false, position: this.#head }
  }

  /** The position before the oldest entry kept. */
  #start (): Position {
    const oldest = this.#at(this.#first)
    if (oldest === undefined) return this.#head
    return { epoch: this.#head.epoch, offset: this.#first - 1, chain: oldest.previous }
  }

  #forward (from: Position, limit: number, maxBytes: number): ReadResult {
    const entries: Entry[] = []
    let bytes = 0
    let position = from
    for (let offset = from.offset + 1; offset <= this.#head.offset; offset++) {
      const entry = this.#at(offset)?.entry
      if (entry?.kind === 'message') {
        bytes += entry.payload.length
        if (entries.length >= limit || (bytes > maxBytes && entries.length > 0)) {
          return { head: this.#head, entries, more: true, position }
        }
        entries.push(entry)
      }
      if (entry !== undefined) position = entry.position
    }
    return { head: this.#head, entries, more: false, position }
  }

  #backward (to: number, limit: number, maxBytes: number): ReadResult {
    const entries: Entry[] = []
    let bytes = 0
    let more = false
    for (let offset = to; offset >= this.#first; offset--) {
      const entry = this.#at(offset)?.entry
      if (entry?.kind !== 'message') continue
      bytes += entry.payload.length
      more = entries.length >= limit || (bytes > maxBytes && entries.length > 0)
      if (more) break
      entries.push(entry)
    }
    return { head: this.#head, entries: entries.reverse(), more, position: this.#head }
  }

  #length (): number {
    return this.#head.offset - this.#first + 1
  }

  #slot (offset: number): number {
    return offset & (this.#ring.length - 1)
  }

  #at (offset: number): Stored | undefined {
    return offset < this.#first || offset > this.#head.offset ? undefined : this.#ring[this.#slot(offset)]
  }

  #drop (): void {
    this.#ring[this.#slot(this.#first)] = undefined
    this.#first++
  }

  #resize (capacity: number): void {
    const kept: Stored[] = []
    for (let offset = this.#first; offset <= this.#head.offset; offset++) {
      const stored = this.#at(offset)
      if (stored !== undefined) kept.push(stored)
    }
    this.#ring = new Array<Stored | undefined>(capacity)
    for (const stored of kept) this.#ring[this.#slot(stored.entry.position.offset)] = stored
  }
}
