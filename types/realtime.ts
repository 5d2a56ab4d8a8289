import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { CallContent, CallDefinition, CallOptions, CallResponse, CallSchema, HandlerFor } from './calls.js'
import type { Duration } from './duration.js'
import type { AnyEvents } from './events.js'
import type { RealtimeHookName, RealtimeHooks } from './hooks.js'
import type { Jsonify } from './jsonify.js'
import type { BroadcastEvents, DirectEvents, EventContent, EventName, KnownRoom, RoomEvents } from './lookup.js'
import type { DefinedRooms, RoomMap, RoomPolicy } from './policy.js'
import type { PresencePage, PresencePageOptions } from './presence.js'
import type { BroadcastResult, NotifyOptions, PublishResult } from './publish.js'
import type { RegisteredApi } from './register.js'

/** Options of {@link Realtime.sendDirect}. */
export interface DirectOptions {
  /** Idempotency key, 1 to 64 bytes. */
  key?: string
  /** Shown as the sender. Without it the message comes from the server (`null`). */
  userId?: string
  /**
   * Wait until the connections that are online now have handled it.
   * @default false
   */
  receipt?: boolean
  /**
   * How long to wait for receipts, in milliseconds or as `'5s'`. Whoever has not answered by then is in `missing`.
   * @default '5s'
   */
  timeout?: Duration
}

/** Which of the connections online at the time of sending answered. */
export interface Receipts {
  /** Ids of the connections whose application handled the message. */
  readonly received: readonly string[]
  /** Ids of those that did not say so in time. */
  readonly missing: readonly string[]
}

/** What {@link Realtime.sendDirect} resolves to. */
export interface DirectResult {
  /** Where the message stands in the user's inbox. */
  readonly position: string
  /** The store's clock, epoch milliseconds. */
  readonly timestamp: number
  /** The key was used before with the same content. */
  readonly duplicate?: boolean
  /** With `receipt: true` only. */
  readonly receipts?: Receipts
}

/** A message as it stands in a room's log. */
export interface HistoryMessage<Event extends string = string, Content = unknown> {
  /** What kind of message it is. */
  readonly event: Event
  /** Who published it; `null`: the server. */
  readonly userId: string | null
  /** What was published, as JSON left it. */
  readonly content: Content
  /** Epoch milliseconds. */
  readonly timestamp: number
  /** Where it stands in the room's log. */
  readonly position: string
  /** The idempotency key, where its sender gave one. */
  readonly key?: string
}

/** The messages in a room's log, told apart by `event`; content is what JSON left of it. */
export type HistoryMessageOf<Events> =
  Events extends unknown
    ? string extends keyof Events ? HistoryMessage
      : { [Event in EventName<Events>]: HistoryMessage<Event, Jsonify<Events[Event]>> }[EventName<Events>]
    : never

/** Options of {@link Realtime.history}: `before` or `after`, or neither for the newest. */
export interface HistoryPageOptions {
  /** Messages before this position, exclusive. */
  before?: string
  /** Messages after this position, exclusive; `'start'` for the oldest kept. */
  after?: string
  /**
   * Messages in one answer, 1 to 100.
   * @default 100
   */
  limit?: number
}

/** Why a position could not be continued: its successor is gone, its history was replaced, or its log is another one. */
export type GapReason = 'trimmed' | 'diverged' | 'expired'

/** A page of a room's log, oldest first. */
export interface HistoryPage<Events = AnyEvents> {
  /** Oldest first; at most `limit` of them. */
  readonly messages: readonly HistoryMessageOf<Events>[]
  /** The room's head. */
  readonly position?: string
  /** There are messages beyond this page. */
  readonly more?: boolean
  /** The position asked for could not be continued. */
  readonly reason?: GapReason
}

/** Which connections {@link Realtime.connections} lists. */
export interface ConnectionFilter {
  /** Those of this user. */
  userId?: string
  /** Those in this room. */
  roomId?: string
  /**
   * At most so many.
   * @default 100
   */
  limit?: number
}

/** One connection, anywhere in the cluster. */
export interface ConnectionInfo {
  /** Its id, unique in the cluster, which the logs have too. */
  readonly connectionId: string
  /** Whose it is. */
  readonly userId: string
  /** The node that holds it. */
  readonly nodeId: string
  /** Since when, epoch milliseconds. */
  readonly connectedAt: number
  /** The rooms it is in. */
  readonly rooms: readonly string[]
}

/** What {@link Realtime.connections} resolves to. */
export interface ConnectionList {
  /** Those that were found, of every node that answered. */
  readonly connections: readonly ConnectionInfo[]
  /** Ids of nodes that are alive but did not answer, so that theirs are missing here. */
  readonly unreachable: readonly string[]
}

/**
 * Delay of the event loop, in milliseconds: of the last 10 to 20 s, or of the time since the last reading where that is longer.
 * A reading takes nothing from another one.
 */
export interface EventLoopDelay {
  /** The average. */
  readonly mean: number
  /** What 99 of 100 measurements stay below. */
  readonly p99: number
  /** The longest. */
  readonly max: number
}

/** Numbers of the whole cluster; `outboxBytes` and `eventLoopDelay` are of this node. */
export interface RealtimeStats {
  /** Open connections. */
  readonly activeConnections: number
  /** Rooms with at least one member, counted on each node and added up: one with members on three nodes counts three times. */
  readonly rooms: number
  /** Users with at least one connection, added up in the same way. */
  readonly users: number
  /** Frames received since the start. */
  readonly messagesIn: number
  /** Frames delivered since the start. */
  readonly messagesOut: number
  /**
   * What nodes heard by Redis and dropped since the start, because it made no sense or repeated what had just come: somebody else publishes
   * to these channels, or a newer version does. 0 on one node.
   */
  readonly envelopesDropped: number
  /** Bytes waiting to be written to sockets. */
  readonly outboxBytes: number
  /** Of this node's event loop. */
  readonly eventLoopDelay: EventLoopDelay
  /** Ids of nodes that are alive but did not answer, so that theirs are missing here. */
  readonly unreachable: readonly string[]
}

