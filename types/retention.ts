/* Bounds of what is kept, for the plugin and for the emitter: free of Fastify's types. */

import type { Duration } from './duration.js'

/** How much of a room's past is kept for those who come back. Whichever bound is reached first drops the oldest entries. */
export interface HistoryOptions {
  /**
   * Messages kept. Somebody who missed more is told (`recovered: false`, `trimmed`).
   * @default 100
   */
  size?: number
  /**
   * Age of the oldest message kept, in milliseconds or as `'5m'`.
   * @default '5m'
   */
  ttl?: Duration
}

/** What is kept of direct messages for users who are away. */
export interface InboxOptions {
  /**
   * Messages a user; the oldest go first, and who missed them is told with `reset`.
   * @default 100
   */
  size?: number | undefined
  /**
   * How long, in milliseconds or as `'24h'`.
   * @default '24h'
   */
  ttl?: Duration | undefined
}

/** How long publishing twice under one key publishes once. */
export interface IdempotencyOptions {
  /**
   * How long a key is remembered, in milliseconds or as `'10m'`. Clients learn it as `keyTtl` and do not resend later than that.
   * @default '10m'
   */
  ttl?: Duration | undefined
}
