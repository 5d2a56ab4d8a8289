/* The public types of fastify-realtime/client. Free of DOM, Node and Fastify types, so that they load anywhere. */

import type { ErrorCode, GapReason, LeftReason, PresenceChange } from '../lib/protocol/frames.js'
import type { Jsonify } from './jsonify.js'
import type { BroadcastEvents, DirectEvents, EventContent, EventName, KnownRoom, RoomEvents } from './lookup.js'
import type { Member } from './presence.js'

export type { ErrorCode, GapReason, LeftReason, PresenceChange } from '../lib/protocol/frames.js'
export type { Member } from './presence.js'

// --- what it stands on ---

/** What a client uses of a `WebSocket`: those of browsers, of Node (22 and later) and of the package `ws` all fit. */
export interface Socket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send (text: string): void
  close (code?: number, reason?: string): void
}

/** A `WebSocket` class. */
export type SocketClass = new (url: string, protocols?: string[]) => Socket

/** What a client uses of an `AbortSignal`. */
export interface Signal {
  readonly aborted: boolean
  addEventListener (type: 'abort', listener: () => void): void
  removeEventListener (type: 'abort', listener: () => void): void
}

/** What a client uses of `fetch`. */
export type Fetch = (url: string, init: {
  method: string
  headers: Record<string, string>
  credentials: 'include'
  body?: string
}) => Promise<{
  readonly status: number
  readonly headers: { get (name: string): string | null }
  json (): Promise<unknown>
}>

/** Time and chance; injected by tests. */
export interface ClientClock {
  /** Epoch milliseconds. */
  wall (): number
  /** Runs `fn` once after `ms`. Returns what cancels it. */
  timeout (fn: () => void, ms: number): () => void
  /** A number in [0, 1). */
  random (): number
  /** A name that nobody else makes, at most 64 bytes. */
  id (): string
}

// --- options ---

/** Why a token is wanted: there is none yet, the last one was refused or is over, or it is about to end. */
export type TokenReason = 'connect' | 'expired' | 'expiring'

/** How long to wait between attempts to connect. */
export interface BackoffOptions {
  /**
   * The shortest wait, in ms, 10 to 3,600,000; what is less, or no number, counts as 10. The first one is between this and twice as
   * much.
   * @default 500
   */
  min?: number | undefined
  /**
   * The longest wait, in ms, up to 3,600,000; one below `min`, or no number, counts as `min`. A server that asks for more gets more,
   * up to an hour on top.
   * @default 20000
   */
  max?: number | undefined
  /**
   * Attempts in a row that may fail before the client gives up (`closed`, reason `attempts`): 0 gives up at the first failure.
   * @default Infinity
   */
  attempts?: number | undefined
}

/** Which message of a queue. */
export interface MessageId {
  /** The room it is for. */
  readonly roomId: string
  /** Its key, unique in its room for its user. */
  readonly key: string
}

/** A message that waits for its acknowledgement. JSON throughout, so that storage can keep it. */
export interface StoredMessage extends MessageId {
  /** Names it, in its room and for its user. */
  readonly key: string
  /** The event it is published as. */
  readonly event: string
  /** As JSON left it when it was queued. */
  readonly content: unknown
  /** When it was queued, epoch ms; larger for every further message, also where the clock was set back. */
  readonly at: number
  /**
   * Who queued it. It is never sent as anybody else. Before the client's first connection nobody knows, and it becomes that of whoever
   * is connected when it is sent: a store must not be shared by users, see `localStorageQueue`.
   */
  readonly userId?: string
  /** When it was first sent without an answer, epoch ms. */
  readonly sentAt?: number
}

/**
 * Where waiting messages survive a reload of the page: `localStorageQueue`, `indexedDbQueue`, or one's own over whatever store there is.
 * What it throws or rejects with is reported as an `error`; the queue goes on without it.
 *
 * @example
 * ```ts
 * const storage: QueueStorage = {
 *   load: () => database.all('SELECT * FROM queue ORDER BY at'),
 *   put: (message) => database.put(message.roomId, message.key, message),
 *   delete: ({ roomId, key }) => database.delete(roomId, key)
 * }
 * ```
 */
