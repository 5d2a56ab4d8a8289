import type { ChannelName } from '../bridge.js'

/** What has a log: channels, and the cluster for its commands. */
export type LogName = ChannelName | 's:control'

/** What is in one place: a log's name, or that of a service as {@link Names.service} has it. */
export type Subject = ChannelName | `s:${string}`

/** What belongs to a channel in the store; docs/redis.md says what each is. */
export type ChannelKey =
  | 'head' | 'log' | 'removed' | 'presence' | 'presence-senders' | 'connections' | 'connection-senders' | `batch:${string}` | `key:${string}`

/**
 * Names of keys and Pub/Sub channels. Names of rooms and users have no braces (lib/protocol/names.ts), nor has the prefix, so the
 * part in braces is told apart from what stands around it whatever it contains: no two names are ever the same. It is also what
 * Redis Cluster hashes, so everything of one channel is in one slot.
 */
export interface Names {
  /** Where a channel is fanned out. */
  channel (channel: LogName): string
  key (channel: LogName, key: ChannelKey): string
  /** What belongs to a node, or to all of them, in a slot of its own. */
  service (name: string, key?: string): string
}

/** @param db - Pub/Sub knows no databases, so the number is part of the name */
export function createNames (prefix: string, db: number): Names {
  const base = db === 0 ? prefix : `${prefix}@${db}`
  return {
    channel: (channel) => `${base}:{${channel}}`,
    key: (channel, key) => `${base}:{${channel}}:${key}`,
    service: (name, key) => `${base}:{s:${name}}${key === undefined ? '' : ':' + key}`
  }
}
