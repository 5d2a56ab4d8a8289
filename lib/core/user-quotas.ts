import type { Clock } from '../clock.js'
import { TokenBucket } from './quota.js'
import type { Timers } from './timers.js'

/** Users who are away and whose budget is remembered; beyond it those who left first are forgotten. */
const MAX_AWAY = 100_000

export interface UserQuotasOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly max: number
  /** In ms. */
  readonly timeWindow: number
}

/**
 * The budgets that all connections of a user share on this node. One outlives the user's last connection until it is full again,
 * which is when a new one would be the same: coming back must not be a way to a fresh one.
 */
export class UserQuotas {
  readonly #options: UserQuotasOptions
  readonly #buckets = new Map<string, TokenBucket>()
  /** Those of them whose user is not here, who left first first. */
  readonly #away = new Map<string, TokenBucket>()
  #sweeping = false

  constructor (options: UserQuotasOptions) {
    this.#options = options
  }

  /** Budgets that are kept, of users who are here and of others. */
  get size (): number {
    return this.#buckets.size + this.#away.size
  }

  of (userId: string): TokenBucket {
    let bucket = this.#buckets.get(userId)
    if (bucket === undefined) {
      bucket = this.#away.get(userId) ?? new TokenBucket(this.#options.max, this.#options.timeWindow)
      this.#away.delete(userId)
      this.#buckets.set(userId, bucket)
    }
    return bucket
  }

  /** The user's last connection has gone. */
  left (userId: string): void {
    const bucket = this.#buckets.get(userId)
    if (bucket === undefined) return
    this.#buckets.delete(userId)
    if (bucket.isFull(this.#options.clock.now())) return
    this.#away.set(userId, bucket)
    if (this.#away.size > MAX_AWAY) {
      const [oldest] = this.#away.keys()
      if (oldest !== undefined) this.#away.delete(oldest)
    }
    this.#sweepLater()
  }

  #sweepLater (): void {
    if (this.#sweeping) return
    this.#sweeping = true
    this.#options.timers.after(this.#options.timeWindow, () => this.#sweep())
  }

  #sweep (): void {
    this.#sweeping = false
    const now = this.#options.clock.now()
    for (const [userId, bucket] of this.#away) {
      if (bucket.isFull(now)) this.#away.delete(userId)
    }
    if (this.#away.size > 0) this.#sweepLater()
  }
}
