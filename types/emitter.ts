/* What a process that only publishes has in hand: free of Fastify's types. */

import type { BroadcastEvents, DirectEvents, EventContent, EventName, KnownRoom, RoomEvents } from './lookup.js'
import type { PresencePage, PresencePageOptions } from './presence.js'
import type { BroadcastResult, NotifyOptions, PublishResult } from './publish.js'
import type { RedisOption } from './redis.js'
import type { RegisteredApi } from './register.js'
import type { HistoryOptions, IdempotencyOptions, InboxOptions } from './retention.js'

/** The rest of a policy, which an emitter checks and does not use. */
type PolicyRest = {
  readonly [Name in 'join' | 'publish' | 'events' | 'presence' | 'typing' | 'members' | 'onJoin' | 'onMessage' | 'onLeave']?: unknown
}

/** What an emitter needs to know of a pattern: `history` of its policy. Whole policies fit. */
export interface EmitterRoom extends PolicyRest {
  /**
   * As in the policy: `false` is a volatile room, anything else the bounds of its log.
   * @default { size: 100, ttl: '5m' }
   */
  readonly history?: false | HistoryOptions
}

/** Options of `createEmitter`. A wrong or misspelt one throws `RT_ERR_OPTION` and names itself. */
export interface EmitterOptions {
  /**
   * The Redis of the servers, as they are given it, `prefix` and `replicas` included: what differs here leads elsewhere. `lease` has no
   * meaning for an emitter. All connections are the emitter's own, also where an ioredis instance is given.
   */
  redis: RedisOption
  /**
   * Policies by pattern: the servers' `defineRooms({ ... })`, or no more than `{ 'cursor:{id}': { history: false } }`.
   *
   * In a room that matches one, the emitter does as the servers do. In any other the bounds that the servers gave the room's log stay as
   * they are, and a log that begins with a message from here has the default ones until a server publishes there. So this is needed for
   * volatile rooms, of which Redis knows nothing, and for rooms that are mostly published to from here.
   */
  rooms?: { readonly [pattern: string]: EmitterRoom } | undefined
  /** As the servers have it. Without it an inbox keeps the bounds that it has, and a new one has the default ones. */
  inbox?: InboxOptions | undefined
  /** How long an idempotency key is remembered, as the servers have it. */
  idempotency?: IdempotencyOptions | undefined
  /**
   * Told when connections fail, at most every 10 s: for a log. Calls say for themselves what became of them.
   */
  onError? (error: Error): void
}

/**
 * Publishes to rooms and users from a process that has a connection to Redis and nothing else: a worker, a job, a script. Every promise
 * rejects with an `RT_ERR_*` error, in bounded time: `RT_ERR_UNAVAILABLE` if nothing was done, `RT_ERR_TIMEOUT` if nobody knows, which
 * a call with the same `key` finds out.
 *
 * It is trusted as a server is: no policy is asked, and content is not held to the schemas of the rooms but to their types alone.
 */
export interface Emitter<Api = RegisteredApi> {
  /** Publish to everyone in a room. Resolves once Redis has it; a room with nobody in it is fine. In the order of the calls. */
  notifyRoom<const Id extends string, Event extends EventName<RoomEvents<Api, Id>>> (
    roomId: Id & KnownRoom<Api, Id>,
    event: Event,
    content: EventContent<RoomEvents<Api, Id>, Event>,
    options?: NotifyOptions
  ): Promise<PublishResult>

  /**
   * Send to every device of a user, on every node; kept in the inbox while the user is away. Who waits for receipts has to be a server.
   */
  sendDirect<Event extends EventName<DirectEvents<Api>>> (
    userId: string,
    event: Event,
    content: EventContent<DirectEvents<Api>, Event>,
    options?: NotifyOptions
  ): Promise<PublishResult & { readonly position: string }>

  /** Publish `user-update` in the room `user:<userId>`, to whoever its policy lets watch. */
  broadcastUserUpdate (userId: string, content: UserUpdateOf<Api>): Promise<PublishResult>

  /** Send to every connection in the cluster. Volatile: who is away does not get it later. */
  broadcast<Event extends EventName<BroadcastEvents<Api>>> (
    event: Event, content: EventContent<BroadcastEvents<Api>, Event>
  ): Promise<BroadcastResult>

  /** Who is in a room, a page at a time; nobody where the room's policy has no `presence`. */
  presence<const Id extends string> (roomId: Id & KnownRoom<Api, Id>, options?: PresencePageOptions): Promise<PresencePage>

  /**
   * Takes no more calls, waits for those under way, and ends the connections, which would keep the process alive. Never rejects.
   */
  close (): Promise<void>
}

/** The content of a user's own updates: that of `user-update` in the pattern of `user:<userId>`, where it is declared. */
export type UserUpdateOf<Api> =
  RoomEvents<Api, `user:${string}`> extends { 'user-update': infer Content } ? Content : unknown
