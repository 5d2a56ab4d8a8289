import { BridgeError } from '../bridge/bridge.js'
import type { Bridge } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import { joinedFrame } from '../protocol/encode.js'
import type { ErrorBody, JoinAnswer, ResumedRoom } from '../protocol/encode.js'
import type { ResumeRoom } from '../protocol/frames.js'
import type { RealtimeUser } from '../../types/user.js'
import { answerBudget, readBacklog, settle } from './catch-up.js'
import type { AnswerBudget, Backlog } from './catch-up.js'
import type { Channel } from './channel.js'
import type { Connection } from './connection.js'
import { patiently } from './patience.js'
import type { Membership, Room, RoomMatch } from './room.js'
import type { Rooms } from './rooms.js'
import type { Timers } from './timers.js'

export interface JoinerOptions {
  readonly bridge: Bridge
  readonly clock: Clock
  readonly timers: Timers
  readonly rooms: Rooms
  /** Rooms a connection may be in. */
  readonly maxRooms: number
}

const FULL: ErrorBody = { code: 'limit_reached', message: 'the room is full' }

/** A join that may take effect: in one turn, together with the answer that announces it. */
export interface PreparedJoin {
  complete (budget: AnswerBudget): ResumedRoom
  /** Instead of `complete`. */
  abandon (): void
}

/**
 * Joins, in two steps: everything that takes time first (policy, subscription, log, hooks, presence), then, in the turn in
 * which the answer is queued, the membership itself. Nothing of the room can get in between.
 */
export class Joiner {
  readonly #options: JoinerOptions

  constructor (options: JoinerOptions) {
    this.#options = options
  }

