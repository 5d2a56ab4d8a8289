import type { CallContext } from './context.js'
import type { Duration } from './duration.js'
import type { RealtimeHookName, RealtimeHooks } from './hooks.js'
import type { RoomMap, RoomPolicy } from './policy.js'
import type { AnySchema } from './schema.js'

/** What a publish to a room resolves to. */
export interface PublishResult {
  /** Where the message stands in the room's log. Absent in a volatile room. */
  readonly position?: string
  /** The store's clock, epoch milliseconds. */
  readonly timestamp: number
  /** The key was used before with the same content: nothing was published now, this is the first one's result. */
  readonly duplicate?: boolean
}

/** Options of {@link Realtime.notifyRoom}. */
export interface NotifyOptions {
  /** Idempotency key, 1 to 64 bytes; the server's keys are apart from those of users. */
  key?: string
  /** Shown as the sender. Without it the message comes from the server (`null`). */
  userId?: string
}

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

/** What {@link Realtime.broadcast} resolves to. */
export interface BroadcastResult {
  /** The store's clock, epoch milliseconds. */
  readonly timestamp: number
}

/** One user in a room, all devices together. */
export interface Member {
  readonly userId: string
  /** `online`, `away`, `busy` or the application's own. */
  readonly status: string
  /** What the user attached, if anything. */
  readonly meta?: unknown
  /** Connections of the user in the room now; 0 in the grace window after the last one dropped. */
  readonly devices: number
}

/** Options of {@link Realtime.presence}. */
export interface PresencePageOptions {
  /** Continue after this user id. */
  after?: string
  /**
   * Members in one answer, 1 to 100.
   * @default 100
   */
  limit?: number
}

/** A page of members, ordered by user id. */
export interface PresencePage {
  readonly members: readonly Member[]
  /** Members of the room altogether. */
  readonly count: number
  /** There are members after the last one here. */
  readonly more?: boolean
}

/** A message as it stands in a room's log. */
export interface HistoryMessage {
  readonly event: string
  /** Who published it; `null`: the server. */
  readonly userId: string | null
  readonly content: unknown
  /** Epoch milliseconds. */
  readonly timestamp: number
  readonly position: string
  readonly key?: string
}

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
export interface HistoryPage {
  readonly messages: readonly HistoryMessage[]
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
  readonly connectionId: string
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
  readonly connections: readonly ConnectionInfo[]
  /** Ids of nodes that are alive but did not answer, so that theirs are missing here. */
  readonly unreachable: readonly string[]
}

/** Delay of the event loop, in milliseconds. */
export interface EventLoopDelay {
  readonly mean: number
  readonly p99: number
  readonly max: number
}

/** Numbers of the whole cluster; `outboxBytes` and `eventLoopDelay` are of this node. */
export interface RealtimeStats {
  readonly activeConnections: number
  /** Rooms with at least one member. */
  readonly rooms: number
  /** Users with at least one connection. */
  readonly users: number
  /** Frames received since the start. */
  readonly messagesIn: number
  /** Frames delivered since the start. */
  readonly messagesOut: number
  /** Bytes waiting to be written to sockets. */
  readonly outboxBytes: number
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

/** The schemas of a call. */
export interface CallSchema {
  /** What the client sends. */
  content?: AnySchema
  /** What the handler returns. */
  response?: AnySchema
}

/** A call with its handler, as `defineCall` returns it. */
export interface CallDefinition {
  readonly event: string
  readonly schema: CallSchema
  handler (ctx: CallContext, content: unknown): unknown
}

/** The object behind `fastify.realtime`. Every promise rejects with an `RT_ERR_*` error. */
export interface Realtime {
  /**
   * Publish to everyone in a room. Resolves once the store has it; a room with nobody in it is fine.
   */
  notifyRoom (roomId: string, event: string, content: unknown, options?: NotifyOptions): Promise<PublishResult>

  /** Send to every device of a user, on every node; kept in the inbox while the user is away. */
  sendDirect (userId: string, event: string, content: unknown, options?: DirectOptions): Promise<DirectResult>

  /** Publish `user-update` in the room `user:<userId>`, to whoever its policy lets watch. */
  broadcastUserUpdate (userId: string, content: unknown): Promise<PublishResult>

  /** Send to every connection in the cluster. Volatile: who is away does not get it later. */
  broadcast (event: string, content: unknown): Promise<BroadcastResult>

  /** Declare the policy of one pattern. Ambiguous patterns throw. */
  room (pattern: string, policy: RoomPolicy): void
  /** Declare several policies. */
  room (rooms: RoomMap): void

  /** Answer a client's call. */
  handle (event: string, options: { schema?: CallSchema }, handler: (ctx: CallContext, content: unknown) => unknown): void
  /** Answer a client's call that `defineCall` described. */
  handle (call: CallDefinition): void

  /** Who is in a room, a page at a time. */
  presence (roomId: string, options?: PresencePageOptions): Promise<PresencePage>

  /** What was published in a room, a page at a time. */
  history (roomId: string, options?: HistoryPageOptions): Promise<HistoryPage>

  /** Connections in the cluster. */
  connections (filter?: ConnectionFilter): Promise<ConnectionList>

  /** Numbers of the cluster. */
  stats (): Promise<RealtimeStats>

  /** Put every connection of a user into a room, without asking its policy; it lasts while they are connected. */
  joinUser (userId: string, roomId: string): Promise<ControlResult>

  /** Take a user out of a room. Once this resolves, nothing published later reaches the user there. */
  removeUser (userId: string, roomId: string, reason?: string): Promise<RemoveResult>

  /** Close every connection of a user with 4403. */
  disconnectUser (userId: string, reason?: string): Promise<ControlResult>

  /** Add an app-wide hook. Hooks run in the order they were added. */
  addHook<Name extends RealtimeHookName> (name: Name, hook: RealtimeHooks[Name]): void
}