export interface QueueStorage {
  /**
   * Everything stored, in the order of `at`; asked when the client begins, and again when it begins after `closed`. It does not wait
   * longer for it than its `timeout`, reports that, and takes what comes later when it comes. All of it is taken, also beyond the
   * queue's `size`; `publish` rejects with `queue_full` until enough of it is sent.
   */
  load (): readonly StoredMessage[] | Promise<readonly StoredMessage[]>
  /** Adds a message, or replaces the one with its room and key. Calls for one message must not overtake each other. */
  put (message: StoredMessage): void | Promise<void>
  /** Removes the message with this room and key; one that is not there is fine. */
  delete (message: MessageId): void | Promise<void>
}

/** Options of `indexedDbQueue`. */
export interface QueueStorageOptions {
  /**
   * Hears what goes wrong with the store (there is none, it is full, it cannot be opened, an item in it was broken); the queue goes on
   * in memory. By default the page's handlers of uncaught errors hear it.
   */
  onError?: ((error: unknown) => void) | undefined
}

/** Options of `localStorageQueue`. */
export interface LocalStorageQueueOptions extends QueueStorageOptions {
  /** Another store than `localStorage`: `sessionStorage` keeps what belongs to one tab, over reloads only. */
  storage?: WebStorage | undefined
}

/** What `localStorageQueue` uses of a `Storage`. */
export interface WebStorage {
  readonly length: number
  key (index: number): string | null
  getItem (key: string): string | null
  setItem (key: string, value: string): void
  removeItem (key: string): void
}

/** Options of `createClient`. */
export interface ClientOptions {
  /**
   * The server's WebSocket route: absolute (`ws`, `wss`, `http`, `https`), or in browsers relative to the page as it is now. Anything
   * else is a `TypeError` of `createClient`. Where there is no page, as on a server that renders them, a client with a relative address
   * stays `idle`: `connect` rejects with a `TypeError`.
   */
  url: string
  /**
   * Gives the JWT, asked when there is none yet and whenever the last one is over or about to be. `null`: nobody is signed in, the
   * client stops (`closed`, reason `signed-out`). A failure is reported and tried again after the backoff; one that takes longer than
   * `timeout` ends the attempt. Without it the browser's cookie speaks. Of another user than before the inbox begins with a `reset`.
   */
  getToken?: ((request: { reason: TokenReason }) => string | null | Promise<string | null>) | undefined
  /**
   * Exchange the token for a one-time ticket before each connection, instead of offering it as a subprotocol: for tokens that are no
   * JWTs, and for proxies that log subprotocols.
   * @default false
   */
  ticket?: boolean | undefined
  /**
   * Connect at once. Otherwise `connect()` begins.
   * @default true
   */
  autoConnect?: boolean | undefined
  /** Waits between attempts to connect. */
  backoff?: BackoffOptions | undefined
  /**
   * How long an answer, a connection with everything it takes, or a load of the queue's storage may take; in ms, 1 to 2^31 - 1. What
   * is out of these bounds is over at once.
   * @default 10000
   */
  timeout?: number | undefined
  /** Messages that wait for a connection or an answer. */
  queue?: {
    /**
     * How many may wait; `publish` rejects with `queue_full` beyond it. What is no number is 0.
     * @default 1000
     */
    size?: number | undefined
    /**
     * How many may be on their way at a time, at least 1. Where the server refuses one of them for a moment (`rate_limited`,
     * `unavailable`), those behind it may come first; 1 keeps the order even then, at the price of a round trip a message. After such a
     * refusal it is 1 until a message got through.
     * @default 32
     */
    inFlight?: number | undefined
    /** Where they survive a reload: `localStorageQueue(userId)`, `indexedDbQueue(userId)` or one's own. By default nowhere. */
    storage?: QueueStorage | undefined
  } | undefined
  /** Position at which direct messages begin: what `client.inbox` was, or `'start'` for all that is kept. By default: from now on. */
  inbox?: string | undefined
  /** Hears what goes wrong without anybody waiting for it; the same as `on('error')`. */
  onError?: ((error: unknown) => void) | undefined
  /** One socket for all tabs of a browser: `shareTabs()`. By default every tab has its own. */
  shareTabs?: ((Socket: SocketClass) => SocketClass) | undefined
  /** The `WebSocket` class. By default the global one. */
  WebSocket?: SocketClass | undefined
  /** By default the global one. */
  fetch?: Fetch | undefined
  /** Time and chance, for tests. */
  clock?: ClientClock | undefined
}

