import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import type { Connection } from '../../lib/core/connection.js'
import { RealtimeNode } from '../../lib/core/node.js'
import type { Transport } from '../../lib/core/transport.js'
import { declareRoom, userRoomPolicy } from '../../lib/declare.js'
import { resolveOptions } from '../../lib/options.js'
import type { RealtimeOptions } from '../../types/options.js'
import { Peer } from './client.js'
import { createFakeClock } from './clock.js'
import type { FakeClock } from './clock.js'
import { SECRET } from './server.js'
import { slowBridge } from './slow-bridge.js'
import type { SlowBridge } from './slow-bridge.js'

export interface TestNodeOptions extends Pick<RealtimeOptions, 'limits' | 'heartbeat' | 'drain' | 'idempotency' | 'rooms'> {
  /** What the bridge does otherwise than the one of a single process. */
  readonly bridge?: (bridge: Bridge) => Bridge
}

export interface TestConnectionInit {
  readonly id?: string
  readonly expiresAt?: number | null
}

export interface TestNode {
  readonly node: RealtimeNode
  readonly bridge: SlowBridge
  readonly clock: FakeClock
  readonly server: FastifyInstance
  /** A connection whose other end is in the test's hands. */
  accept (userId: string, init?: TestConnectionInit): FakeClient
  /** The same, behind its welcome. */
  connect (userId: string, init?: TestConnectionInit): Promise<FakeClient>
}

/** A node without HTTP and sockets: its clock stands still until the test moves it, calls of its bridge wait where the test wants them to. */
export async function createNode (t: Test, { bridge: change = (bridge) => bridge, rooms = {}, ...given }: TestNodeOptions = {}): Promise<TestNode> {
  const clock = createFakeClock()
  const server = Fastify()
  const { limits, heartbeat, drain, idempotency } = resolveOptions({ auth: { secret: SECRET }, ...given })
  const bridge = slowBridge(change(createMemoryBridge({ clock })))
  const defaults = { members: limits.members }
  const node = new RealtimeNode({
    bridge,
    clock,
    log: server.log,
    limits,
    heartbeat,
    drain,
    keyTtl: idempotency.ttl,
    userRooms: userRoomPolicy(server, defaults)
  })
  for (const [pattern, policy] of Object.entries(rooms)) declareRoom(node, server, defaults, pattern, policy)
  await node.start()
  t.teardown(() => node.close())
  let ids = 0
  function accept (userId: string, { id = `${userId}-${++ids}`, expiresAt = null }: TestConnectionInit = {}): FakeClient {
    const client = new FakeClient(node)
    client.connection = node.accept({ id, user: { id: userId }, expiresAt, transport: client.transport, log: () => server.log })
    return client
  }
  return {
    node,
    bridge,
    clock,
    server,
    accept,
    async connect (userId, init) {
      const client = accept(userId, init)
      await client.next('welcome')
      return client
    }
  }
}

/** Lets everything happen that needs no time: promises, and the turns of fan-out and outbox. */
export async function turns (count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => { setImmediate(resolve) })
}

/** A connection without a socket, both ends: what the server sees of it, and what the client would have got. */
export class FakeClient extends Peer {
  /** Set to make the socket take nothing. */
  full = false
  /** Whether the client answers a close frame, as it must. */
  answersClose = true
  closed: { code: number, reason: string } | null = null
  terminated = false
  pings = 0
  readonly #node: RealtimeNode
  #connection: Connection | null = null
  #gone = false

  /** What the server does. */
  readonly transport = {
    raw: false,
    bufferedAmount: 0,
    write: () => { throw new Error('not a raw transport') },
    send: (payload: Buffer) => {
      if (this.closed === null) this.received(JSON.parse(payload.toString()))
      if (this.full) this.transport.bufferedAmount += payload.length
      return !this.full
    },
    ping: () => { this.pings++ },
    close: (code: number, reason: string) => {
      if (this.closed !== null) return
      this.closed = { code, reason }
      if (this.answersClose) setImmediate(() => this.drop(code, reason))
    },
    terminate: () => {
      this.terminated = true
      setImmediate(() => this.drop(1006))
    }
  } satisfies Transport

  constructor (node: RealtimeNode) {
    // Apart from what tests number themselves.
    super(1_000)
    this.#node = node
  }

  get connection (): Connection {
    if (this.#connection === null) throw new Error('not accepted yet')
    return this.#connection
  }

  set connection (connection: Connection) {
    this.#connection = connection
  }

  /** As `request`, and lets the frame take effect. */
  async ask (frame: object): ReturnType<Peer['request']> {
    const [answer] = await Promise.all([this.request(frame), turns()])
    return answer
  }

  /** The socket goes. */
  drop (code = 1006, reason = ''): void {
    if (this.#gone) return
    this.#gone = true
    this.closed ??= { code, reason }
    this.ended(code, reason)
    this.connection.closed(code, reason)
    this.#node.gone(this.connection)
  }

  protected transmit (text: string): void {
    this.connection.receive(Buffer.from(text), false)
  }
}
