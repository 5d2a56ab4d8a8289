import t from 'tap'
import type { Test } from 'tap'
import { connectTo } from '../helpers/client.js'
import type { TestClient } from '../helpers/client.js'
import { startClusterNode } from '../helpers/cluster-node.js'
import type { ClusterNode } from '../helpers/cluster-node.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { createSdk } from '../helpers/sdk.js'
import { until } from '../helpers/until.js'
import { createNode } from './scene.js'
import type { ChaosNode } from './scene.js'

const LEASE = 1_000

const idOf = ({ frames }: TestClient): string => frames[0]?.connectionId

/** Two nodes of this process, and clients of a third one, which can be made to fail. */
async function cluster (t: Test): Promise<Cluster> {
  const redis = await startRedis(t)
  const [near, far] = [await createNode(t, 'near', redis.port, { lease: LEASE }), await createNode(t, 'far', redis.port, { lease: LEASE })]
  const third = await startClusterNode(t, { redis: redis.port, lease: LEASE })
  return {
    redis,
    near,
    far,
    third,
    async connectThird (userId) {
      const client = await connectTo(t, `ws://127.0.0.1:${third.port}/realtime`, { token: near.token(userId) })
      await client.next('welcome')
      return client
    }
  }
}

interface Cluster {
  readonly redis: RedisServer
  readonly near: ChaosNode
  readonly far: ChaosNode
  readonly third: ClusterNode
  connectThird (userId: string): Promise<TestClient>
}

async function timed<Result> (call: Promise<Result>): Promise<{ result: Result, ms: number }> {
  const began = performance.now()
  const result = await call
  return { result, ms: performance.now() - began }
}

await t.test('receipts name the devices on every node; those away read it later', async (t) => {
  const { near, far, third, connectThird } = await cluster(t)
  const heard: unknown[] = []
  const devices = [near, far].map((node) => {
    const { client } = createSdk(t, node, 'ann')
    client.on('direct', ({ content }) => heard.push(content))
    return client
  })
  await Promise.all(devices.map((client) => client.connect()))
  await until('both are connected', async () => (await near.app.realtime.connections({ userId: 'ann' })).connections.length === 2)
  const silent = await connectThird('ann')

  const all = await near.app.realtime.connections({ userId: 'ann' })
  t.equal(new Set(all.connections.map(({ nodeId }) => nodeId)).size, 3)
  t.same(all.unreachable, [])
  const ids = all.connections.map(({ connectionId }) => connectionId)
  const { result: first } = await timed(far.app.realtime.sendDirect('ann', 'news', 1, { receipt: true, timeout: 1_000 }))
  t.same(new Set(first.receipts?.received), new Set(ids.filter((id) => id !== idOf(silent))))
  t.same(first.receipts?.missing, [idOf(silent)])

  await third.kill()
  await until('the dead node is gone', async () => (await near.app.realtime.connections()).unreachable.length === 0)
  const { result: second, ms } = await timed(far.app.realtime.sendDirect('ann', 'news', 2, { receipt: true, timeout: '30s' }))
  t.equal(second.receipts?.received.length, 2)
  t.same(second.receipts?.missing, [])
  t.ok(ms < 1_000, `a dead node costs no time: ${Math.round(ms)} ms`)

  // Those that are away altogether.
  for (const device of devices) device.close()
  await until('both are away', async () => (await near.app.realtime.connections({ userId: 'ann' })).connections.length === 0)
  const away = await timed(far.app.realtime.sendDirect('ann', 'news', 3, { receipt: true, timeout: '30s' }))
  t.match(away.result.receipts, { received: { length: 0 }, missing: { length: 0 } })
  t.ok(away.ms < 1_000)
  const back: unknown[] = []
  const { client } = createSdk(t, near, 'ann', { inbox: 'start' })
  client.on('direct', ({ content }) => back.push(content))
  await until('all of them are read', () => back.length === 3)
  t.same(back, [1, 2, 3])
  t.same(heard.toSorted(), [1, 1, 2, 2])
})

await t.test('what is asked of all nodes says who did not answer, in bounded time', async (t) => {
  const { near, far, third, connectThird } = await cluster(t)
  for (const node of [near, far]) await node.connect(`user of ${node.name}`)
  await connectThird('user of the third')
  const whole = await near.app.realtime.connections()
  const thirdId = whole.connections.find(({ userId }) => userId === 'user of the third')?.nodeId
  t.equal(whole.connections.length, 3)
  t.match(await near.app.realtime.stats(), { activeConnections: 3, users: 3, unreachable: { length: 0 } })

  third.pause()
  const { result, ms } = await timed(near.app.realtime.connections())
  t.same(result.connections.map(({ userId }) => userId).sort(), ['user of far', 'user of near'])
  t.ok(ms < 6_000, `${Math.round(ms)} ms`)
  t.ok(result.unreachable.every((id) => id === thirdId))
  // As soon as the lease is over it is no node any more, and costs no time.
  await until('the lease is over', async () => (await near.app.realtime.stats()).unreachable.length === 0)
  const dead = await timed(near.app.realtime.stats())
  t.match(dead.result, { activeConnections: 2, users: 2, unreachable: { length: 0 } })
  t.ok(dead.ms < 1_000, `${Math.round(dead.ms)} ms`)

  third.resume()
  await until('the third one is back', async () => (await near.app.realtime.stats()).activeConnections === 3)
  t.comment('asked with one that hangs, ms', ms)
})

await t.test('what concerns a connection reaches the node that holds it', async (t) => {
  const { near, far, connectThird } = await cluster(t)
  const [here, there] = [await far.connect('bob'), await connectThird('bob')]
  t.match(await near.app.realtime.joinUser('bob', 'chat:7'), { connections: 2, unreachable: { length: 0 } })
  for (const client of [here, there]) t.match(await client.next('joined'), { roomId: 'chat:7' })
  await near.app.realtime.notifyRoom('chat:7', 'message', 'hello')
  for (const client of [here, there]) t.match(await client.next('message'), { content: 'hello' })

  for (const client of [here, there]) {
    const expiresAt = Math.floor(Date.now() / 1000) + 7_200
    const response = await fetch(`${near.url}/realtime/renew`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${near.token('bob', { exp: expiresAt })}` },
      body: JSON.stringify({ connectionId: idOf(client) })
    })
    t.equal(response.status, 200)
    t.same(await response.json(), { expiresAt: expiresAt * 1000 })
  }

  t.match(await near.app.realtime.disconnectUser('bob', 'enough'), { connections: 2, unreachable: { length: 0 } })
  for (const client of [here, there]) t.match(await client.closed, { code: 4403, reason: 'enough' })
  await until('bob is away', async () => (await near.app.realtime.connections({ userId: 'bob' })).connections.length === 0)
})