/** What `shareTabs` uses of Web Locks: `navigator.locks`. */
export interface TabLocks {
  request (name: string, options: { signal?: Signal, steal?: boolean }, hold: () => Promise<void> | void): Promise<unknown>
}

/** What `shareTabs` uses of a `BroadcastChannel`. */
export interface TabChannel {
  onmessage: ((event: never) => void) | null
  postMessage (message: unknown): void
  close (): void
}

/** A `BroadcastChannel` class. */
export type TabChannelClass = new (name: string) => TabChannel

/** Options of `shareTabs`. */
export interface ShareTabsOptions {
  /**
   * Only tabs with the same name share. Needed with tickets and cookies, where it has to be different for every user (their id):
   * a tab hears whatever the user hears whose tab holds the socket.
   */
  name?: string | undefined
  /** By default those of the browser. */
  locks?: TabLocks | undefined
  /** The `BroadcastChannel` class. By default the global one. */
  BroadcastChannel?: TabChannelClass | undefined
}

/**
 * Options of `client.room` and `client.joinRoom`: what a membership begins with. They are ignored while there is one, or is to be one: where
 * the room was asked for before, or the server has put the client into it (`joinUser`). To begin with others, `leave()` first.
 */
export interface RoomOptions {
  /** Ask for the last so many messages when joining, or when the gap is too large to be closed. */
  history?: number | undefined
  /**
   * Keep {@link Room.members} up to date.
   * @default true
   */
  presence?: boolean | undefined
  /** Continue behind this position: what `room.position` was before a reload. */
  since?: string | undefined
}

// --- state ---

/** What a client is doing. `waiting`: for the next attempt. `closed`: for good, until `connect()`. */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'

/**
 * Why a client came to its state. `lost`: the socket closed or never opened; `silent`: nothing was heard for too long; `timeout`: no
 * answer in time; `refused`: the server is busy (429, 503, 1013, 4429); `goaway`: it asked to go elsewhere; `token`: `getToken`
 * failed; `expired`: a new token is needed; `closed`: `close()`; `signed-out`: `getToken` gave `null`; `server`: the server refused or
 * closed for good, see `code`; `attempts`: they are used up.
 */
export type StatusReason =
  | 'lost' | 'silent' | 'timeout' | 'refused' | 'goaway' | 'token' | 'expired'
  | 'closed' | 'signed-out' | 'server' | 'attempts'

/** One state of a client; a new object for every change. */
export interface Status {
  /** What the client is doing. */
  readonly state: ClientState
  /** Why it came to this state. Absent while nothing went wrong: when it begins, and once it is connected. */
  readonly reason?: StatusReason
  /** The close code of the socket, or the HTTP status of the handshake, behind the reason. */
  readonly code?: number
  /** Attempts since the connection last held. */
  readonly attempt: number
  /** While `waiting`: when the next attempt begins, epoch ms. */
  readonly retryAt?: number
}

// --- what arrives ---

/** A message of a room. Content is what JSON left of it. */
export interface ClientMessage<Event extends string = string, Content = unknown> {
  /** The room it was published to. */
  readonly roomId: string
  /** What kind of message it is: `message` for what `send` publishes. */
  readonly event: Event
  /** Who published it; `null`: the server. */
  readonly userId: string | null
  /** What was published, as JSON left it. */
  readonly content: Content
  /** The server's clock, epoch ms; order is the order of arrival. */
  readonly timestamp: number
  /** Absent in a volatile room. */
  readonly position?: string
  /** The sender's key. */
  readonly key?: string
}

/** A message for this user. */
export interface DirectMessage<Event extends string = string, Content = unknown> {
  /** What kind of message it is. */
  readonly event: Event
  /** Who sent it; `null`: the server. */
  readonly userId: string | null
  /** What was sent, as JSON left it. */
  readonly content: Content
  /** Epoch ms. */
  readonly timestamp: number
  /** Where it stands in the inbox, for the option `inbox` of a later client. */
  readonly position?: string
}

