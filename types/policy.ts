import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { RoomContext } from './context.js'
import type { Duration } from './duration.js'
import type { EventMap, eventsOf } from './events.js'
import type { LeaveReason, MessageOf } from './message.js'
import type { RoomParams } from './pattern.js'
import type { HistoryOptions } from './retention.js'

/** How presence behaves in a room. */
export interface PresenceOptions {
  /**
   * How long a member whose connection dropped is still shown, so that a reconnect is not a leave and a join.
   * In milliseconds or as `'5s'`.
   * @default '5s'
   */
  grace?: Duration
}

/**
 * What holds in the rooms of one pattern. Whatever is not allowed here is refused.
 *
 * `Pattern` types the params, `Events` the content, `Provider` is the type provider of the instance that declares the room.
 * All three are inferred by `defineRooms` and `fastify.realtime.room`; left alone they are loose.
 */
export interface RoomPolicy<
  Pattern = string, Events = unknown, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault
> {
  /**
   * May this user join? Without it nobody may. Throwing refuses too: a refusal with its message, any other error as `internal`.
   * Runs again on a resume and on a renewal of the credential. With `onJoin` it has 10 s: a join that takes longer is answered
   * `unavailable`, and a member whose renewal does is out (`left`, `revoked`).
   */
  join? (ctx: RoomContext<RoomParams<Pattern>>): boolean | Promise<boolean>

  /**
   * Who may publish: every member, the server alone, or whom the function lets.
   * @default 'server'
   */
  publish?: 'members' | 'server' | PublishFunction<RoomContext<RoomParams<Pattern>>, MessageOf<Events, Provider>>

  /**
   * The events members may publish, each with the schema of its content; any other is answered `unknown_event`.
   * Without it every event is accepted, unchecked. `presence`, `typing`, `reset`, `left` and `error` are reserved.
   */
  events?: Events & EventMap

  /**
   * The log from which reconnecting members are served; `false` makes the room volatile: no positions, at most once.
   * @default { size: 100, ttl: '5m' }
   */
  history?: false | HistoryOptions

  /**
   * Keep track of who is in the room and tell members that ask for it.
   * @default false
   */
  presence?: boolean | PresenceOptions

  /**
   * May members say that they are typing?
   * @default false
   */
  typing?: boolean

  /**
   * Members a room may have; the next one is answered `limit_reached`. With `presence` it holds for the whole cluster; without,
   * each node counts its own users.
   * @default `limits.members`
   */
  members?: number

  /**
   * Before a join is acknowledged, after `join` allowed it. Throwing refuses; what it returns is ignored. Runs after the app-wide
   * hooks of this name; `onLeave` follows only where all of them went through.
   */
  onJoin? (ctx: RoomContext<RoomParams<Pattern>>): unknown

  /**
   * Before a message is delivered and acknowledged. Throwing refuses; assign `message.content` to change it. A message that takes
   * over 10 s to be checked is answered `unavailable` and not published, whatever comes of this later.
   */
  onMessage? (ctx: RoomContext<RoomParams<Pattern>>, message: MessageOf<Events, Provider>): unknown

  /** After a connection left, whatever the reason. The user may still be there with another one, or be back within the grace window. */
  onLeave? (ctx: RoomContext<RoomParams<Pattern>>, reason: LeaveReason): unknown

  /** Only a type: how `ApiOf` finds the events again. */
  readonly [eventsOf]?: Events
}

/**
 * Decides about one message. Declared as a method, so that the policy of a certain pattern is still a {@link RoomPolicy}.
 */
export type PublishFunction<Context, Message> = {
  publish (ctx: Context, message: Message): boolean | Promise<boolean>
}['publish']

/** Policies by pattern, as plain objects: nothing is inferred. Wrap them in `defineRooms` for that. */
export interface RoomMap {
  readonly [pattern: string]: RoomPolicy
}

/**
 * Typed policies by pattern, what `defineRooms` takes and returns. `Rooms` has the events of each pattern. It must not be
 * constrained any further: a Record here makes the checker give up on all rooms at once.
 */
export type DefinedRooms<Rooms, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> = {
  readonly [Pattern in keyof Rooms]: RoomPolicy<Pattern, Rooms[Pattern], Provider>
}
