import t from 'tap'
import { connectTo } from '../helpers/client.js'
import { startClusterNode } from '../helpers/cluster-node.js'
import { startRedis } from '../helpers/redis.js'
import { createNode } from './scene.js'

/** So long that nobody is taken for dead, in ms. */
const LEASE = 120_000

await t.test('a node that is alive and does not answer is named, and what the others say comes all the same', async (t) => {
  const redis = await startRedis(t)
  const [near, far] = [await createNode(t, 'near', redis.port, { lease: LEASE }), await createNode(t, 'far', redis.port, { lease: LEASE })]
  const third = await startClusterNode(t, { redis: redis.port, lease: LEASE })
  for (const node of [near, far]) await node.connect(`user of ${node.name}`)
  const silent = await connectTo(t, `ws://127.0.0.1:${third.port}/realtime`, { token: near.token('user of the third') })
  await silent.next('welcome')
  const whole = await near.app.realtime.connections()
  t.same(whole.connections.map(({ userId }) => userId).sort(), ['user of far', 'user of near', 'user of the third'])
  t.same(whole.unreachable, [])
  const thirdId = whole.connections.find(({ userId }) => userId === 'user of the third')?.nodeId

  third.pause()
  const [list, counts] = await Promise.all([near.app.realtime.connections(), far.app.realtime.stats()])
  t.same(list.unreachable, [thirdId])
  t.same(list.connections.map(({ userId }) => userId).sort(), ['user of far', 'user of near'])
  t.same(counts.unreachable, [thirdId])
  t.equal(counts.activeConnections, 2)

  third.resume()
  const [again, all] = await Promise.all([near.app.realtime.connections(), far.app.realtime.stats()])
  t.same(again.unreachable, [])
  t.equal(again.connections.length, 3)
  t.same(all.unreachable, [])
  t.equal(all.activeConnections, 3)
})