/** A message for every connection. */
export interface BroadcastMessage<Event extends string = string, Content = unknown> {
  /** What kind of message it is. */
  readonly event: Event
  /** What was sent, as JSON left it. */
  readonly content: Content
  /** Epoch ms. */
  readonly timestamp: number
}

/**
 * A member came, went or changed while this client was connected. What happened while it was not is in `members` as soon as the room is
 * joined again, and in no event: read them in `onChange`.
 */
export interface PresenceEvent extends Member {
  /** The room it happened in. */
  readonly roomId: string
  /**
   * `joined`: came with a first device; `updated`: another status or meta; `left`: gone, or away for longer than the grace window. A
   * change of `devices` alone is not told.
   */
  readonly change: PresenceChange
}

/** Another member began or stopped typing. */
export interface TypingEvent {
  /** The room they type in. */
  readonly roomId: string
  /** Who it is. */
  readonly userId: string
  /** `false` also where nothing was heard of it for 8 s, and when this client loses its connection. */
  readonly typing: boolean
}

/** An explicit gap: messages may be missing. Reload the state from the API. */
export interface Gap {
  /** Absent: it is the inbox of direct messages. */
  readonly roomId?: string
  /**
   * Why the log could not be continued: `trimmed`: messages behind the position are no longer kept; `diverged`: the log parted from what
   * this client saw (a failover lost or replaced messages); `expired`: the position belongs to no log that exists.
   */
  readonly reason: GapReason
  /** From where it goes on. */
  readonly position: string
}

/** The server took this client out of a room. */
export interface LeftEvent {
  /** The room it was taken out of. */
  readonly roomId: string
  /** `removed`: by `removeUser`; `revoked`: the right to be there ended with a renewal; `closed`: the room was closed. */
  readonly reason: LeftReason
}

/** What `publish` resolves to. */
export interface Published {
  /** Absent in a volatile room. */
  readonly position?: string
  /** The server's clock, epoch ms. */
  readonly timestamp: number
  /** The key had been used with the same content: this is the first one's result. */
  readonly duplicate?: boolean
  /** The key it was published under, which its echo has too. */
  readonly key: string
}

/** A message of the queue that was acknowledged. */
export interface SentMessage extends StoredMessage, Published {
  /** The key it was queued under. */
  readonly key: string
}

/** A message that was given up. */
export interface FailedMessage extends StoredMessage {
  /** Why. */
  readonly error: RealtimeFailure
}

/**
 * Codes of the wire, and those of the client itself. `disconnected`: the connection broke before the answer, the outcome is unknown;
 * `closed`: the client is closed; `aborted`: by the signal; `queue_full`; `unknown`: the outcome of a message was not known within the
 * time in which it could be asked again; `left`: the room was left first; `other_user`: queued by somebody else; `overflow`: an iterator
 * was read too slowly; `discarded`: by `client.discard`.
 */
export type FailureCode =
  | ErrorCode | 'disconnected' | 'closed' | 'aborted' | 'queue_full' | 'unknown' | 'left' | 'other_user' | 'overflow' | 'discarded'

/** Every error of a client. */
export interface RealtimeFailure extends Error {
  /** What went wrong, for programs. */
  readonly code: FailureCode
  /** The same may be tried again. */
  readonly retryable: boolean
  /** In ms. */
  readonly retryAfter?: number
  /** The room it is about, if it is about one. */
  readonly roomId?: string
  /** The key of the message it is about, if it is about one. */
  readonly key?: string
  /** What the application said along with `refused`. */
  readonly content?: unknown
}

/** A page of a room's log, oldest first. */
export interface ClientHistoryPage<Message = ClientMessage> {
  /** At most `limit` of them; fewer where they are large. */
  readonly messages: readonly Message[]
  /** There are further messages in the direction asked for. */
  readonly more?: boolean
  /** The position asked for could not be continued. */
  readonly reason?: GapReason
}

