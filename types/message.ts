import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { InferBy } from './provider.js'

/** A message a client published, before it is delivered and acknowledged. */
export interface RoomMessage<Event extends string = string, Content = unknown> {
  /** One of the policy's `events`, where it has any. */
  readonly event: Event
  /** Validated by the event's schema. Assign it to change what is delivered, stored and acknowledged. */
  content: Content
  /** Who published it: the server's knowledge, never the client's word. */
  readonly userId: string
  /** The idempotency key, where the client gave one. */
  readonly key?: string
}

/**
 * How a connection came to leave a room: its client asked to (`left`), it ended (`disconnected`), its user was taken out by
 * `removeUser` (`removed`), lost the right to be there on a renewal (`revoked`), or the room was closed (`closed`).
 */
export type LeaveReason = 'left' | 'disconnected' | 'removed' | 'revoked' | 'closed'

/** The messages of a room, told apart by `event`. */
export type MessageOf<Events, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> =
  unknown extends Events ? RoomMessage
    : { [Event in keyof Events & string]: RoomMessage<Event, InferBy<Provider, Events[Event]>> }[keyof Events & string]
