import type { Member } from '../../types/presence.js'
import type { GapReason } from '../protocol/frames.js'
import type { Position } from '../protocol/position.js'

/**
 * The contract between one node and whatever connects it with other nodes and keeps its logs. `memory/` is one process;
 * other bridges keep the same promises across many. Nothing above this file knows which one runs; test/bridge/contract.ts
 * is the contract in executable form.
 *
 * Promises:
 * - After `subscribe` resolved with a head, the listener gets every later entry of the log once and in order, or one
 *   `reset` that says where the log goes on. Repair of lost fan-out happens inside the bridge.
 * - The listener is not called before the promise of `subscribe` has resolved and what awaits it has run, nor while it is
 *   itself running. What it throws goes to {@link BridgeHandlers.onError} and disturbs nobody else.
 * - What one node publishes to a channel is appended in the order of the calls.
 * - Local publications take the same way to the listener as remote ones.
 * - Every call settles in bounded time: with its result, or rejected with {@link BridgeError}.
 * - Except `presenceDetach` and `userDisconnect`, which say what is no longer there. They count from the moment of the call in what
 *   this node wants the store to hold. A bridge that cannot tell the store now does so when it is back, and resolves then; it does
 *   not reject for lack of a link, since a lease never expires on a live node, and nobody would ever take back what is left over.
 *   Only a closed bridge rejects them: everything of its node goes with its lease.
 */
export interface Bridge {
  /** This node's name in the cluster, new with every start. */
  readonly nodeId: string

  /** Called once, before anything else. */
  start (handlers: BridgeHandlers): Promise<void>
  /** Ends timers and connections that the bridge made. Calls after it reject with `unavailable`. */
  close (): Promise<void>
  status (): BridgeStatus
  /**
   * How much of what this node heard by its channels was dropped since the start, because it made no sense, or had been heard a little
   * before: it came from somebody else.
   */
  dropped (): number

  /**
   * Follows a channel. Resolves once the subscription is confirmed: whatever is published after that reaches the listener.
   * One subscription a channel and node, which the hub shares: a later one takes the place of the earlier, whose listener is not
   * called again.
   *
   * A call that rejects, with `timeout` too, is over for the caller: nothing is followed, the listener is not called, and
   * subscribing again is as good as the first time. What the store may still hold is the bridge's to take back.
   */
  subscribe (channel: ChannelName, options: SubscribeOptions, listener: ChannelListener): Promise<Subscription>

  /** Appends to the channel's log (or, without `retention`, only fans out) and resolves when that is done. */
  publish (publication: Publication): Promise<PublishResult>
  /**
   * What an earlier publication under this key led to, as `duplicate` or `conflict`; `null` when there was none within the
   * key's time.
   */
  lookup (channel: ChannelName, key: IdempotencyKey): Promise<PublishResult | null>
  /**
   * Reads a log. Never appends to it, and never fails on a position: see {@link ReadResult.gap}. The head of a log that has no
   * entry yet can be continued like any other.
   */
  read (channel: ChannelName, query: ReadQuery): Promise<ReadResult>
  /**
   * Appends the removal of a user as an entry of the log (also of a volatile channel, which keeps only those, within
   * {@link CONTROL_RETENTION}).
   */
  remove (channel: ChannelName, removal: Removal): Promise<{ position: Position }>
  /** Volatile fan-out of who types. */
  typing (channel: ChannelName, userId: string, typing: boolean): Promise<void>