/** Options of `room.history`: `before` or `after`, or neither for the newest. */
export interface ClientHistoryOptions {
  /** Messages before this position, exclusive. */
  before?: string | undefined
  /** Messages after this position, exclusive; `'start'` for the oldest kept. */
  after?: string | undefined
  /**
   * Messages in one answer, 1 to 100.
   * @default 50
   */
  limit?: number | undefined
}

/** Options of `client.call` and other requests. */
export interface RequestOptions {
  /**
   * How long to wait for the answer (and for a connection, where there is none), in ms.
   * @default the client's `timeout`
   */
  timeout?: number | undefined
  /** Gives up early; the server is not told. */
  signal?: Signal | undefined
}

/** Stops hearing. */
export type Off = () => void

// --- the client ---

/** Users by id, as a `Map` whose values say nothing: `for (const [userId] of users)`, `[...users.keys()]`. */
export interface Users {
  /** How many there are. */
  readonly size: number
  /** Whether the user is one of them. */
  has (userId: string): boolean
  /** Their ids, in the order in which they came. */
  keys (): IterableIterator<string>
  /** Calls `fn` for each, in the order in which they came. */
  forEach (fn: (value: unknown, userId: string) => void): void
  /** Pairs of id and value, in the order in which they came. */
  [Symbol.iterator] (): IterableIterator<[userId: string, value: unknown]>
}

/** The events of a room that are not messages. */
export interface RoomSignals {
  /** A member came, went or changed. */
  presence: PresenceEvent
  /** Another member began or stopped typing. */
  typing: TypingEvent
  /** Messages may be missing: reload the state from the API. */
  reset: Gap
  /** The server took this client out. Not told after `leave()`. */
  left: LeftEvent
  /** The room could not be joined, or a handler threw. */
  error: unknown
}

/** What a handler of a room's event is given. */
export type RoomEvent<Events, Name extends string> =
  Name extends keyof RoomSignals ? RoomSignals[Name] : ClientMessage<Name, Jsonify<EventContent<Events, Name>>>

/** The messages of a room, told apart by `event`. */
export type ClientMessageOf<Events> =
  Events extends unknown
    ? string extends keyof Events ? ClientMessage
      : { [Event in EventName<Events>]: ClientMessage<Event, Jsonify<Events[Event]>> }[EventName<Events>]
    : never

/**
 * Content as an argument, and those behind it. It may be left out where `undefined` or `null` fits; the server is given `null` then.
 * For functions that pass arguments on: `(...args: ContentArguments<CallInput<Api, 'ping'>>) => client.call('ping', ...args)`.
 */
export type ContentArguments<Content, More extends readonly unknown[] = []> =
  undefined extends Content ? [content?: Content, ...more: More]
    : null extends Content ? [content?: Content | undefined, ...more: More]
      : [content: Content, ...more: More]

/** Options of `room.publish` and `room.send`. */
export interface ClientPublishOptions {
  /**
   * One's own name for the message, 1 to 64 bytes: published once however often it is sent under it, and found in its echo.
   * @default a random one
   */
  key?: string | undefined
}

/** What `send` takes: the content of the event `message`. */
export type SentContent<Events> = 'message' extends EventName<Events> ? EventContent<Events, 'message'> : never

/** `joining`: not (or not again) acknowledged by the server; `failed`: refused; `left`: by `leave()` or by the server. */
export type RoomState = 'joining' | 'joined' | 'failed' | 'left'

/**
 * A room this client is in, or will be as soon as it is connected. It is joined again after every reconnect, and continues where
 * it was.
 */
export interface Room<Events> {
  /** The id that `client.room` was given. */
  readonly id: string
  /** Whether this client is a member; every change calls `onChange`. */
  readonly state: RoomState
  /** Everything up to here was handed to the handlers. Absent in a volatile room and before the first answer. */
  readonly position: string | undefined
  /** Who is here, live, this user included. */
  readonly members: ReadonlyMap<string, Member>
  /** Who types, by user id, live. */
  readonly typing: Users

