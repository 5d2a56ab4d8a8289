import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../lib/clock.js'
import { RealtimeNode } from '../../lib/core/node.js'
import { declareRoom, userRoomPolicy } from '../../lib/declare.js'
import { resolveOptions } from '../../lib/options.js'
import { seeded } from '../helpers/events.js'
import { FakeClient } from '../helpers/node.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { SECRET } from '../helpers/server.js'
import { until } from '../helpers/until.js'
import { limits } from './scene.js'

/** `npm run chaos` has 100,000 of them, which takes minutes. */
const JOINS = Number(process.env.CHAOS_JOINS ?? 10_000)
const ROOMS = 200
const USERS = 300
/** Connections at a time, on each node. */
const WORKERS = 40
const PREFIX = 'churn'

/** A node without HTTP and sockets over a real Redis. */
async function startNode (t: Test, port: number): Promise<RealtimeNode> {
  const server = Fastify()
  const options = resolveOptions({ auth: { secret: SECRET }, limits })
  const node = new RealtimeNode({
    bridge: redisBridge({ port, prefix: PREFIX, lease: 3_000 }),
    clock: systemClock,
    log: server.log,
    limits: options.limits,
    heartbeat: options.heartbeat,
    drain: options.drain,
    keyTtl: options.idempotency.ttl,
    userRooms: userRoomPolicy(server, { members: Infinity })
  })
  declareRoom(node, server, { members: Infinity }, 'chat:{id}', { join: () => true, presence: { grace: 0 } })
  declareRoom(node, server, { members: Infinity }, 'slow:{id}', { join: () => new Promise<boolean>((resolve) => { setImmediate(() => resolve(true)) }) })
  await node.start()
  t.teardown(() => node.close())
  return node
}

/** What is subscribed, and what is kept: by its kind, how much. */
async function measure ({ admin }: RedisServer): Promise<{ channels: string[], kept: Record<string, number>, forever: string[] }> {
  const channels = (await admin.call('PUBSUB', 'CHANNELS') as string[]).sort()
  const kept: Record<string, number> = { presence: 0, connections: 0, holdings: 0 }
  const forever: string[] = []
  for (const key of await admin.keys('*')) {
    if (await admin.pttl(key) < 0) forever.push(key)
    const [, holdings, name = holdings] = /\{s:(holdings):|\}:(presence|connections)$/.exec(key) ?? []
    if (name === undefined) continue
    const fields = await admin.hkeys(key)
    // A room's own place, and the marks of a list, are none of those in it.
    kept[name] = (kept[name] ?? 0) + fields.filter((field) => name === 'connections' || /^[cmp]:/.test(field)).length
  }
  return { channels, kept, forever }
}

await t.test(`${JOINS} joins and leaves that race disconnects leave nothing behind`, { timeout: 600_000 }, async (t) => {
  const redis = await startRedis(t)
  const nodes = [await startNode(t, redis.port), await startNode(t, redis.port)]
  const baseline = await measure(redis)
  t.same(baseline.forever, [])
  const random = seeded(7)
  const pick = (n: number): number => Math.floor(random() * n)
  let joins = 0
  let leaves = 0
  let connections = 0

  async function live (node: RealtimeNode): Promise<void> {
    const server = Fastify()
    while (joins < JOINS) {
      const client = new FakeClient(node)
      const userId = `user-${pick(USERS)}`
      client.connection = node.accept({ id: `c${++connections}`, user: { id: userId }, expiresAt: null, transport: client.transport, log: () => server.log })
      // Some go before they are welcome.
      if (pick(10) > 0) await client.next('welcome').catch(() => {})
      let id = 0
      const mine: string[] = []
      for (let n = 1 + pick(20); n > 0 && client.closed === null; n--) {
        const roomId = `${pick(3) === 0 ? 'slow' : 'chat'}:${pick(ROOMS)}`
        mine.push(roomId)
        client.send({ type: 'join', id: ++id, roomId, presence: pick(2) === 0 })
        joins++
        if (pick(3) === 0) {
          client.send({ type: 'leave', id: ++id, roomId: mine[pick(mine.length)] ?? roomId })
          leaves++
        }
        if (pick(8) === 0) await new Promise((resolve) => { setImmediate(resolve) })
      }
      if (pick(2) === 0) await client.next((frame) => frame.id === id).catch(() => {})
      client.drop()
    }
  }

  const began = performance.now()
  await Promise.all(nodes.flatMap((node) => Array.from({ length: WORKERS }, () => live(node))))
  const ms = Math.round(performance.now() - began)

  const settled = async (): Promise<boolean> => {
    const now = await measure(redis)
    return JSON.stringify([now.channels, now.kept]) === JSON.stringify([baseline.channels, baseline.kept])
  }
  const took = await until('it is settled', settled, 60_000).catch(async (error: unknown) => {
    t.comment(await measure(redis))
    throw error
  })
  const { channels, kept, forever } = await measure(redis)
  t.same(channels, baseline.channels, 'subscriptions')
  t.same(kept, baseline.kept, 'members, connections and lists of them')
  t.same(forever, [], 'every key has a time to live')
  t.same(nodes.map((node) => [node.connections.size, node.rooms.occupied]), [[0, 0], [0, 0]])
  t.comment({ joins, leaves, connections, ms, took: Math.round(took), keys: await redis.admin.dbsize() })
})