  /** Never rejects: what goes wrong is what `complete` answers. */
  async prepare (connection: Connection, request: ResumeRoom): Promise<PreparedJoin> {
    const { clock, rooms, maxRooms } = this.#options
    // Its turn came after the connection's end: no policy need be bothered.
    if (connection.ended) return refused(request, { code: 'unavailable' })
    const wait = connection.joins.take(clock.now())
    if (wait > 0) return refused(request, { code: 'rate_limited', retryAfter: Math.ceil(wait) })

    const present = rooms.membership(connection, request.roomId)
    if (present !== undefined) return await this.#rejoin(connection, present, request)

    const match = rooms.match(request.roomId)
    if (match === null) return refused(request, { code: 'forbidden' })
    if (connection.memberships.size + connection.joining >= maxRooms) {
      return refused(request, { code: 'limit_reached', message: 'too many rooms for one connection' })
    }
    if (!rooms.open) return refused(request, { code: 'unavailable' })

    const attempt = new Attempt(connection, match, request, this.#options, null)
    try {
      await patiently(this.#options.timers, connection, 'a join', attempt.run())
      return attempt
    } catch (err) {
      attempt.abandon()
      return refused(request, failure(connection, err))
    }
  }

  /**
   * The server puts a connection into a room: no policy is asked, everything else is as in a join. False: it is gone, was removed
   * meanwhile, or the room is full.
   * @param decidedAt - when the server decided it: a later removal counts
   * @throws what a hook threw, {@link BridgeError}
   */
  async place (connection: Connection, match: RoomMatch, decidedAt: number): Promise<boolean> {
    const { rooms, timers } = this.#options
    if (connection.ended) return false
    if (rooms.membership(connection, match.roomId) !== undefined) return true
    if (!rooms.open) throw new BridgeError('unavailable', 'the bridge is down')
    const attempt = new Attempt(connection, match, { roomId: match.roomId, presence: true }, this.#options, decidedAt)
    try {
      await patiently(timers, connection, 'joinUser', attempt.run())
    } catch (err) {
      attempt.abandon()
      throw err
    }
    const joined = attempt.complete(answerBudget())
    if ('error' in joined) return false
    connection.sendText(joinedFrame(joined))
    return true
  }

  /** A member that joins again reads on, or only wants to be told where it is. */
  async #rejoin (connection: Connection, membership: Membership, request: ResumeRoom): Promise<PreparedJoin> {
    const { channel, room } = membership
    const wanted = wantedOf(room.match, request)
    const wasLive = membership.live
    if (wasLive) channel.flushTo(membership)
    if (wanted.since !== undefined || wanted.last !== undefined) membership.live = false
    channel.beginRead()
    try {
      const backlog = await readBacklog(this.#options.bridge, channel, wanted)
      return {
        complete: (budget) => {
          channel.flushTo(membership)
          channel.endRead()
          if (!membership.active) return { roomId: room.id, error: { code: 'forbidden' } }
          return answer(membership, request, backlog, budget)
        },
        abandon: () => channel.endRead()
      }
    } catch (err) {
      channel.endRead()
      if (wasLive) this.#resetLive(membership)
      return refused(request, failure(connection, err))
    }
  }

  /** A live member whose re-read failed goes on, and is told that it may have missed something meanwhile. */
  #resetLive (membership: Membership): void {
    const { channel, room } = membership
    if (!membership.active) return
    channel.flushTo(membership)
    if (!membership.active) return
    membership.live = true
    membership.send(room.reset('expired', channel.head))
  }
}

/** A first join. It counts toward the connection's rooms from its beginning until `complete` or `abandon`. */
class Attempt implements PreparedJoin {
  readonly #connection: Connection
  readonly #match: RoomMatch
  readonly #request: ResumeRoom
  readonly #options: JoinerOptions
  /** Set where the server decided, whom no policy stands in the way of. */
  readonly #decidedAt: number | null
  #error: ErrorBody | null = null
  #channel: Channel<Room> | null = null
  #membership: Membership | null = null
  #backlog: Backlog | null = null
  /** For whom the policy was asked. */
  #user: RealtimeUser | null = null
  #announced = false
  #over = false

  constructor (connection: Connection, match: RoomMatch, request: ResumeRoom, options: JoinerOptions, decidedAt: number | null) {
    this.#connection = connection
    this.#match = match
    this.#request = request
    this.#options = options
    this.#decidedAt = decidedAt
    connection.joining++
  }

  async run (): Promise<void> {
    const { rooms, clock, bridge } = this.#options
    const allowedAt = this.#decidedAt ?? clock.now()
    this.#user = this.#connection.user
    if (this.#decidedAt === null && !await rooms.allows(this.#connection, this.#match)) {
      this.#error = { code: 'forbidden' }
      return
    }
    if (this.#done()) return
    const channel = await rooms.acquire(this.#match)
    if (this.#done()) {
      rooms.release(channel)
      return
    }
    this.#channel = channel
    channel.beginRead()
    const membership = rooms.create(this.#connection, channel, allowedAt)
    if (!rooms.hasPlace(membership)) {
      this.#error = FULL
      return
    }
    this.#backlog = await readBacklog(bridge, channel, wantedOf(this.#match, this.#request))
    if (this.#done()) return
    await rooms.announceJoin(this.#connection, this.#match)
    if (this.#done()) {
      void rooms.announceLeave(this.#connection, this.#match, 'closed')
      return
    }
    this.#announced = true
    this.#membership = membership
    if (!await rooms.attachPresence(membership)) this.#error = FULL
  }

  complete (budget: AnswerBudget): ResumedRoom {
    const { roomId } = this.#request
    const channel = this.#channel
    const membership = this.#membership
    if (this.#error !== null) return this.#refuse(this.#error)
    if (channel === null || membership === null || this.#done()) {
      this.abandon()
      return { roomId, error: { code: 'unavailable' } }
    }
    if (channel.removedSince(membership.userId, membership.allowedAt)) return this.#refuse({ code: 'forbidden' })
    if (this.#decidedAt === null && this.#connection.user !== this.#user) {
      this.abandon()
      return { roomId, error: { code: 'unavailable', message: 'the credential was renewed meanwhile' } }
    }
    if (!this.#options.rooms.hasPlace(membership)) return this.#refuse(FULL)
    this.#end()
    membership.placed = this.#decidedAt !== null
    this.#options.rooms.enter(membership)
    const joined = answer(membership, this.#request, this.#backlog, budget)
    channel.endRead()
    return joined
  }

  /** The connection may come back, and the user may be in its grace window from an earlier one: that is not to be cut short. */
  abandon (): void {
    this.#withdraw(this.#options.rooms.linger(this.#connection, this.#match))
  }

  #refuse (error: ErrorBody): ResumedRoom {
    this.#withdraw(0)
    return { roomId: this.#request.roomId, error }
  }

  #withdraw (linger: number): void {
    if (this.#over) return
    this.#end()
    const { rooms } = this.#options
    if (this.#membership !== null) rooms.detachPresence(this.#membership, linger)
    if (this.#channel !== null) {
      this.#channel.endRead()
      rooms.release(this.#channel)
    }
    if (this.#announced) void rooms.announceLeave(this.#connection, this.#match, 'closed')
  }

  #end (): void {
    this.#over = true
    this.#connection.joining--
  }

  #done (): boolean {
    return this.#over || this.#connection.ended
  }
}

function wantedOf (match: RoomMatch, request: ResumeRoom): { since?: string, last?: number } {
  const { retention } = match.value
  if (retention === null) return {}
  const { since, history } = request
  return { since, last: history === undefined ? undefined : Math.min(history, retention.size) }
}

/** Follows, and says from where. */
function answer (membership: Membership, request: ResumeRoom, backlog: Backlog | null, budget: AnswerBudget): JoinAnswer {
  const { channel, room } = membership
  membership.presence = request.presence && room.mirror !== null
  const recovery = settle(channel, membership, backlog, budget)
  return {
    roomId: room.id,
    ...(room.policy.retention === null ? {} : recovery),
    ...(membership.presence && room.mirror !== null ? { presence: room.mirror.page(undefined, budget) } : {})
  }
}

/**
 * A join may be tried again whatever went wrong, other than being refused: it does nothing twice, and what an application's database
 * could not say for a moment must not end the room at the client for good.
 */
function failure (connection: Connection, err: unknown): ErrorBody {
  const body = connection.describe(err)
  return body.code === 'internal' ? { ...body, retryable: true } : body
}

/** A join that came to nothing. */
export function refused ({ roomId }: ResumeRoom, error: ErrorBody): PreparedJoin {
  return { complete: () => ({ roomId, error }), abandon: () => {} }
}
