import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Clock } from '../clock.js'
import { decode } from '../protocol/decode.js'
import { closeCodes } from '../protocol/close-codes.js'
import { errorFrame, PING_FRAME } from '../protocol/encode.js'
import type { ErrorBody } from '../protocol/encode.js'
import type { ClientFrame } from '../protocol/frames.js'
import type { ConnectionContext } from '../../types/context.js'
import type { RealtimeUser } from '../../types/user.js'
import { errorBody, logError } from './answers.js'
import { createFrame } from './frame.js'
import type { Frame } from './frame.js'
import type { HeartbeatHandle, Peer } from './heartbeat.js'
import type { InboxFollower } from './inbox.js'
import { Lanes } from './lanes.js'
import { Outbox } from './outbox.js'
import type { Flusher, OutboxOptions } from './outbox.js'
import { TokenBucket } from './quota.js'
import type { Membership } from './room.js'
import type { TimerHandle } from './timers.js'
import type { Transport } from './transport.js'

/** Bad frames within {@link BAD_FRAME_WINDOW} that close a connection. */
const BAD_FRAMES = 10
const BAD_FRAME_WINDOW = 60_000

const PING = createFrame(PING_FRAME)

export interface RateLimit {
  readonly max: number
  /** In ms. */
  readonly timeWindow: number
}

export interface ConnectionLimits {
  /** Bytes of a frame. */
  readonly payload: number
  readonly depth: number
  readonly rooms: number
  readonly messages: RateLimit
  readonly joins: RateLimit
  readonly calls: number
  /** Bytes that may wait to be sent, and bytes of frames that may wait for the welcome. */
  readonly outbound: number
}

/** What a connection needs of its node. */
export interface ConnectionOwner {
  readonly clock: Clock
  readonly limits: ConnectionLimits
  readonly flusher: Flusher
  /** The budget all connections of a user share on this node. */
  userQuota (userId: string): TokenBucket
  dispatch (connection: Connection, frame: ClientFrame, bytes: number): void
  received (): void
  /** Called once, when the connection is over: everything it had is to be given back. */
  ended (connection: Connection, code: number, reason: string): void
}

export interface ConnectionInit {
  readonly id: string
  readonly user: RealtimeUser
  /** Epoch ms; `null`: the credential does not expire. */
  readonly expiresAt: number | null
  readonly transport: Transport
  /** Makes the logger that carries the connection's id; asked only when somebody logs. */
  readonly log: () => FastifyBaseLogger
}

/** The answer to one frame. */
export interface Answer {
  readonly id?: number
  readonly roomId?: string
  readonly key?: string
}

/**
 * One client: its identity, what it is in, and the two ends of its wire. It checks how much arrives and reads it; what frames
 * mean is for dispatch.
 */
export class Connection implements OutboxOptions, Peer {
  readonly id: string
  readonly connectedAt: number
  readonly transport: Transport
  readonly flusher: Flusher
  readonly limit: number
  /** Last sign of life, by the injected clock. */
  alive: number
  user: RealtimeUser
  /** Never changes, whatever a renewed credential says. */
  readonly userId: string
  expiresAt: number | null
  readonly memberships = new Map<string, Membership>()
  readonly lanes: Lanes
  readonly joins: TokenBucket
  inbox: InboxFollower | null = null
  /** Joins between their permission and their effect; they count toward the rooms. */
  joining = 0
  calls = 0
  resuming = false
  /** What onDisconnect pairs with. */
  announced = false
  /** Ended by a client that said goodbye; any other end may be followed by a return within the grace window. */
  farewell = false
  heartbeat: HeartbeatHandle | null = null
  expiry: TimerHandle | null = null
  readonly #owner: ConnectionOwner
  readonly #outbox: Outbox
  readonly #messages: TokenBucket
  readonly #makeLog: () => FastifyBaseLogger
  #log: FastifyBaseLogger | null = null
  /** When the latest were, one fewer than would close. */
  #badFrames: number[] | null = null
  #refusals: TokenBucket | null = null
  #pendingIds: Set<number> | null = null
  #state: 'opening' | 'open' | 'ended' = 'opening'
  /** What the server wants done as soon as the connection is let in. */
  #whenOpen: Array<() => void> | null = null
  /** Frames that arrived before the connection was open, in order. */
  #early: Array<{ readonly frame: ClientFrame, readonly bytes: number }> = []
  #earlyBytes = 0

