import type { Position } from '../../protocol/position.js'
import type { IdempotencyKey, PublishResult } from '../bridge.js'
import type { Task } from '../agenda.js'

/**
 * What a key led to. There is one for each publication of the last minutes, so it is kept small: it is its own task, and
 * builds the result only when asked.
 */
class KeyRecord implements Task {
  readonly due: number
  readonly #id: string
  readonly #digest: string
  readonly #position: Position
  readonly #timestamp: number
  readonly #keys: Keys

  constructor (key: IdempotencyKey, position: Position, timestamp: number, keys: Keys, now: number) {
    this.due = now + key.ttl
    this.#id = key.id
    this.#digest = key.digest
    this.#position = position
    this.#timestamp = timestamp
    this.#keys = keys
  }

  result (digest: string): PublishResult {
    if (digest !== this.#digest) return { status: 'conflict' }
    return { status: 'duplicate', position: this.#position, timestamp: this.#timestamp }
  }

  run (): void {
    this.#keys.expire(this.#id, this)
  }
}

/** The idempotency keys of one log. */
export class Keys {
  readonly #records = new Map<string, KeyRecord>()
  readonly #onEmpty: () => void

  constructor (onEmpty: () => void) {
    this.#onEmpty = onEmpty
  }

  get size (): number {
    return this.#records.size
  }

  lookup (key: IdempotencyKey, now: number): PublishResult | null {
    const record = this.#records.get(key.id)
    return record === undefined || record.due <= now ? null : record.result(key.digest)
  }

  /** The record is due on the agenda when its time has passed. */
  remember (key: IdempotencyKey, position: Position, timestamp: number, now: number): KeyRecord {
    const record = new KeyRecord(key, position, timestamp, this, now)
    this.#records.set(key.id, record)
    return record
  }

  /** The record may have been replaced by a later one under the same id. */
  expire (id: string, record: KeyRecord): void {
    if (this.#records.get(id) !== record) return
    this.#records.delete(id)
    if (this.#records.size === 0) this.#onEmpty()
  }
}
