import type { Cluster, Redis } from 'ioredis'

/** The command that fans out: SPUBLISH in a cluster. */
export type FanOut = 'PUBLISH' | 'SPUBLISH'

/** What a node hears. */
export interface Subscriptions {
  /** Channels that somebody wants, those that linger among them. */
  readonly channels: number
  /**
   * Resolves when the subscription is confirmed.
   * @throws {BridgeError} `unavailable`; nothing is subscribed then
   */
  add (channel: string): Promise<void>
  /** Whether its connection was lost and it is not subscribed again yet: {@link ConnectionsEvents.onRestored} tells when it is. */
  misses (channel: string): boolean
  /** Nobody wants it any more; it ends a little later unless somebody does again. */
  remove (channel: string): void
}

/** A way round that a probe can go: a write and a fan-out by one connection, heard by another. There is one for each server. */
export interface Way {
  /** A key and a channel that no other node uses, at this server; another one for each try where there are several. */
  name (attempt: number): string
  /** Calls do not come through: makes that connection anew. */
  renewCommand (): void
  /** Fan-out does not come through: makes that connection anew. */
  renewSubscriber (): void
}

/** All connections to one Redis: a server, a group of servers that take over from each other, or a cluster. */
export interface Connections {
  /** For calls. */
  readonly command: Redis | Cluster
  readonly subscriptions: Subscriptions
  /** Known when {@link prepare} has resolved. */
  readonly fanOut: FanOut
  /** Every connection that is needed is there. */
  readonly ready: boolean
  connect (): void
  close (): void
  /** Before every probe: sees to connections that hang, and finds out which servers there are. */
  prepare (): Promise<void>
  /** For the probe. The first one is that of the server whose clock counts. */
  ways (): readonly Way[]
  /**
   * Resolves when what was written to a key has reached enough replicas.
   * @throws {BridgeError} `timeout`: it is not known to have
   */
  replicated (key: string): Promise<void>
  /**
   * Which processes of Redis these are, and whose history they continue: another one may have lost what the one before it knew. `null`:
   * nobody can tell.
   */
  identify (): Promise<string | null>
}

export interface ConnectionsEvents {
  onMessage (channel: string, payload: Buffer): void
  /** Subscribed again; fan-out to these may have been lost. */
  onRestored (channels: readonly string[]): void
  /** A connection is there again. */
  onReady (): void
  /** A connection that is needed was lost. */
  onLost (): void
  onError (error: unknown): void
}

/** What says who a server is, out of the answers of INFO. */
export function identityOf (infos: readonly unknown[]): string | null {
  const ids = infos.map((info) => /^(?:run_id|master_replid):(\w+)/m.exec(String(info))?.[1])
  return ids.includes(undefined) ? null : ids.join(' ')
}
