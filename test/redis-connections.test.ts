import t from 'tap'
import type { Test } from 'tap'
import type { RealtimeOptions } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { startCluster } from './helpers/redis-cluster.js'
import { startRedis } from './helpers/redis.js'
import type { RedisServer } from './helpers/redis.js'
import { until } from './helpers/until.js'

/** The numbers of docs/scaling.md. */

/** Connections that a node has at each server. */
async function connections (t: Test, servers: readonly RedisServer[], redis: RealtimeOptions['redis']): Promise<number[]> {
  const before = await Promise.all(servers.map(count))
  const { app, connect } = await createApp(t, { redis, rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: true } } })
  const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => connect(`user-${i}`)))
  // In rooms all over the place.
  for (const [i, client] of clients.entries()) {
    for (let room = 0; room < 10; room++) {
      await client.request({ type: 'join', roomId: `chat:${i * 10 + room}` })
      await app.realtime.notifyRoom(`chat:${i * 10 + room}`, 'message', 'hello')
    }
  }
  const after = await Promise.all(servers.map(count))
  await app.close()
  await until('none is left', async () => (await Promise.all(servers.map(count))).every((number, i) => number === before[i]))
  return after.map((number, i) => number - (before[i] ?? 0))
}

async function count ({ admin }: RedisServer): Promise<number> {
  // Not those of servers among themselves.
  return String(await admin.client('LIST', 'TYPE', 'NORMAL')).trim().split('\n').length +
    String(await admin.client('LIST', 'TYPE', 'PUBSUB')).trim().split('\n').filter((line) => line !== '').length
}

await t.test('connections of a node: one server', async (t) => {
  const redis = await startRedis(t)
  t.same(await connections(t, [redis], `redis://127.0.0.1:${redis.port}`), [3])
})

await t.test('connections of a node: replicas are waited for on one more', async (t) => {
  const [redis, replica] = [await startRedis(t), await startRedis(t)]
  await replica.admin.replicaof('127.0.0.1', redis.port)
  await until('the replica is in step', async () => (await redis.admin.info('replication')).includes('state=online'))
  t.same(await connections(t, [redis], { url: `redis://127.0.0.1:${redis.port}`, replicas: 1 }), [4])
})

await t.test('connections of a node: a list of servers', async (t) => {
  const servers = [await startRedis(t), await startRedis(t), await startRedis(t)]
  t.same(await connections(t, servers, servers.map(({ port }) => `redis://127.0.0.1:${port}`)), [3, 2, 2])
})

await t.test('connections of a node: a cluster of three masters', async (t) => {
  const cluster = await startCluster(t)
  // Handshakes are counted at the masters of their keys, and the slots are read at one.
  const counts = await connections(t, cluster.masters, { cluster: { nodes: cluster.nodes } })
  for (const found of counts) t.ok(found === 2 || found === 3, `${found} at a master`)
})

await t.test('a list of servers: what is on the others goes on without one of them', async (t) => {
  const servers = [await startRedis(t), await startRedis(t)]
  const [first] = servers
  const redis = { shards: servers.map(({ port }) => `redis://127.0.0.1:${port}`), probe: '500ms', timeout: '1s' }
  const { app, connect } = await createApp(t, { redis, rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } })
  const client = await connect('ann')
  const rooms = Array.from({ length: 20 }, (_, i) => `chat:${i}`)
  for (const roomId of rooms) await client.request({ type: 'join', roomId })
  await first?.kill()
  const ready = async (): Promise<number> => (await app.inject('/realtime/health/ready')).statusCode
  await until('readiness says so', async () => await ready() === 503)
  const answers = await Promise.all(rooms.map(async (roomId) => {
    const { type, code } = await client.request({ type: 'message', roomId, event: 'message', content: 'hello' })
    return type === 'ack' ? 'ack' : String(code)
  }))
  t.same([...new Set(answers)].sort(), ['ack', 'unavailable'], `${answers.filter((answer) => answer === 'ack').length} of 20 rooms go on`)
  await first?.restart()
  await until('readiness says so', async () => await ready() === 200)
})