  /**
   * Resolves when the server has acknowledged the membership and the client is connected, at once if that is so. Rejects with
   * {@link RealtimeFailure}: the server's refusal, `left`, `closed`.
   */
  ready (): Promise<void>
  /** Hears an event: a message's, or `presence`, `typing`, `reset`, `left`, `error`. */
  on<Name extends EventName<Events> | keyof RoomSignals> (event: Name, handler: (value: RoomEvent<Events, Name>) => unknown): Off
  /** Stops hearing. */
  off<Name extends EventName<Events> | keyof RoomSignals> (event: Name, handler: (value: RoomEvent<Events, Name>) => unknown): void
  /** Called after every change of `state`, `members` and `typing`: for user interfaces. */
  onChange (handler: () => void): Off
  /** Messages as they arrive. Ends with the room or the client. */
  messages (options?: {
    /**
     * Messages that may wait to be read; one more ends the iteration with `overflow`. What is no number is too few.
     * @default 1000
     */
    limit?: number | undefined
  }): AsyncIterableIterator<ClientMessageOf<Events>>

  /** Publishes the event `message`. See {@link Room.publish}. */
  send (...args: ContentArguments<SentContent<Events>, [options?: ClientPublishOptions]>): Promise<Published>
  /**
   * Publishes. Resolves when the server has it, however often the connection breaks meanwhile, and never publishes twice. Rejects
   * with {@link RealtimeFailure}: the server's refusal, `too_large`, `queue_full`, `unknown`, `left`, `closed`.
   */
  publish<Event extends EventName<Events>> (
    event: Event, ...args: ContentArguments<EventContent<Events, Event>, [options?: ClientPublishOptions]>
  ): Promise<Published>
  /**
   * Reads the room's log; the room's position stays. Rejects with {@link RealtimeFailure}: `bad_request` in a volatile room or for a
   * `limit` out of bounds, `not_member`, `timeout`, `aborted`, `disconnected`, `closed`.
   */
  history (options?: ClientHistoryOptions & RequestOptions): Promise<ClientHistoryPage<ClientMessageOf<Events>>>
  /** Tells the others that this user types, and goes on telling them until `false`, a message or `leave`. Never queued. */
  setTyping (typing: boolean): void
  /**
   * Sets this user's status (1 to 64 bytes) and meta (JSON of at most 2 KiB; `null` clears it) in the room, now and after every reconnect.
   * Never queued; a refusal is an `error` of the room.
   *
   * @throws TypeError - `meta` is no JSON
   */
  setPresence (presence: { status?: string, meta?: unknown }): void
  /** Leaves. Nothing of the room is emitted any more; messages that were not sent are given up, their promises reject with `left`. */
  leave (): void
}

/** The events of a client that are not typed by the Api. */
export interface ClientSignals {
  /** The new state, for every change. */
  status: Status
  /** A gap in the inbox of direct messages. */
  reset: Gap
  /** The server put this client into a room. */
  joined: { readonly roomId: string }
  /** A message was acknowledged, also one that an earlier page had left in the storage; its promise resolves too. */
  sent: SentMessage
  /** A message was given up, or not taken at all; its promise rejects too. What is no JSON is no message: only the promise rejects. */
  failed: FailedMessage
  /** What goes wrong without anybody waiting for it. */
  error: unknown
}

type Direct<Events> =
  string extends keyof Events ? DirectMessage
    : { [Event in EventName<Events>]: DirectMessage<Event, Jsonify<Events[Event]>> }[EventName<Events>]

type Broadcast<Events> =
  string extends keyof Events ? BroadcastMessage
    : { [Event in EventName<Events>]: BroadcastMessage<Event, Jsonify<Events[Event]>> }[EventName<Events>]

/** Any message of any room of an Api, told apart by `event`. */
export type AnyMessageOf<Api> = Api extends { rooms: infer Rooms } ? ClientMessageOf<Rooms[keyof Rooms]> : ClientMessage

/** The events of a client. */
export interface ClientEvents<Api> extends ClientSignals {
  /** Any message of any room. */
  message: AnyMessageOf<Api>
  /** A message for this user. A receipt goes to the server when all handlers, and the promises they return, went well. */
  direct: Direct<DirectEvents<Api>>
  /** A message for every connection. */
  broadcast: Broadcast<BroadcastEvents<Api>>
}

/** The calls of an Api by name. */
export type CallsOf<Api> = Api extends { calls: infer Calls } ? Calls : Readonly<Record<string, { content: unknown, response: unknown }>>

