import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Counts } from '../helpers/ledger.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { createScene, isUp, PERFECT, SECONDS } from './scene.js'

/** How long Redis is away, in ms. */
const AWAY = 2_000 + 1_000 * SECONDS

/** Kills Redis for a while under members and publishers. Resolves with the counts, once it is back and messages flow again. */
async function crash (t: Test, redis: RedisServer): Promise<Counts> {
  const { nodes, ledger, begin } = await createScene(t, [redis.port, redis.port])
  await begin()
  await redis.kill()
  await wait(AWAY)
  await redis.restart()
  for (const node of nodes) await until('it is up', () => isUp(node))
  await ledger.progress(50)
  const counts = await ledger.close()
  t.comment(counts)
  return counts
}

await t.test('a Redis that crashes and keeps what it acknowledged: nobody misses anything', async (t) => {
  const counts = await crash(t, await startRedis(t, '--appendonly', 'yes', '--appendfsync', 'always'))
  t.match(counts, PERFECT)
  t.same(new Set(Object.values(counts.resets)), new Set([0]))
})

await t.test('a Redis that crashes and comes back empty: everybody is told, and nothing is missing without a word', async (t) => {
  const counts = await crash(t, await startRedis(t))
  t.match(counts, { silent: 0, repeated: 0, misordered: 0, forbidden: 0 })
  t.same(new Set(Object.values(counts.resets)), new Set([1]), 'each of them once')
})

await t.test('who was away when everything was lost is told so on coming back', async (t) => {
  const redis = await startRedis(t)
  const { nodes: [near], ledger, subscribe, begin } = await createScene(t, [redis.port, redis.port])
  const { client, sockets } = await subscribe(near, 'away')
  await begin()
  const room = client.room('chat:1')
  const resets: unknown[] = []
  room.on('reset', (gap) => resets.push(gap))
  await redis.admin.flushall()
  sockets.last.terminate()
  await ledger.progress(20)
  const counts = await ledger.close()
  t.comment(counts, resets)
  t.match(counts, { silent: 0, repeated: 0, misordered: 0, forbidden: 0 })
  t.match(resets, { length: 1, 0: { reason: 'expired' } })
})
