import type { FastifyBaseLogger } from 'fastify'
import { BridgeError } from '../bridge/bridge.js'
import type { Bridge, BridgeStatus } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import { closeCodes } from '../protocol/close-codes.js'
import { welcomeFrame } from '../protocol/encode.js'
import { formatPosition } from '../protocol/position.js'
import type { RealtimeUser } from '../../types/user.js'
import { logError } from './answers.js'
import { Calls } from './calls.js'
import { renewConnection } from './cluster.js'
import { Commands } from './commands.js'
import type { NodeCounts, RenewOutcome } from './commands.js'
import { Connection } from './connection.js'
import type { ConnectionInit, ConnectionLimits, ConnectionOwner, RateLimit } from './connection.js'
import { Connections } from './connections.js'
import { Dispatcher } from './dispatch.js'
import { Drain } from './drain.js'
import type { DrainOptions } from './drain.js'
import { Expiry } from './expiry.js'
import { FanOut, FanOutScheduler } from './fan-out.js'
import { createFrame } from './frame.js'
import type { Frame } from './frame.js'
import { Heartbeat } from './heartbeat.js'
import { Hooks } from './hooks.js'
import { Hub } from './hub.js'
import { Inboxes } from './inbox.js'
import type { Inbox } from './inbox.js'
import { Joiner } from './join.js'
import { Flusher } from './outbox.js'
import { PatternTable } from './pattern.js'
import type { Policy } from './policy.js'
import { Publisher } from './publish.js'
import type { TokenBucket } from './quota.js'
import { Receipts } from './receipts.js'
import { Resumer } from './resume.js'
import type { Room } from './room.js'
import { Rooms } from './rooms.js'
import { Timers } from './timers.js'
import { UserQuotas } from './user-quotas.js'

export interface NodeOptions {
  readonly bridge: Bridge
  readonly clock: Clock
  readonly log: FastifyBaseLogger
  readonly limits: ConnectionLimits & {
    readonly connectionsPerUser: number
    readonly messagesPerUser: RateLimit
  }
  readonly heartbeat: { readonly interval: number, readonly timeout: number }
  readonly drain: DrainOptions
  /** How long a key is remembered, in ms. */
  readonly keyTtl: number
  /** What holds in a room `user:<userId>` for which no policy was declared. */
  readonly userRooms: Policy
}

/** One node: its parts put together, and a connection's way from the handshake to its end. */
export class RealtimeNode implements ConnectionOwner {
  readonly bridge: Bridge
  readonly clock: Clock
  readonly limits: NodeOptions['limits']
  readonly flusher = new Flusher()
  readonly hooks = new Hooks()
  readonly connections = new Connections()
  readonly policies = new PatternTable<Policy>()
  readonly rooms: Rooms
  readonly publisher: Publisher
  readonly calls: Calls
  readonly receipts: Receipts
  readonly drain: Drain
  readonly #options: NodeOptions
  readonly #timers: Timers
  readonly #heartbeat: Heartbeat
  readonly #expiry: Expiry
  readonly #inboxes: Inboxes
  readonly #roomHub: Hub<Room>
  readonly #dispatcher: Dispatcher
  readonly #commands: Commands
  readonly #everyone: FanOut<Connection, Frame>
  readonly #userQuotas: UserQuotas
  #messagesIn = 0

