/* What publishing takes and gives, from a server or an emitter: free of Fastify's types. */

/** What a publish to a room resolves to. */
export interface PublishResult {
  /** Where the message stands in the room's log. Absent in a volatile room. */
  readonly position?: string
  /** The store's clock, epoch milliseconds. */
  readonly timestamp: number
  /** The key was used before with the same content: nothing was published now, this is the first one's result. */
  readonly duplicate?: boolean
}

/** Options of `notifyRoom`. */
export interface NotifyOptions {
  /** Idempotency key, 1 to 64 bytes; the server's keys are apart from those of users. */
  key?: string
  /** Shown as the sender. Without it the message comes from the server (`null`). */
  userId?: string
}

/** What `broadcast` resolves to. */
export interface BroadcastResult {
  /** The store's clock, epoch milliseconds. */
  readonly timestamp: number
}
