import Fastify from 'fastify'
import type { Test } from 'tap'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import type { Clock } from '../../lib/clock.js'
import type { Connection } from '../../lib/core/connection.js'
import { RealtimeNode } from '../../lib/core/node.js'
import type { NodeOptions } from '../../lib/core/node.js'
import type { Transport } from '../../lib/core/transport.js'
import { declareRoom, userRoomPolicy } from '../../lib/declare.js'
import { resolveOptions } from '../../lib/options.js'
import type { RealtimeOptions } from '../../types/options.js'
import type { ServerFrame } from './client.js'
import { createFakeClock } from './clock.js'
import type { FakeClock } from './clock.js'

export interface TestNodeOptions extends Pick<RealtimeOptions, 'limits' | 'heartbeat' | 'drain' | 'idempotency' | 'rooms'> {
  /** What the bridge does otherwise than the one of a single process. */
  readonly bridge?: (bridge: Bridge) => Bridge
  /** By default one that stands still. */
  readonly clock?: Clock
}

export interface TestNode {
  readonly node: RealtimeNode
  readonly bridge: Bridge
  /** A connection whose other end is in the test's hands. */
  connect (userId: string, init?: { id?: string, expiresAt?: number | null }): FakeClient
}

/** A node without HTTP and sockets, on a clock that the test moves. */
export async function createNode (t: Test, options?: TestNodeOptions & { clock?: undefined }): Promise<TestNode & { clock: FakeClock }>
export async function createNode (t: Test, options: TestNodeOptions & { clock: Clock }): Promise<TestNode>
export async function createNode (t: Test, options: TestNodeOptions = {}): Promise<TestNode & { clock: Clock }> {
  const { bridge: change = (bridge) => bridge, clock = createFakeClock(), rooms, ...given } = options
  const server = Fastify()
  const resolved = resolveOptions({ auth: { secret: 'not used here' }, ...given })
  const bridge = change(createMemoryBridge({ clock }))
  const defaults = { members: resolved.limits.members }
  const init: NodeOptions = {
    bridge,
    clock,
    log: server.log,
    limits: resolved.limits,
    heartbeat: resolved.heartbeat,
    drain: resolved.drain,
    keyTtl: resolved.idempotency.ttl,
    userRooms: userRoomPolicy(server, defaults)
  }
  const node = new RealtimeNode(init)
  for (const [pattern, policy] of Object.entries(rooms ?? {})) declareRoom(node, server, defaults, pattern, policy)
  await node.start()
  t.teardown(() => node.close())
  let ids = 0
  return {
    node,
    bridge,
    clock,
    connect (userId, { id = `${userId}-${++ids}`, expiresAt = null } = {}) {
      const client = new FakeClient(node)
      client.connection = node.accept({ id, user: { id: userId }, expiresAt, transport: client, log: () => server.log })
      return client
    }
  }
}

/** Lets everything happen that needs no time. */
export async function turns (count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => { setImmediate(resolve) })
}

/** Both ends of a socket: what the server sees of it, and what the client would have got. */
export class FakeClient implements Transport {
  readonly raw = false
  bufferedAmount = 0
  /** Set to make the socket take nothing. */
  full = false
  /** Whether the client answers a close frame, as it must. */
  answersClose = true
  readonly frames: ServerFrame[] = []
  closed: { code: number, reason: string } | null = null
  terminated = false
  pings = 0
  readonly #node: RealtimeNode
  #connection: Connection | null = null
  /** Apart from what tests number themselves. */
  #nextId = 1_000
  #gone = false

  constructor (node: RealtimeNode) {
    this.#node = node
  }

  get connection (): Connection {
    if (this.#connection === null) throw new Error('not accepted yet')
    return this.#connection
  }

  set connection (connection: Connection) {
    this.#connection = connection
  }

  // --- what the server does ---

  write (): boolean {
    throw new Error('not a raw transport')
  }

  send (payload: Buffer): boolean {
    if (this.closed === null) this.frames.push(JSON.parse(payload.toString()))
    if (this.full) this.bufferedAmount += payload.length
    return !this.full
  }

  ping (): void {
    this.pings++
  }

  close (code: number, reason: string): void {
    if (this.closed !== null) return
    this.closed = { code, reason }
    if (this.answersClose) setImmediate(() => this.drop(code, reason))
  }

  terminate (): void {
    this.terminated = true
    setImmediate(() => this.drop(1006))
  }

  // --- what the client does ---

  say (frame: object | string): void {
    this.connection.receive(Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame)), false)
  }

  /** Sends a frame with a fresh id and lets it take effect; its `ack` or `error`, if there is one yet. */
  async ask (frame: object): Promise<ServerFrame | undefined> {
    const id = this.#nextId++
    this.say({ id, ...frame })
    await turns()
    return this.frames.find((answer) => (answer.type === 'ack' || answer.type === 'error') && answer.id === id)
  }

  /** The socket goes. */
  drop (code = 1006, reason = ''): void {
    if (this.#gone) return
    this.#gone = true
    this.closed ??= { code, reason }
    this.connection.closed(code, reason)
    this.#node.gone(this.connection)
  }

  all (type: string): ServerFrame[] {
    return this.frames.filter((frame) => frame.type === type)
  }
}
