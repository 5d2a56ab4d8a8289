/*
 * The entry of fastify-realtime/api: what a client needs to be typed by its server, and nothing that loads Fastify or Node.
 */

import type { AnyEvents, eventsOf } from './events.js'
import type { Infer, InferInput } from './infer.js'

export type { AnyEvents } from './events.js'
export type { Infer, InferInput } from './infer.js'
export type { Jsonify } from './jsonify.js'
export type {
  BroadcastEvents, DirectEvents, EventContent, EventName, KnownRoom, NoPatternMatchesThisRoomId, RoomEvents
} from './lookup.js'
export type { RoomParams } from './pattern.js'

/** A call as clients see it. */
export interface ApiCall {
  /** What is sent. */
  content: unknown
  /** What comes back, before JSON. */
  response: unknown
}

/**
 * What server and clients agree on. {@link ApiOf} derives it, and it may as well be written by hand; whatever is left out stays
 * untyped.
 *
 * @example
 * ```ts
 * interface Api {
 *   rooms: { 'chat:{id}': { message: { text: string } } }
 *   calls: { 'orders.get': { content: { id: string }, response: Order } }
 *   direct: { shipped: { orderId: string } }
 *   broadcast: { maintenance: { at: string } }
 * }
 * ```
 */
export interface AnyApi {
  /** Events by pattern, contents by event. */
  rooms?: object
  /** Calls by name. */
  calls?: object
  /** Contents of direct messages by event. */
  direct?: object
  /** Contents of broadcasts by event. */
  broadcast?: object
}

/** What {@link ApiOf} reads. */
export interface ApiSource {
  /** `typeof rooms`, where `rooms = defineRooms({ ... })`. */
  rooms?: object
  /** `typeof calls`, where `calls` is an object or a tuple of what `defineCall` returned. */
  calls?: object
  /** Schemas by event. */
  direct?: object
  /** Schemas by event. */
  broadcast?: object
}

/**
 * The plain {@link AnyApi} behind rooms and calls, for `Register` and for `createClient<Api>()`.
 *
 * @example
 * ```ts
 * export type Api = ApiOf<{ rooms: typeof rooms, calls: typeof calls }>
 * ```
 */
export type ApiOf<Source extends ApiSource> = {
  -readonly [Part in keyof Source & keyof ApiSource]:
  Part extends 'rooms' ? RoomsApi<Source[Part]>
    : Part extends 'calls' ? CallsApi<Source[Part]>
      : Contents<Source[Part]>
}

type RoomsApi<Rooms> = { -readonly [Pattern in keyof Rooms]: RoomApi<Rooms[Pattern]> }

/** `defineRooms` left the events under a symbol; a plain object has nothing but its schemas. */
type RoomApi<Policy> =
  typeof eventsOf extends keyof Policy
    ? Policy extends { readonly [eventsOf]?: infer Events } ? Contents<Events> : never
    : Policy extends { readonly events: infer Schemas } ? Contents<Schemas> : AnyEvents

type Contents<Events> = unknown extends Events ? AnyEvents : { -readonly [Event in keyof Events]: Infer<Events[Event]> }

type CallsApi<Calls> = CallsByName<Calls extends readonly unknown[] ? Calls[number] : Calls[keyof Calls]>

type CallsByName<Call> = {
  [Event in NameOf<Call>]: CallApi<Extract<Call, { readonly event: Event }>>
}

type NameOf<Call> = Call extends { readonly event: infer Event extends string } ? Event : never

/** Without a schema for it, the response is what the handler returns. */
type CallApi<Call> =
  Call extends { readonly schema: infer Schema, handler (...args: never[]): infer Result }
    ? {
        content: Schema extends { readonly content: infer Content } ? InferInput<Content> : unknown
        response: Schema extends { readonly response: infer Response } ? Infer<Response> : Awaited<Result>
      }
    : ApiCall
