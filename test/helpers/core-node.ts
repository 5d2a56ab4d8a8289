import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import type { Connection } from '../../lib/core/connection.js'
import { RealtimeNode } from '../../lib/core/node.js'
import { declareRoom, userRoomPolicy } from '../../lib/declare.js'
import { resolveOptions } from '../../lib/options.js'
import type { RealtimeOptions, RoomMap } from '../../lib/index.js'
import type { ServerFrame } from './client.js'
import { createFakeClock } from './clock.js'
import type { FakeClock } from './clock.js'
import { slowBridge } from './slow-bridge.js'
import type { SlowBridge } from './slow-bridge.js'

export interface TestNodeOptions {
  readonly rooms?: RoomMap
  readonly limits?: RealtimeOptions['limits']
}

export interface TestNode {
  readonly node: RealtimeNode
  readonly bridge: SlowBridge
  readonly clock: FakeClock
  readonly server: FastifyInstance
  /** A connection without a socket, behind its welcome. */
  connect (userId: string): Promise<CoreClient>
}

const DEFAULTS = { members: Infinity }

/** One node of the core alone: a bridge whose calls wait for the test, a clock that stands still, connections without sockets. */
export async function createNode (t: Test, { rooms = {}, limits }: TestNodeOptions = {}): Promise<TestNode> {
  const clock = createFakeClock()
  const bridge = slowBridge(createMemoryBridge({ clock }))
  const server = Fastify({ logger: false })
  const options = resolveOptions({ auth: { secret: 'a secret of at least thirty-two bytes' }, limits })
  const node = new RealtimeNode({
    bridge,
    clock,
    log: server.log,
    limits: options.limits,
    heartbeat: options.heartbeat,
    drain: options.drain,
    keyTtl: options.idempotency.ttl,
    userRooms: userRoomPolicy(server, DEFAULTS)
  })
  for (const [pattern, policy] of Object.entries(rooms)) declareRoom(node, server, DEFAULTS, pattern, policy)
  await node.start()
  t.teardown(() => node.close())
  let connections = 0
  return {
    node,
    bridge,
    clock,
    server,
    async connect (userId) {
      const client = new CoreClient()
      client.connection = node.accept({
        id: `${userId}-${++connections}`,
        user: { id: userId },
        expiresAt: null,
        transport: client.transport,
        log: () => server.log
      })
      await client.next('welcome')
      return client
    }
  }
}

interface Waiter {
  readonly wants: (frame: ServerFrame) => boolean
  readonly resolve: (frame: ServerFrame) => void
}

/** The far end of such a connection: as {@link TestClient}, in this process. */
export class CoreClient {
  connection!: Connection
  readonly frames: ServerFrame[] = []
  closed: { code: number, reason: string } | null = null
  #unread: ServerFrame[] = []
  #waiters: Waiter[] = []
  #nextId = 1

  readonly transport = {
    raw: false,
    bufferedAmount: 0,
    write: () => true,
    send: (payload: Buffer) => {
      this.#received(JSON.parse(payload.toString()))
      return true
    },
    ping: () => {},
    close: (code: number, reason: string) => { this.closed = { code, reason } },
    terminate: () => {}
  }

  send (frame: object | string): void {
    this.connection.receive(Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame)), false)
  }

  request (frame: object): Promise<ServerFrame> {
    const id = this.#nextId++
    this.send({ id, ...frame })
    return this.next((answer) => (answer.type === 'ack' || answer.type === 'error') && answer.id === id)
  }

  next (wants: string | ((frame: ServerFrame) => boolean)): Promise<ServerFrame> {
    const fits = typeof wants === 'string' ? (frame: ServerFrame) => frame.type === wants : wants
    const index = this.#unread.findIndex(fits)
    if (index !== -1) return Promise.resolve(this.#unread.splice(index, 1)[0] ?? { type: 'never' })
    return new Promise((resolve) => this.#waiters.push({ wants: fits, resolve }))
  }

  all (type: string): ServerFrame[] {
    return this.frames.filter((frame) => frame.type === type)
  }

  /** The socket is gone, as ws reports it. */
  drop (code = 1006): void {
    this.connection.closed(code, '')
  }

  #received (frame: ServerFrame): void {
    if (frame.type === 'ping') return
    this.frames.push(frame)
    const index = this.#waiters.findIndex((waiter) => waiter.wants(frame))
    if (index === -1) this.#unread.push(frame)
    else this.#waiters.splice(index, 1)[0]?.resolve(frame)
  }
}

/** Lets everything that is ready run: promises and the turns of fan-out and outbox. */
export async function turns (count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