  constructor (options: NodeOptions) {
    const { bridge, clock, limits, log } = options
    const { hooks, connections, policies } = this
    const onError = (err: unknown, what: string): void => logError(log, err, `realtime: ${what}`)
    const timers = new Timers(clock, undefined, (err) => onError(err, 'timer failed'))
    const scheduler = new FanOutScheduler((err) => onError(err, 'delivery failed'))

    this.#options = options
    this.bridge = bridge
    this.clock = clock
    this.limits = limits
    this.#timers = timers
    this.#heartbeat = new Heartbeat({ timers, clock, ...options.heartbeat })
    this.#expiry = new Expiry(clock, timers)
    this.#userQuotas = new UserQuotas({ clock, timers, ...limits.messagesPerUser })
    this.drain = new Drain(connections, clock, timers, options.drain)
    this.#everyone = new FanOut(scheduler, (connection, frames) => {
      for (const frame of frames) connection.send(frame)
    }, {
      bytes: ({ size }) => size,
      // Volatile, so the newer half does.
      shorten: (frames) => frames.slice(frames.length >> 1)
    })

    this.#roomHub = new Hub<Room>({ bridge, scheduler, timers, clock, onError })
    this.rooms = new Rooms({ bridge, hub: this.#roomHub, clock, timers, hooks, connections, policies, userRooms: options.userRooms })
    this.receipts = new Receipts({ timers, connections })
    this.#inboxes = new Inboxes({ bridge, hub: new Hub<Inbox>({ bridge, scheduler, timers, clock, onError }), timers, receipts: this.receipts })
    this.publisher = new Publisher({ bridge, timers, hooks, rooms: this.rooms, depth: limits.depth, keyTtl: options.keyTtl })
    this.calls = new Calls(this.publisher.contentLimits, limits.calls)
    const joiner = new Joiner({ bridge, clock, timers, rooms: this.rooms, maxRooms: limits.rooms })
    this.#dispatcher = new Dispatcher({
      bridge,
      rooms: this.rooms,
      joiner,
      publisher: this.publisher,
      resumer: new Resumer({ joiner, timers, inboxes: this.#inboxes, maxRooms: limits.rooms }),
      inboxes: this.#inboxes,
      receipts: this.receipts,
      calls: this.calls,
      timers
    })
    this.#commands = new Commands({
      nodeId: bridge.nodeId,
      clock,
      connections,
      rooms: this.rooms,
      joiner,
      receipts: this.receipts,
      counts: () => this.counts(),
      roomIds: () => this.#roomIds(),
      renewed: (connection, user, expiresAt) => this.#renewed(connection, user, expiresAt)
    })
  }

  async start (): Promise<void> {
    const { log } = this.#options
    await this.bridge.start({
      onBroadcast: (payload) => this.#everyone.push(createFrame(payload, true)),
      onControl: (command, age) => this.#commands.carryOut(command, age),
      onAsk: (query) => this.#commands.answer(query),
      onStatus: (status: BridgeStatus) => log.warn({ bridge: status }, 'realtime: the bridge changed its state'),
      onError: (err) => logError(log, err, 'realtime: delivery failed')
    })
  }

  /** Sends everybody away; resolves when no socket is left. */
  async stop (): Promise<void> {
    await this.drain.start()
  }

  async close (): Promise<void> {
    this.flusher.close()
    this.#timers.close()
    await this.bridge.close()
  }

  counts (): NodeCounts {
    return {
      activeConnections: this.connections.size,
      messagesIn: this.#messagesIn,
      messagesOut: this.flusher.messagesOut,
      envelopesDropped: this.bridge.dropped(),
      users: this.connections.users,
      rooms: this.rooms.occupied
    }
  }

  // --- a connection's life ---

  /**
   * Takes over a socket that passed the handshake. The caller feeds `receive`, `pong`, `drained` and `closed` from now on, and
   * calls {@link gone} when the socket has closed.
   */
  accept (init: ConnectionInit): Connection {
    const connection = new Connection(init, this)
    this.connections.add(connection)
    connection.heartbeat = this.#heartbeat.add(connection)
    this.#expiry.watch(connection)
    this.drain.opened(connection)
    if (connection.ended) return connection
    this.#open(connection).catch((err: unknown) => this.#refuse(connection, err))
    return connection
  }

  gone (connection: Connection): void {
    this.drain.closed(connection)
  }

  async #open (connection: Connection): Promise<void> {
    await this.#inboxes.open(connection)
    if (connection.ended) return
    connection.announced = true
    for (const { server, fn } of this.hooks.onConnect) {
      await fn(connection.context(server))
      if (connection.ended) return
    }
    await this.#limitUser(connection)
    const { inbox } = connection
    if (connection.ended || inbox === null) return
    this.#everyone.receivers.add(connection)
    const { limits } = this
    connection.sendText(welcomeFrame({
      connectionId: connection.id,
      userId: connection.userId,
      heartbeat: this.#options.heartbeat.interval,
      expiresAt: connection.expiresAt ?? undefined,
      inbox: formatPosition(inbox.welcome),
      limits: {
        maxPayload: limits.payload,
        rooms: limits.rooms,
        messages: { max: limits.messages.max, window: limits.messages.timeWindow },
        joins: { max: limits.joins.max, window: limits.joins.timeWindow },
        keyTtl: this.#options.keyTtl
      }
    }))
    this.#inboxes.hold(inbox)
    connection.opened()
  }

  /** Only a connection that was let in, and is still there, may cost the user's oldest one its place. */
  async #limitUser (connection: Connection): Promise<void> {
    const evicted = await this.bridge.userConnect(connection.userId, connection.id, this.limits.connectionsPerUser)
    if (connection.ended || evicted.length === 0) return
    // Not waited for: the newcomer is in whatever becomes of the others, and what is lost the next one asks for again.
    this.bridge.control({ type: 'evict', connectionIds: evicted }, 5_000)
      .catch((err: unknown) => connection.log.warn({ err }, 'realtime connections over the limit could not be closed'))
  }

  #refuse (connection: Connection, err: unknown): void {
    if (connection.ended) return
    if (err instanceof BridgeError) {
      connection.log.warn({ err }, 'realtime connection refused: the bridge is not available')
      connection.close(closeCodes.overloaded.code, 'temporarily unavailable')
      return
    }
    const { code, message } = connection.describe(err)
    if (code === 'refused') connection.close(closeCodes.accessWithdrawn.code, message ?? 'refused')
    else connection.close(1011, 'internal error')
  }

  /**
   * Hands a new credential to a connection, wherever it is. Elsewhere the user is what JSON leaves of it; here it is the very
   * object, as after a handshake.
   * @throws {BridgeError} also when only nodes that did not answer can have it
   */
  async renew (connectionId: string, user: RealtimeUser, expiresAt: number | null): Promise<RenewOutcome | 'not-found'> {
    return await this.#commands.renew(connectionId, user, expiresAt) ??
      await renewConnection(this.bridge, connectionId, JSON.parse(JSON.stringify(user)), expiresAt)
  }

  // --- what a connection asks of its node ---

  /** Users with a quota at the moment. */
  get userQuotas (): number {
    return this.#userQuotas.size
  }

  userQuota (userId: string): TokenBucket {
    return this.#userQuotas.of(userId)
  }

  dispatch (...args: Parameters<Dispatcher['dispatch']>): void {
    this.#dispatcher.dispatch(...args)
  }

  received (): void {
    this.#messagesIn++
  }

  ended (connection: Connection, code: number, reason: string): void {
    if (connection.heartbeat !== null) this.#heartbeat.remove(connection.heartbeat)
    this.#expiry.forget(connection)
    this.#everyone.receivers.delete(connection)
    this.#inboxes.close(connection)
    for (const membership of [...connection.memberships.values()]) {
      void this.rooms.leave(membership, 'disconnected', this.rooms.linger(connection, membership.room.match))
    }
    this.connections.remove(connection)
    this.receipts.lost(connection.userId, connection.id)
    if (!this.connections.hasUser(connection.userId)) this.#userQuotas.left(connection.userId)
    this.bridge.userDisconnect(connection.userId, connection.id).catch((err: unknown) => {
      // It waits for the store where it has to. Only a closed bridge refuses, and takes all of this node with it.
      if (!(err instanceof BridgeError)) connection.log.error({ err }, 'realtime connection could not be signed off')
    })
    if (connection.announced) void this.#announceDisconnect(connection, { code, reason })
  }

  async #announceDisconnect (connection: Connection, reason: { code: number, reason: string }): Promise<void> {
    for (const { server, fn } of this.hooks.onDisconnect) {
      try {
        await fn(connection.context(server), reason)
      } catch (err) {
        logError(connection.log, err, 'realtime onDisconnect failed')
      }
    }
  }

  async #renewed (connection: Connection, user: RealtimeUser, expiresAt: number | null): Promise<void> {
    connection.user = user
    connection.expiresAt = expiresAt
    this.#expiry.watch(connection)
    await this.rooms.reauthorize(connection)
  }

  * #roomIds (): Iterable<string> {
    for (const channel of this.#roomHub.channels()) {
      if (channel.size > 0) yield channel.view.id
    }
  }
}
