import type { ChannelEvent, PresenceSnapshot } from '../bridge/bridge.js'
import { presenceFrame, resetFrame, typingFrame } from '../protocol/encode.js'
import type { GapReason } from '../protocol/frames.js'
import { formatPosition } from '../protocol/position.js'
import type { Position } from '../protocol/position.js'
import type { RoomContext } from '../../types/context.js'
import type { Channel, ChannelView, Follower, MemberFrame } from './channel.js'
import type { Connection } from './connection.js'
import { createFrame } from './frame.js'
import type { Frame } from './frame.js'
import type { PatternMatch } from './pattern.js'
import { USER_ROOM_PREFIX } from './policy.js'
import type { Policy } from './policy.js'
import { PresenceMirror } from './presence.js'
import type { TimerHandle } from './timers.js'

/** A room id with the policy that holds there. */
export interface RoomMatch extends PatternMatch<Policy> {
  readonly roomId: string
}

/** What this node knows of a room that somebody here is in. */
export class Room implements ChannelView {
  readonly id: string
  readonly match: RoomMatch
  /** Only where the policy asks for presence. */
  readonly mirror: PresenceMirror | null
  /** Users of this node who are in the room. */
  users = 0
  /** Keyed messages between the look-up of their key and their publication: a repetition waits for the first. */
  readonly inFlight = new Map<string, Promise<void>>()

  constructor (match: RoomMatch) {
    this.id = match.roomId
    this.match = match
    this.mirror = match.value.presence === null ? null : new PresenceMirror()
  }

  get policy (): Policy {
    return this.match.value
  }

  message (payload: Buffer, volatile: boolean): Frame {
    return createFrame(payload, volatile)
  }

  typing (userId: string, typing: boolean): Frame {
    return createFrame(typingFrame(this.id, userId, typing), true)
  }

  reset (reason: GapReason, position: Position): Frame {
    return createFrame(resetFrame({ roomId: this.id, reason, position: formatPosition(position) }))
  }

  onPresence (event: Extract<ChannelEvent, { type: 'presence' }>): Frame | null {
    const announced = this.mirror?.apply(event) ?? null
    if (announced === null) return null
    return createFrame(presenceFrame(this.id, announced.change, announced.member, event.timestamp))
  }

  onPresenceSnapshot (snapshot: PresenceSnapshot, timestamp: number): MemberFrame[] {
    const announced = this.mirror?.replace(snapshot) ?? []
    return announced.map(({ change, member }) => ({
      userId: member.userId,
      frame: createFrame(presenceFrame(this.id, change, member, timestamp))
    }))
  }
}

/** May members publish here at all? A user's own room never takes messages from clients, whatever its policy says. */
export function isServerOnly (match: RoomMatch): boolean {
  return match.value.publish === 'server' || match.roomId.startsWith(USER_ROOM_PREFIX)
}

/** What is said when a membership ends. */
export interface MembershipOwner {
  removed (membership: Membership): void
}

/** One connection in one room. */
export class Membership implements Follower {
  readonly connection: Connection
  readonly channel: Channel<Room>
  readonly #owner: MembershipOwner
  /** When (by the injected clock) the policy was asked that let it in: a later removal undoes that. */
  readonly allowedAt: number
  since = 0
  skip = 0
  ahead: Position | null = null
  live = false
  presence = false
  /** False once left: what was under way for the membership must not take effect any more. */
  active = false
  /** The server put it here, for as long as the connection lasts: no policy was asked, and none takes it back. */
  placed = false
  /** Set while its user types here. */
  typing: { relayedAt: number, deadline: TimerHandle } | null = null

  constructor (connection: Connection, channel: Channel<Room>, allowedAt: number, owner: MembershipOwner) {
    this.connection = connection
    this.channel = channel
    this.allowedAt = allowedAt
    this.#owner = owner
  }

  get room (): Room {
    return this.channel.view
  }

  get userId (): string {
    return this.connection.userId
  }

  /** Still a member, and no removal has arrived that is merely on its way to this one. */
  get current (): boolean {
    return this.active && !this.channel.removedSince(this.userId, this.allowedAt)
  }

  send (frame: Frame): void {
    this.connection.send(frame)
  }

  removed (): void {
    this.#owner.removed(this)
  }
}

/** The context a room's policy and callbacks get. */
export function roomContext (connection: Connection, match: RoomMatch, server = match.value.server): RoomContext {
  return {
    user: connection.user,
    connectionId: connection.id,
    server,
    get log () { return connection.log },
    roomId: match.roomId,
    pattern: match.pattern,
    params: match.params
  }
}
