import { BridgeError, roomChannel } from '../bridge/bridge.js'
import type { Bridge } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import { leftFrame } from '../protocol/encode.js'
import type { LeftReason } from '../protocol/frames.js'
import type { LeaveReason } from '../../types/message.js'
import { logError } from './answers.js'
import type { Channel } from './channel.js'
import type { Connection } from './connection.js'
import type { Connections } from './connections.js'
import type { Hooks } from './hooks.js'
import type { Hub } from './hub.js'
import { patiently } from './patience.js'
import type { PatternTable } from './pattern.js'
import { USER_ROOM_PREFIX } from './policy.js'
import type { Policy } from './policy.js'
import { Membership, Room, roomContext } from './room.js'
import type { MembershipOwner, RoomMatch } from './room.js'
import type { Timers } from './timers.js'
import { Typing } from './typing.js'

export interface RoomsOptions {
  readonly bridge: Bridge
  readonly hub: Hub<Room>
  readonly clock: Clock
  readonly timers: Timers
  readonly hooks: Hooks
  readonly connections: Connections
  readonly policies: PatternTable<Policy>
  /** What holds in a room `user:<userId>` for which no policy was declared. */
  readonly userRooms: Policy
}

/** Membership of this node's connections: who is in which room, how it begins and how it ends. */
export class Rooms implements MembershipOwner {
  readonly typing: Typing
  readonly #options: RoomsOptions
  #occupied = 0

