/* How an Api answers: which event may go where, with what content. Free of Fastify and Node types, as clients use it too. */

import type { AnyEvents } from './events.js'
import type { MatchPattern } from './pattern.js'

/** Is nothing known about this text? True for `string` and for branded strings, false for literals and templates. */
// eslint-disable-next-line @typescript-eslint/no-unused-vars -- two parts are what tells text with a known shape from any text
type IsOpaque<Text extends string> = Text extends `${infer First}${infer Rest}` ? false : true

/** What the compiler shows where a room id matches no pattern of the Api. */
export interface NoPatternMatchesThisRoomId {
  readonly 'no pattern matches this room id': never
}

/** Intersected with a room id: nothing if some pattern matches it, else what makes it an error. */
export type KnownRoom<Api, Id extends string> =
  Api extends { rooms: infer Rooms }
    ? string extends keyof Rooms ? unknown
      : Id extends unknown
        ? IsOpaque<Id> extends true ? unknown
          : [MatchPattern<Id, Rooms>] extends [never] ? NoPatternMatchesThisRoomId : unknown
        : never
    : unknown

/** The events of a room: a map from name to content. */
export type RoomEvents<Api, Id extends string> =
  Api extends { rooms: infer Rooms }
    ? string extends keyof Rooms ? AnyEvents
      : true extends IsOpaque<Id> ? AnyEvents
        : Rooms[MatchPattern<Id, Rooms> & keyof Rooms]
    : AnyEvents

/** The events sent to users directly: a map from name to content. */
export type DirectEvents<Api> = Api extends { direct: infer Events } ? Events : AnyEvents

/** The events sent to every connection: a map from name to content. */
export type BroadcastEvents<Api> = Api extends { broadcast: infer Events } ? Events : AnyEvents

/** The names of a map of events; of several maps, those they share. */
export type EventName<Events> = keyof Events & string

/** The content of an event; where it is in several maps, what suits them all. */
export type EventContent<Events, Event> =
  (Events extends unknown ? (content: Event extends keyof Events ? Events[Event] : unknown) => void : never) extends
  (content: infer Content) => void ? Content : never