/** How far a command to the whole cluster came. */
export interface ControlResult {
  /** Connections it reached. */
  readonly connections: number
  /** Ids of nodes that could not be reached; they catch up when they return. */
  readonly unreachable: readonly string[]
}

/** What {@link Realtime.removeUser} resolves to. */
export interface RemoveResult {
  /** Where the removal stands in the room's log: nothing after it reaches the user. Absent in a volatile room. */
  readonly position?: string
}

/**
 * The object behind `fastify.realtime`. Every promise rejects with an `RT_ERR_*` error.
 *
 * With {@link Register} augmented, a room id that is a literal or a template must match a pattern, and event and content must be
 * those declared there. A plain `string` stays untyped.
 */
export interface Realtime<Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> {
  /** Publish to everyone in a room. Resolves once the store has it; a room with nobody in it is fine. */
  notifyRoom<const Id extends string, Event extends EventName<RoomEvents<RegisteredApi, Id>>> (
    roomId: Id & KnownRoom<RegisteredApi, Id>,
    event: Event,
    content: EventContent<RoomEvents<RegisteredApi, Id>, Event>,
    options?: NotifyOptions
  ): Promise<PublishResult>

  /** Send to every device of a user, on every node; kept in the inbox while the user is away. */
  sendDirect<Event extends EventName<DirectEvents<RegisteredApi>>> (
    userId: string,
    event: Event,
    content: EventContent<DirectEvents<RegisteredApi>, Event>,
    options?: DirectOptions
  ): Promise<DirectResult>

  /** Publish `user-update` in the room `user:<userId>`, to whoever its policy lets watch. */
  broadcastUserUpdate (userId: string, content: UserUpdate): Promise<PublishResult>

  /** Send to every connection in the cluster. Volatile: who is away does not get it later. */
  broadcast<Event extends EventName<BroadcastEvents<RegisteredApi>>> (
    event: Event, content: EventContent<BroadcastEvents<RegisteredApi>, Event>
  ): Promise<BroadcastResult>

  /** Declare the policy of one pattern, for instance next to its routes. Ambiguous patterns throw. */
  room<const Pattern extends string, const Events> (pattern: Pattern, policy: RoomPolicy<Pattern, Events, Provider>): void
  /** Declare several policies, typed as by `defineRooms` and by the type provider of this instance. */
  room<const Rooms extends object> (rooms: DefinedRooms<Rooms, Provider>): void
  /** Declare several policies that are known as plain objects. */
  room (rooms: RoomMap): void

  /** Answer a client's call. */
  handle<const Schema extends CallSchema = {}> (
    event: string,
    options: CallOptions<Schema>,
    handler: HandlerFor<Schema, CallContent<Schema, Provider>, CallResponse<Schema, Provider>>
  ): void
  /** Answer a client's call that `defineCall` described. */
  handle (call: CallDefinition): void

  /** Who is in a room, a page at a time. */
  presence<const Id extends string> (
    roomId: Id & KnownRoom<RegisteredApi, Id>, options?: PresencePageOptions
  ): Promise<PresencePage>

  /** What was published in a room, a page at a time. */
  history<const Id extends string> (
    roomId: Id & KnownRoom<RegisteredApi, Id>, options?: HistoryPageOptions
  ): Promise<HistoryPage<RoomEvents<RegisteredApi, Id>>>

  /** Connections in the cluster. */
  connections (filter?: ConnectionFilter): Promise<ConnectionList>

  /** Numbers of the cluster. */
  stats (): Promise<RealtimeStats>

  /**
   * Put every connection of a user into a room, without asking its policy; it lasts while they are connected. A full room takes
   * nobody more. A connection with frames of that room under way is put in behind those, which is not waited for, so that a hook of
   * the room may call this: it counts as reached then.
   */
  joinUser<const Id extends string> (userId: string, roomId: Id & KnownRoom<RegisteredApi, Id>): Promise<ControlResult>

  /**
   * Take a user out of a room. Once this resolves, nothing published later reaches the user there. The reason, of at most 123
   * characters, is for your logs: it stands in the room's log and in the line that each node writes for a connection it takes out. The
   * client is told `removed`, and so is `onLeave`.
   */
  removeUser<const Id extends string> (
    userId: string, roomId: Id & KnownRoom<RegisteredApi, Id>, reason?: string
  ): Promise<RemoveResult>

  /**
   * Close every connection of a user with 4403 and the reason, of at most 123 characters. It closes sockets and bans nobody: with a
   * token that has not expired, or a ticket that is not spent, the user gets in again. Refuse those in `onConnect`, in `auth.user`, or
   * with `trusted` of @fastify/jwt.
   */
  disconnectUser (userId: string, reason?: string): Promise<ControlResult>

  /** Add an app-wide hook. Hooks run in the order they were added. */
  addHook<Name extends RealtimeHookName> (name: Name, hook: RealtimeHooks[Name]): void
}

/** The content of a user's own updates: that of `user-update` in the pattern of `user:<userId>`, where it is declared. */
export type UserUpdate =
  RoomEvents<RegisteredApi, `user:${string}`> extends { 'user-update': infer Content } ? Content : unknown