  constructor (options: RoomsOptions) {
    this.#options = options
    this.typing = new Typing({ ...options, siblings: (membership) => this.#siblings(membership) })
  }

  /** Rooms that somebody on this node is in. */
  get occupied (): number {
    return this.#occupied
  }

  match (roomId: string): RoomMatch | null {
    const { policies, userRooms } = this.#options
    const match = policies.match(roomId)
    if (match !== null) return { ...match, roomId }
    const isUserRoom = roomId.startsWith(USER_ROOM_PREFIX) && roomId.length > USER_ROOM_PREFIX.length
    return isUserRoom ? { roomId, pattern: userRooms.pattern, params: {}, value: userRooms } : null
  }

  /** The room's channel, subscribed. Followed by {@link release} or by a membership that ends. */
  acquire (match: RoomMatch): Promise<Channel<Room>> {
    return this.#options.hub.acquire(roomChannel(match.roomId), match.value.presence !== null, () => new Room(match))
  }

  release (channel: Channel<Room>): void {
    this.#options.hub.release(channel.name)
  }

  /** What this node knows of a room, if somebody here is in it. */
  local (roomId: string): Channel<Room> | undefined {
    return this.#options.hub.get(roomChannel(roomId))
  }

  /** The connection's membership; a removal that is on its way to it comes first. */
  membership (connection: Connection, roomId: string): Membership | undefined {
    const membership = connection.memberships.get(roomId)
    if (membership === undefined || membership.current) return membership
    membership.channel.flushTo(membership)
    return membership.active ? membership : undefined
  }

  create (connection: Connection, channel: Channel<Room>, allowedAt: number): Membership {
    return new Membership(connection, channel, allowedAt, this)
  }

  /** Runs the app-wide and the room's own onJoin; throws what they throw. */
  async announceJoin (connection: Connection, match: RoomMatch): Promise<void> {
    for (const { server, fn } of this.#options.hooks.onJoin) await fn(roomContext(connection, match, server))
    await match.value.onJoin?.(roomContext(connection, match))
  }

  /** Makes the user present, where the room keeps that. False: it is full, and that goes for the whole cluster. */
  async attachPresence ({ connection, channel, room }: Membership): Promise<boolean> {
    if (room.mirror === null) return true
    return await this.#options.bridge.presenceAttach(channel.name, connection.userId, connection.id, room.policy.members)
  }

  /** Ends what {@link attachPresence} began, also while that is still under way; the bridge sees to it that the store learns of it. */
  detachPresence ({ connection, channel, room }: Membership, linger: number): void {
    if (room.mirror === null) return
    this.#options.bridge.presenceDetach(channel.name, connection.userId, connection.id, linger).catch((err: unknown) => {
      // Only a closed bridge refuses, and takes all of this node with it.
      if (!(err instanceof BridgeError)) connection.log.error({ err }, 'realtime presence could not be withdrawn')
    })
  }

  /** How long in ms a user stays present when the connection is gone, or came to nothing while it joined. */
  linger (connection: Connection, match: RoomMatch): number {
    return connection.farewell ? 0 : match.value.presence?.grace ?? 0
  }

  /**
   * Is there a place for this user, as far as this node knows? A user who is in with another device takes none. Without presence
   * nobody knows more, so the limit is one of each node; with it {@link attachPresence} decides, and this spares a full room
   * the hooks.
   */
  hasPlace (membership: Membership): boolean {
    const { room, userId } = membership
    const { members } = room.policy
    if (room.mirror !== null) return room.mirror.count < members || room.mirror.has(userId)
    return room.users < members || this.#siblings(membership).length > 0
  }

  /** The membership takes effect; its follower state is the caller's to settle in the same turn. */
  enter (membership: Membership): void {
    if (this.#siblings(membership).length === 0 && membership.room.users++ === 0) this.#occupied++
    membership.active = true
    membership.connection.memberships.set(membership.room.id, membership)
  }

  /**
   * Ends a membership for this node; with `linger` the user stays present for that many ms. All of it is done at once; the
   * promise is for whoever has to wait until the hooks are through.
   */
  leave (membership: Membership, reason: LeaveReason, linger: number): Promise<void> {
    if (!membership.active) return Promise.resolve()
    membership.active = false
    const { connection, channel, room } = membership
    connection.memberships.delete(room.id)
    channel.unfollow(membership)
    if (this.#siblings(membership).length === 0 && --room.users === 0) this.#occupied--
    this.typing.ended(membership)
    this.detachPresence(membership, linger)
    this.release(channel)
    return this.announceLeave(connection, room.match, reason)
  }

  /** Tells the client, then ends it: nothing of the room follows `left`. */
  expel (membership: Membership, reason: LeftReason): void {
    if (!membership.active) return
    membership.connection.sendText(leftFrame(membership.room.id, reason))
    void this.leave(membership, reason, 0)
  }

  removed (membership: Membership): void {
    const { connection, channel, room } = membership
    connection.log.info({ roomId: room.id, reason: channel.removalReason(membership.userId) }, 'realtime user removed from a room')
    this.expel(membership, 'removed')
  }

  /** Runs the app-wide and the room's own onLeave: each one, also when another throws. */
  async announceLeave (connection: Connection, match: RoomMatch, reason: LeaveReason): Promise<void> {
    for (const { server, fn } of this.#options.hooks.onLeave) {
      await leaving(connection, () => fn(roomContext(connection, match, server), reason))
    }
    const { onLeave } = match.value
    if (onLeave !== null) await leaving(connection, () => onLeave(roomContext(connection, match), reason))
  }

  /** New joins are refused while the bridge is down, even where this node could still seat them: nobody else would know. */
  get open (): boolean {
    return this.#options.bridge.status().state === 'up'
  }

  /**
   * Asks the policies of all rooms again, for a credential that was renewed; leaves those that say no. One that does not answer
   * in time says no: without its word nobody stays.
   */
  async reauthorize (connection: Connection): Promise<void> {
    const { timers } = this.#options
    await Promise.all([...connection.memberships.values()].map(async (membership) => {
      const { room, placed } = membership
      if (placed) return
      const allowed = await patiently(timers, connection, 'a renewal', this.allows(connection, room.match)).catch((err: unknown) => {
        logError(connection.log, err, 'realtime join policy failed on renewal')
        return false
      })
      if (!allowed) this.expel(membership, 'revoked')
    }))
  }

  /** Asks the policy; without one nobody may. Only `true` is a yes. */
  async allows (connection: Connection, match: RoomMatch): Promise<boolean> {
    const { join } = match.value
    return join !== null && await join(roomContext(connection, match)) === true
  }

  #siblings (membership: Membership): Membership[] {
    const siblings: Membership[] = []
    for (const connection of this.#options.connections.ofUser(membership.userId)) {
      if (connection === membership.connection) continue
      const sibling = connection.memberships.get(membership.room.id)
      if (sibling !== undefined) siblings.push(sibling)
    }
    return siblings
  }
}

async function leaving (connection: Connection, run: () => unknown): Promise<void> {
  try {
    await run()
  } catch (err) {
    logError(connection.log, err, 'realtime onLeave failed')
  }
}