  /**
   * A connection of the user is in the room; the first one makes the user a member. False: the room has `limit` members already,
   * and nothing changed. Who is one of them, lingering ones included, always fits. The store decides, so that the limit holds in the
   * whole cluster; `Infinity`: none.
   *
   * When it resolves, the listener of this node, if it follows the channel's presence, has been told of it: an answer that is
   * given then contains oneself. When it rejects, the connection is not attached; where the store may have got it all the same
   * (`timeout`), the bridge takes it back. What is attached is kept up: a store that lost it is given it again, whatever the limit.
   */
  presenceAttach (channel: ChannelName, userId: string, connectionId: string, limit: number): Promise<boolean>
  /**
   * A connection left. With `linger` (ms) the member stays that long, so that a reconnect is neither a leave nor a join;
   * with 0 the member leaves at once when this was the last connection, even if another's linger has not passed. Attaching
   * a connection twice and detaching one that is not attached change nothing. Calls about one connection take effect in their
   * order, so a detach also ends an attach that is still under way.
   *
   * See {@link Bridge} for what becomes of it without a link: it is not the caller's to try again.
   */
  presenceDetach (channel: ChannelName, userId: string, connectionId: string, linger: number): Promise<void>
  /**
   * Changes status and meta of a member, last writer wins. False: not a member. What leaves both as they are (metas are compared
   * as JSON text) is not announced and takes no version.
   */
  presenceUpdate (channel: ChannelName, userId: string, update: PresenceUpdate): Promise<boolean>
  presenceRead (channel: ChannelName): Promise<PresenceSnapshot>

  /**
   * A `broadcast` frame for every connection of every node; volatile. `head` is its JSON text without the closing brace, as for
   * {@link Publication.head}.
   */
  broadcast (head: string): Promise<{ timestamp: number }>

  /**
   * Has every node carry out a command, and collects what they answer; see {@link NodeReplies}. Commands are entries of one log of
   * the whole cluster, kept within {@link CONTROL_RETENTION}, which is repaired as the logs of channels are: every node that runs
   * now begins all of them, once each and in one order. One that is out of reach is named among the unreachable, and there is
   * nothing the caller has to repeat: it begins what it missed in the turn in which it says `up` again, before any call is answered,
   * so that nobody slips in whom a command was to keep out. A node that starts later has no part in them, and one that began a
   * command and failed does not begin it again.
   *
   * Rejects with `unavailable` when the command is certainly not in the log, with `timeout` when that is unknown, and with a
   * `TypeError` when it does not survive JSON.
   */
  control (command: ControlCommand, timeout: number): Promise<NodeReplies>
  /** Asks every node. Kept nowhere: a node that is out of reach never hears of it. Rejects as {@link control} does. */
  ask (query: NodeQuery, timeout: number): Promise<NodeReplies>

  /**
   * Registers a live connection of a user. Resolves with the ids of the user's oldest connections beyond `limit`; the
   * caller closes them. They stay registered until `userDisconnect`, so an eviction that got lost is asked for again.
   * `limit` may be `Infinity` (none), which neither JSON nor a store's integers know: a bridge has to write it in its own way.
   * When it rejects, the connection is not registered.
   */
  userConnect (userId: string, connectionId: string, limit: number): Promise<string[]>
  /**
   * The connection is gone. Like {@link presenceDetach} it cannot fail for lack of a link, ends a `userConnect` that is still under
   * way, and changes nothing when there is nothing to end.
   */
  userDisconnect (userId: string, connectionId: string): Promise<void>

  /** Keeps a value for one use in the whole cluster. */
  putTicket (id: string, value: string, ttl: number): Promise<void>
  /** Takes it: the first caller gets the value, every later one `null`. */
  takeTicket (id: string): Promise<string | null>
}

/** Status of a member who has not set one. */
export const INITIAL_STATUS = 'online'

/**
 * How long in ms a removal is remembered to refuse joins that were allowed before it: in {@link Subscription.removals}, whatever
 * the log's own bounds are, and on every node that follows the channel.
 */
export const REMOVAL_WINDOW = 60_000

/** A room's or a user's channel; made by {@link roomChannel} and {@link userChannel} only. */
export type ChannelName = `r:${string}` | `u:${string}`

export function roomChannel (roomId: string): ChannelName {
  return `r:${roomId}`
}

export function userChannel (userId: string): ChannelName {
  return `u:${userId}`
}

