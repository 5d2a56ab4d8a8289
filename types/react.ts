/* The public types of fastify-realtime/react. */

import type { ReactNode } from 'react'
import type {
  CallInput, CallOutput, CallsOf, Client, ClientEvents, ClientMessage, ClientMessageOf, ClientOptions, ContentArguments, Gap, Member, Published,
  RequestOptions, RoomState, SentContent, Status
} from './client.js'
import type { EventContent, EventName, KnownRoom, RoomEvents } from './lookup.js'

/** Props of `RealtimeProvider`: a client that the application made (and closes), or the options of one that the provider makes. */
export type RealtimeProviderProps<Api = unknown> =
  & { readonly children?: ReactNode }
  & (
    | { readonly client: Client<Api>, readonly options?: undefined }
    /**
     * Read once. The client connects when the provider is mounted, unless `autoConnect` is `false`, and closes when it is unmounted;
     * nothing happens on a server.
     */
    | { readonly options: ClientOptions, readonly client?: undefined }
  )

/** How far a message of a list is: sent by this client and not acknowledged, there for everybody, or given up. */
export type SendState = 'pending' | 'sent' | 'failed'

/**
 * A message of a list. A new object for every change. Of one that is pending, `timestamp` is by the local clock, and `userId` is `''` as
 * long as the client does not know who it is.
 */
export type ListedMessage<Message = ClientMessage> = Message & {
  /** How far it is. */
  readonly state: SendState
  /** For `key` of a list in React: the same from `pending` to `sent`, and no two have the same. */
  readonly id: string
  /** Why it failed. */
  readonly error?: unknown
  /** Messages may be missing before this one: the log could not be continued there. */
  readonly gap?: Gap
}

/** Options of `useRoom`. */
export interface UseRoomOptions {
  /**
   * How many of the newest messages to begin with, 0 to 100, and no more than `limit`. The first component in the room decides.
   * @default 50
   */
  readonly history?: number
  /**
   * How many messages the list holds at most, 1 to 10,000; the oldest go first, except after `loadOlder`, when the bound grows by what
   * was loaded and what came meanwhile, up to 10,000. Messages that are pending or failed do not count. The largest among the
   * components in the room holds.
   * @default 500
   */
  readonly limit?: number
}

/** A room as a component sees it. Functions stay the same as long as the room does. */
export interface RoomView<Events> {
  /** Oldest first; those of one's own that are pending or failed come last. */
  readonly messages: ReadonlyArray<ListedMessage<ClientMessageOf<Events>>>
  /**
   * Publishes the event `message`, shown at once as `pending`. Never rejects: a message that is given up is `failed` in the list, and
   * resolves to `undefined`. A room is not left before what was sent is acknowledged or given up; messages that failed are shown again
   * when a component comes back.
   */
  send (...args: ContentArguments<SentContent<Events>>): Promise<Published | undefined>
  /** As `send`, for any event. */
  publish<Event extends EventName<Events>> (
    event: Event, ...args: ContentArguments<EventContent<Events, Event>>
  ): Promise<Published | undefined>
  /**
   * Sends a failed message again, with the key it had, so that one whose outcome was `unknown` is not published twice as long as the
   * server remembers the key. After `conflict` with a new one; after `other_user` not at all.
   */
  retry (id: string): void
  /**
   * Takes a failed message out of the list, and out of the client's queue and its storage, where one that failed as `closed` or
   * `other_user` would wait for the next time: it is never sent again.
   */
  discard (id: string): void
  /** Who is here, by user id, live. */
  readonly members: readonly Member[]
  /** Ids of other users who type. */
  readonly typing: readonly string[]
  /** Tells that this user types; ends by itself 5 s after the last call with `true`, with a message, and when the component goes. */
  setTyping (typing: boolean): void
  /**
   * Whether this user is a member: `joining` at first and after every loss of the connection, `failed` with an `error`, `left` without a
   * room.
   */
  readonly status: RoomState
  /** Joins again after `failed` or `left`, where the list ended; otherwise nothing. A component that is mounted does so as well. */
  rejoin (): void
  /** Why the room could not be joined (which the client reports as `error` too), or a page of history not be read. */
  readonly error: unknown
  /** The last gap since the list began, also marked in the list: reload what else was derived from messages. */
  readonly gap: Gap | undefined
  /** There may be older messages. */
  readonly hasOlder: boolean
  /** Whether a page of older messages is on its way. */
  readonly loadingOlder: boolean
  /** Reads a page of older messages into the list. Calls while one is under way are that one. Resolves to whether there are still older ones. */
  loadOlder (): Promise<boolean>
}

