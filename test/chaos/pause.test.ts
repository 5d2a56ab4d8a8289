import t from 'tap'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { createScene, isDown, isUp, PERFECT, SOON } from './scene.js'

await t.test('a Redis that is paused delays, and takes nothing away', async (t) => {
  const redis = await startRedis(t)
  const { nodes, ledger, begin } = await createScene(t, [redis.port, redis.port])
  await begin()
  await redis.admin.client('PAUSE', 5_000, 'ALL')
  for (const node of nodes) t.ok(await until('it is down', () => isDown(node)) < SOON, 'noticed')
  for (const node of nodes) await until('it is up', () => isUp(node))
  await ledger.progress(20)
  const counts = await ledger.close()
  t.comment(counts)
  t.match(counts, PERFECT)
  t.same(new Set(Object.values(counts.resets)), new Set([0]))
})