export interface BridgeStatus {
  readonly state: 'up' | 'down'
  /** Why it is down, for logs: it may name hosts. */
  readonly reason?: string
  /** The same for anyone who asks, as readiness tells it: it names no host. */
  readonly publicReason?: string
}

/**
 * `unavailable`: certainly not applied. `timeout`: the outcome is unknown.
 */
export class BridgeError extends Error {
  readonly code: 'unavailable' | 'timeout'

  constructor (code: 'unavailable' | 'timeout', message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BridgeError'
    this.code = code
  }
}

export interface BridgeHandlers {
  /** A finished `broadcast` frame for every connection of this node. */
  onBroadcast (payload: Buffer): void
  /**
   * Carries out a command on this node. It comes as its own copy, out of JSON, and the answer goes the same way back.
   * @param age - ms since it was given, by the store's clock: much where the node was out of reach, 0 at least
   */
  onControl (command: ControlCommand, age: number): Promise<unknown>
  /** Answers a question; both go through JSON. */
  onAsk (query: NodeQuery): Promise<unknown>
  /** Called on every change; a bridge that has started is up until it says otherwise. */
  onStatus (status: BridgeStatus): void
  /** A listener or handler of this node threw, which is a defect of the node: for its log. */
  onError? (error: unknown): void
}

/** Bounds of a log. Those of the latest entry hold for the whole log. */
export interface Retention {
  /** Entries kept at most. */
  readonly size: number
  /** Age in ms beyond which an entry is gone, each by itself. */
  readonly ttl: number
}

/** Bounds of the log of a volatile channel, which has removals only, and of the cluster's log of commands. */
export const CONTROL_RETENTION: Retention = { size: 1000, ttl: 60 * 60 * 1000 }

export interface SubscribeOptions {
  /** Deliver presence events and resolve with a snapshot. */
  readonly presence: boolean
}

export interface Subscription {
  /** The log's head at the moment the subscription was confirmed; the listener gets what follows it. */
  readonly head: Position
  /** Users removed within the last minute, with the age of the removal in ms by the store's clock. */
  readonly removals: ReadonlyMap<string, number>
  /** Present when asked for. */
  readonly presence?: PresenceSnapshot
  /**
   * Ends it: from the call on, the listener is not called again. When it rejects it has ended all the same, and the channel can be
   * subscribed again; calling it twice, or after a later subscription took its place, does nothing.
   */
  unsubscribe (): Promise<void>
}

export type ChannelListener = (event: ChannelEvent) => void

/** An entry of a log, or (volatile) a fan-out without one. */
export interface Entry {
  readonly kind: 'message'
  readonly position: Position
  /** The finished client frame, JSON text. */
  readonly payload: Buffer
  readonly timestamp: number
  /** The publisher waits for receipts. */
  readonly receipt: boolean
}

export interface RemovalEntry {
  readonly kind: 'removal'
  readonly position: Position
  readonly userId: string
  /** As in {@link Removal}. */
  readonly reason?: string
}

export type ChannelEvent =
  | { readonly type: 'entry', readonly entry: Entry }
  | { readonly type: 'removal', readonly entry: RemovalEntry }
  | { readonly type: 'volatile', readonly payload: Buffer }
  | { readonly type: 'typing', readonly userId: string, readonly typing: boolean }
  | ({ readonly type: 'presence' } & PresenceEvent)
  /**
   * The state was reread after a possible loss; differences are the receiver's to find. The bridge has put it into its place
   * among the events, so it takes the place of whatever was known, also when its version is lower: a store that lost its data
   * counts from the beginning. The events behind it count on from its version.
   */
  | { readonly type: 'presence-snapshot', readonly snapshot: PresenceSnapshot }
  /**
   * The log goes on here, and what lies between is not delivered. Removals are, before it, as far as the bridge still knows of them
   * ({@link CONTROL_RETENTION}): that a log is short must keep nobody in a room.
   */
  | { readonly type: 'reset', readonly reason: GapReason, readonly position: Position }