/** Who is in a room. */
export interface PresenceView {
  /** Who is here, this user included, live; one entry a user, whatever the number of devices. */
  readonly members: readonly Member[]
  /**
   * Sets this user's status and meta, now and after every reconnect, until the room is left.
   *
   * @throws TypeError - `meta` is no JSON
   */
  setPresence (presence: { status?: string, meta?: unknown }): void
}

/** Options of `useDirect`. */
export interface UseDirectOptions<Message> {
  /** Called for each message; the latest one given is. A receipt goes to the server when it, and whatever it returns, went well. */
  readonly onMessage?: (message: Message) => unknown
  /**
   * How many messages the list holds at most, 0 to 10,000.
   * @default 100
   */
  readonly limit?: number
}

/** Direct messages since the component was mounted, oldest first. */
export interface DirectView<Message> {
  /** At most `limit` of them; the oldest go first. */
  readonly messages: readonly Message[]
  /** The last gap of the inbox since then. */
  readonly gap: Gap | undefined
}

/** A call and what became of the last one. */
export interface CallView<Input, Output> {
  /** Asks; rejects as `client.call` does. One that is overtaken by a later one still settles, and leaves the state alone. */
  call (...args: ContentArguments<Input, [options?: RequestOptions]>): Promise<Output>
  /** Whether the last one is waiting for its answer. */
  readonly pending: boolean
  /** What the last one that succeeded gave. */
  readonly data: Output | undefined
  /** Why the last one failed. */
  readonly error: unknown
  /** Forgets the last one: no data, no error, and not pending. One that is under way still settles for whoever awaits it. */
  reset (): void
}

/** The classic: one connection, all messages of all rooms, and a function to send. */
export interface WebSocketView {
  /** Whether the client is connected and caught up. */
  readonly connected: boolean
  /** Messages of all rooms since the component was mounted, oldest first; at most `limit` of them. */
  readonly messages: readonly ClientMessage[]
  /** Sends to a room; joins it if necessary. */
  send (roomId: string, content?: unknown): Promise<Published>
}

/** Options of `useWebSocket`: those of a client but its address, read once. */
export interface UseWebSocketOptions extends Omit<ClientOptions, 'url' | 'autoConnect'> {
  /**
   * How many messages the list holds at most, 1 to 10,000.
   * @default 100
   */
  readonly limit?: number
}

/** The hooks, typed by an Api. */
export interface Hooks<Api> {
  /** The client of the provider above. */
  useClient (): Client<Api>
  /** What the client is doing; rerenders on every change. */
  useConnection (): Status
  /**
   * Joins a room for as long as any component is in it; `null`: none. A room that the application joined before is not left; one that
   * it joins while components are in it is left with them.
   */
  useRoom<const Id extends string> (roomId: (Id & KnownRoom<Api, Id>) | null, options?: UseRoomOptions): RoomView<RoomEvents<Api, Id>>
  /** Who is in a room; joins it as `useRoom` does, and shares its membership. */
  usePresence<const Id extends string> (roomId: (Id & KnownRoom<Api, Id>) | null): PresenceView
  /** Direct messages since the component was mounted; `onMessage` is called for each. */
  useDirect (options?: UseDirectOptions<ClientEvents<Api>['direct']>): DirectView<ClientEvents<Api>['direct']>
  /** Asks a handler of the server, and keeps what became of the last call. */
  useCall<Name extends EventName<CallsOf<Api>>> (name: Name): CallView<CallInput<Api, Name>, CallOutput<Api, Name>>
}