  constructor (init: ConnectionInit, owner: ConnectionOwner) {
    const { clock, limits, flusher } = owner
    this.id = init.id
    this.user = init.user
    this.userId = init.user.id
    this.expiresAt = init.expiresAt
    this.transport = init.transport
    this.flusher = flusher
    this.limit = limits.outbound
    this.connectedAt = clock.wall()
    this.alive = clock.now()
    this.#owner = owner
    this.#makeLog = init.log
    this.#outbox = new Outbox(this)
    this.#messages = new TokenBucket(limits.messages.max, limits.messages.timeWindow)
    this.joins = new TokenBucket(limits.joins.max, limits.joins.timeWindow)
    this.lanes = new Lanes((err) => logError(this.log, err, 'realtime frame failed'))
  }

  get log (): FastifyBaseLogger {
    this.#log ??= this.#makeLog()
    return this.#log
  }

  get ended (): boolean {
    return this.#state === 'ended'
  }

  get outboundBytes (): number {
    return this.#outbox.bytes
  }

  context (server: FastifyInstance): ConnectionContext {
    const connection = this
    return {
      user: this.user,
      connectionId: this.id,
      server,
      get log () { return connection.log }
    }
  }

  // --- in ---

  /** A message from the socket. */
  receive (data: Buffer, binary: boolean): void {
    if (this.#state === 'ended') return
    this.#owner.received()
    this.alive = this.#owner.clock.now()
    if (data.length > this.#owner.limits.payload) {
      this.close(closeCodes.tooBig.code, 'frame too large')
      return
    }
    const wait = this.#quota()
    if (binary) {
      if (wait > 0) return this.#overQuota({}, wait)
      this.#misbehaved({ code: 'bad_frame', message: 'binary messages are not part of this protocol' }, undefined, true)
      return
    }
    const decoded = decode(data.toString(), this.#owner.limits)
    const id = decoded.ok ? decoded.frame.id : decoded.id
    // Whatever is to be said about such a frame, under its id another one is answered.
    const reused = id !== undefined && this.#pendingIds?.has(id) === true
    if (wait > 0 && !(decoded.ok && this.#onlyLeaves(decoded.frame))) {
      this.#overQuota(reused ? {} : decoded.ok ? decoded.frame : { id }, wait)
    } else if (reused) {
      this.#misbehaved({ code: 'bad_frame', message: 'id is in use by a pending frame' }, undefined, decoded.ok || decoded.counts)
    } else if (decoded.ok) {
      this.#accept(decoded.frame, data.length)
    } else {
      this.#misbehaved({ code: decoded.code, message: decoded.message }, id, decoded.counts)
    }
  }

  /** A sign of life that is not a message. */
  pong (): void {
    this.alive = this.#owner.clock.now()
  }

  /** Everything that had to come first has: welcome is queued, and early frames take effect now. */
  opened (): void {
    if (this.#state !== 'opening') return
    this.#state = 'open'
    const tasks = this.#whenOpen ?? []
    const early = this.#early
    this.#whenOpen = null
    this.#early = []
    this.#earlyBytes = 0
    for (const task of tasks) task()
    for (const { frame, bytes } of early) {
      if (this.ended) return
      this.#owner.dispatch(this, frame, bytes)
    }
  }

  /** Has `task` run behind the welcome, ahead of the client's own frames; never if it is refused. False: it is past that. */
  whenOpen (task: () => void): boolean {
    if (this.#state !== 'opening') return false
    this.#whenOpen ??= []
    this.#whenOpen.push(task)
    return true
  }

  /** Refused, it would leave work here instead of saving any; and every membership that it can end was paid for by its join. */
  #onlyLeaves (frame: ClientFrame): boolean {
    return frame.type === 'leave' && (this.memberships.has(frame.roomId) || this.lanes.busy(frame.roomId))
  }

  #quota (): number {
    const now = this.#owner.clock.now()
    const own = this.#messages.take(now)
    return own > 0 ? own : this.#owner.userQuota(this.userId).take(now)
  }

  #accept (frame: ClientFrame, bytes: number): void {
    if (frame.id !== undefined) {
      this.#pendingIds ??= new Set()
      this.#pendingIds.add(frame.id)
    }
    const { messages, outbound } = this.#owner.limits
    if (this.#state === 'opening') {
      if (this.#early.length >= messages.max || this.#earlyBytes + bytes > outbound) return this.#tooManyWaiting(frame)
      this.#earlyBytes += bytes
      this.#early.push({ frame, bytes })
    } else if (this.lanes.waiting >= messages.max || this.lanes.waitingBytes + bytes > outbound) {
      this.#tooManyWaiting(frame)
    } else {
      this.#owner.dispatch(this, frame, bytes)
    }
  }

  #tooManyWaiting (frame: ClientFrame): void {
    this.fail(frame, { code: 'limit_reached', message: 'too many frames wait for their turn', retryable: true })
  }

  #overQuota ({ id, roomId, key }: Answer, retryAfter: number): void {
    this.#sendError({ id, roomId, key }, { code: 'rate_limited', retryAfter: Math.ceil(retryAfter) })
    // Being refused is not an offence; going on at full speed all the same is.
    const { max, timeWindow } = this.#owner.limits.messages
    this.#refusals ??= new TokenBucket(max, timeWindow)
    if (this.#refusals.take(this.#owner.clock.now()) > 0) this.close(closeCodes.flooding.code, 'flooding')
  }

  #misbehaved (body: ErrorBody, id: number | undefined, counts: boolean): void {
    this.#sendError({ id }, body)
    if (!counts) return
    const now = this.#owner.clock.now()
    this.#badFrames ??= []
    const before = this.#badFrames.length < BAD_FRAMES - 1 ? -Infinity : this.#badFrames.shift() ?? -Infinity
    this.#badFrames.push(now)
    if (now - before <= BAD_FRAME_WINDOW) this.close(closeCodes.violations.code, 'repeated bad frames')
  }

  // --- out ---

  send (frame: Frame): void {
    this.#outbox.push(frame)
  }

  sendText (text: string): void {
    this.#outbox.push(createFrame(text))
  }

  /** Answers a frame; without an id it wanted no ack. */
  ack (frame: Answer, text: (id: number) => string): void {
    if (frame.id === undefined) return
    this.#pendingIds?.delete(frame.id)
    this.sendText(text(frame.id))
  }

  /** Answers a frame with an error; those go out also without an id. */
  fail (frame: Answer, body: ErrorBody): void {
    if (frame.id !== undefined) this.#pendingIds?.delete(frame.id)
    this.#sendError({ id: frame.id, roomId: frame.roomId, key: frame.key }, body)
  }

  /** As {@link fail}, for whatever was thrown. */
  failWith (frame: Answer, err: unknown): void {
    this.fail(frame, this.describe(err))
  }

  describe (err: unknown): ErrorBody {
    return errorBody(err, this.log)
  }

  #sendError (fields: Answer, body: ErrorBody): void {
    this.sendText(errorFrame({ ...fields, ...body }))
  }

  drained (): void {
    this.#outbox.drained()
  }

  beat (): void {
    this.transport.ping()
    this.send(PING)
  }

  // --- the end ---

  expire (): void {
    this.close(closeCodes.heartbeatMissed.code, 'heartbeat missed')
    // Nobody is there to answer a close frame: the socket is not kept for that.
    this.transport.terminate()
  }

  onOverflow (): void {
    this.close(closeCodes.tooSlow.code, 'too slow')
  }

  /** Closes the socket after what is queued, and gives back everything at once, however long the peer takes to answer. */
  close (code: number, reason: string): void {
    if (this.#state === 'ended') return
    this.#outbox.flush()
    this.transport.close(code, reason)
    this.closed(code, reason)
  }

  /** The socket is gone. Called as often as anybody notices; counts once. */
  closed (code: number, reason: string): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.farewell = code === 1000 && reason !== 'goaway'
    this.#early = []
    this.#pendingIds = null
    this.#outbox.close()
    this.lanes.drop()
    this.#owner.ended(this, code, reason)
  }
}