export interface IdempotencyKey {
  /** Scoped by the caller: user and key, or the server's own space. */
  readonly id: string
  /** Digest over the input as received; another digest under the same id is a conflict. */
  readonly digest: string
  /** How long it is remembered, in ms. */
  readonly ttl: number
}

export interface Publication {
  readonly channel: ChannelName
  /**
   * The client frame's JSON text without its closing brace. The bridge appends timestamp and position by concatenation and
   * closes it; it never looks inside.
   */
  readonly head: string
  /** `null`: volatile: no log, no position, `key` is not looked at. */
  readonly retention: Retention | null
  readonly key?: IdempotencyKey
  readonly receipt?: boolean
}

export type PublishResult =
  | { readonly status: 'published' | 'duplicate', readonly position?: Position, readonly timestamp: number }
  | { readonly status: 'conflict' }

/**
 * One of: `since` (continue from a position, judged), `last` (newest n), `before` (older than a position),
 * `after` (newer than a position). Positions are text as clients send them.
 */
export type ReadQuery =
  & ({ readonly since: string } | { readonly last: number } | { readonly before: string } | { readonly after: string })
  & {
    /** Entries at most. */
    readonly limit: number
    /** Payload bytes at most; at least one entry is returned all the same. */
    readonly maxBytes: number
  }

export interface ReadResult {
  /** The log's head when it was read. */
  readonly head: Position
  /** Set when the position in the query does not continue into this log; entries are then empty. */
  readonly gap?: GapReason
  /** Messages, oldest first; removals are left out. */
  readonly entries: readonly Entry[]
  /**
   * Whether limit, maxBytes or the n of `last` cut the answer: for `since` and `after` newer messages remain, for `before`
   * and `last` older.
   */
  readonly more: boolean
  /** For `since` and `after` with `more`: the position read up to, removals included. Otherwise it is `head`. */
  readonly position: Position
}

export interface Removal {
  readonly userId: string
  /** The application's words, for the logs of the nodes that carry it out; clients get a code of the protocol. */
  readonly reason?: string
  /** How long the channel keeps it, in a log that may hold messages too; `null` for a volatile channel. */
  readonly retention: Retention | null
}

export interface PresenceUpdate {
  readonly status?: string
  /** `undefined`: leave as it is; `null`: clear. */
  readonly meta?: unknown
}

/** Who is in a room, as of a version; events up to that version are in it. */
export interface PresenceSnapshot {
  readonly version: number
  readonly members: readonly Member[]
}

export interface PresenceEvent {
  /** One more than the event before it, or than the snapshot. */
  readonly version: number
  /** `devices`: only the number of connections changed; not announced to clients. */
  readonly change: 'joined' | 'updated' | 'left' | 'devices'
  /** The member's full state; on `left` the last one. */
  readonly member: Member
  readonly timestamp: number
}

/** What one node has all others do: each node for the connections it holds. */
export type ControlCommand =
  | { readonly type: 'join-user', readonly userId: string, readonly roomId: string }
  | { readonly type: 'disconnect-user', readonly userId: string, readonly reason: string }
  | { readonly type: 'evict', readonly connectionIds: readonly string[] }
  | { readonly type: 'renew', readonly connectionId: string, readonly user: { readonly id: string }, readonly expiresAt: number | null }

/** What one node asks of all. */
export type NodeQuery =
  | { readonly type: 'connections', readonly userId?: string, readonly roomId?: string, readonly limit: number }
  | { readonly type: 'stats' }
  | { readonly type: 'rooms', readonly after?: string, readonly limit: number }
  | { readonly type: 'receipts', readonly userId: string, readonly position: string, readonly timeout: number }

/**
 * Answers that came within the time, this node's among them, as they come back from JSON (`undefined` as `null`). Nodes known to
 * be dead cost no time.
 */
export interface NodeReplies {
  readonly replies: readonly { readonly nodeId: string, readonly value: unknown }[]
  /** Nodes that are alive and did not answer, or failed to. */
  readonly unreachable: readonly string[]
}
