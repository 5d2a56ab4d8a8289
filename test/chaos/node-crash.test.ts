import t from 'tap'
import type { Test } from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import { startClusterNode } from '../helpers/cluster-node.js'
import type { ClusterNode } from '../helpers/cluster-node.js'
import { startProxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { createSdk } from '../helpers/sdk.js'
import { until } from '../helpers/until.js'
import { createScene, PERFECT, RATE, SECONDS } from './scene.js'

const names = createNames('realtime', 0)

/** In ms; none that three divides, as are most. */
const LEASE = 2_000

/** Clients of a node that fails move to another one, as behind a load balancer. */
async function showMove (t: Test, fail: (node: ClusterNode) => Promise<void>, later: (node: ClusterNode, redis: RedisServer) => unknown = () => {}): Promise<void> {
  const redis = await startRedis(t)
  const { nodes: [stays], ledger, subscribe, begin } = await createScene(t, [redis.port, redis.port], { lease: LEASE })
  const goes = await startClusterNode(t, { redis: redis.port, lease: LEASE })
  const stayPort = Number(new URL(stays.url).port)
  let target = goes.port
  const balancer = await startProxy(t, () => target)
  const balanced = { wsUrl: `ws://127.0.0.1:${balancer.port}/realtime`, token: stays.token }

  for (const number of [1, 2, 3]) await subscribe(balanced, `moves-${number}`)
  const { client } = createSdk(t, balanced, 'moves-and-writes', { queue: { inFlight: 1 } })
  const room = client.room('chat:1')
  await room.ready()
  const left: string[] = []
  room.on('presence', ({ change, userId }) => { if (change === 'left') left.push(userId) })
  ledger.publisher('moving-client', room.id, (content) => room.send(content), RATE)
  await begin()
  target = stayPort
  await fail(goes)
  balancer.reset()
  await ledger.progress(100 * SECONDS)
  await later(goes, redis)

  const users = ['a-hears-1', 'a-hears-2', 'a-writes', 'b-hears-1', 'b-hears-2', 'b-writes', 'moves-1', 'moves-2', 'moves-3', 'moves-and-writes']
  await until('everybody has one device', async () => (await stays.app.realtime.presence('chat:1')).members.every(({ devices }) => devices === 1))
  t.same([...room.members.keys()].sort(), users, 'nobody left, and no ghost stays')
  t.same(left, [], 'nor did anybody seem to')
  await ledger.progress(10)
  const counts = await ledger.close()
  t.comment(counts)
  t.match(counts, PERFECT)
  t.same(new Set(Object.values(counts.resets)), new Set([0]))
}

await t.test('the clients of a node that is killed go on with another one, and miss nothing', async (t) => {
  await showMove(t, (node) => node.kill())
})

await t.test('the clients of a node that hangs go on with another one, and miss nothing, also when it wakes up again', async (t) => {
  await showMove(t, async (node) => node.pause(), async (node, { admin }) => {
    // Three were there; for the others it is dead, and what it held is theirs to clear away.
    await until('it is taken for dead', async () => await admin.hlen(names.service('nodes')) === 2)
    node.resume()
    await until('it is there again', async () => await admin.hlen(names.service('nodes')) === 3)
  })
})