/** What a call sends. */
export type CallInput<Api, Name> =
  Name extends keyof CallsOf<Api> ? CallsOf<Api>[Name] extends { content: infer Content } ? Content : unknown : unknown

/** What a call resolves to. */
export type CallOutput<Api, Name> =
  Name extends keyof CallsOf<Api> ? CallsOf<Api>[Name] extends { response: infer Response } ? Jsonify<Response> : unknown : unknown

/** What `watchUser` hears. */
export type UserUpdates<Api> =
  RoomEvents<Api, `user:${string}`> extends { 'user-update': infer Content } ? Jsonify<Content> : unknown

/** A connection to the server that looks after itself. */
export interface Client<Api = unknown> {
  /** What it is doing, and why; a new object for every change, which `on('status')` tells. */
  readonly status: Status
  /** Who the server takes this client for; known from the first connection on. */
  readonly userId: string | undefined
  /** Everything of the inbox up to here was handed to the handlers; for the option `inbox` after a reload. */
  readonly inbox: string | undefined
  /**
   * Begins, also after `closed`. Resolves when connected and caught up; rejects when the client closes first, and with a `TypeError`
   * where the address is relative and there is no page.
   */
  connect (): Promise<void>
  /** Ends. Nothing is emitted afterwards; what waits is rejected with `closed`, and stays in storage if there is one. */
  close (): void
  /** Messages that wait for their acknowledgement, oldest first. */
  pending (): readonly StoredMessage[]
  /**
   * Gives up a message that waits (its promise rejects with `discarded`), and takes it out of the storage, where it may also be one
   * that the client left there when it ended. One that is on its way is not called back.
   */
  discard (message: MessageId): void
  /** Hears an event. */
  on<Name extends keyof ClientEvents<Api>> (event: Name, handler: (value: ClientEvents<Api>[Name]) => unknown): Off
  /** Stops hearing. */
  off<Name extends keyof ClientEvents<Api>> (event: Name, handler: (value: ClientEvents<Api>[Name]) => unknown): void

  /**
   * The room with this id: joined now, or as soon as there is a connection. The same object for the same id.
   *
   * Attach handlers in the same turn: messages are not kept for those that come later.
   *
   * @example
   * ```ts
   * const room = client.room('chat:42', { history: 20 })
   * room.on('message', ({ userId, content }) => show(userId, content.text))
   * room.on('reset', () => reloadFromApi())
   * await room.send({ text: 'hi' })
   * ```
   */
  room<const Id extends string> (id: Id & KnownRoom<Api, Id>, options?: RoomOptions): Room<RoomEvents<Api, Id>>
  /**
   * Asks a handler of the server. Never sent twice: a connection that breaks before the answer rejects with `disconnected`. Waits for
   * a connection within its timeout. Rejects with {@link RealtimeFailure} (the server's refusal, `timeout`, `aborted`, `closed`), with
   * `TypeError` where the content is no JSON.
   *
   * @example
   * ```ts
   * const { price } = await client.call('order.quote', { sku }, { timeout: 5_000, signal })
   * ```
   */
  call<Name extends EventName<CallsOf<Api>>> (
    event: Name, ...args: ContentArguments<CallInput<Api, Name>, [options?: RequestOptions]>
  ): Promise<CallOutput<Api, Name>>
  /** Hears the updates of a user (`broadcastUserUpdate` on the server). */
  watchUser (userId: string, handler: (content: UserUpdates<Api>) => unknown): Off

  /** {@link Client.room}, resolved when the server has acknowledged the membership. */
  joinRoom<const Id extends string> (id: Id & KnownRoom<Api, Id>, options?: RoomOptions): Promise<Room<RoomEvents<Api, Id>>>
  /** Sends to a room; joins it if necessary. */
  send<const Id extends string> (
    id: Id & KnownRoom<Api, Id>, ...args: ContentArguments<SentContent<RoomEvents<Api, Id>>>
  ): Promise<Published>
  /** Hears the messages of all rooms; the same as `on('message')`. */
  onMessage (handler: (message: AnyMessageOf<Api>) => unknown): Off
}
