import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { startProxy, subscribes } from '../helpers/proxy.js'
import type { ProxyLink } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { createScene, isDown, isUp, PERFECT, SOON, SECONDS } from './scene.js'

await t.test('subscriber connections that are killed again and again cost nothing', async (t) => {
  const redis = await startRedis(t)
  const { nodes, ledger, begin } = await createScene(t, [redis.port, redis.port])
  await begin()
  let kills = 0
  for (const end = performance.now() + 2_000 * SECONDS; performance.now() < end;) {
    kills += Number(await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    await until('all are up', async () => (await Promise.all(nodes.map(isUp))).every(Boolean))
    await wait(50)
  }
  const counts = await ledger.close()
  t.comment(kills, counts)
  t.ok(kills >= 5)
  t.match(counts, PERFECT)
  t.same(new Set(Object.values(counts.resets)), new Set([0]))
})

const links: Record<string, (link: ProxyLink) => boolean> = {
  'all links': () => true,
  'the link of the fan-out': subscribes,
  'the link for commands': (link) => !subscribes(link)
}

for (const [name, which] of Object.entries(links)) {
  await t.test(`${name} of a node in a black hole: nobody misses anything`, async (t) => {
    const redis = await startRedis(t)
    const proxy = await startProxy(t, redis.port)
    const { nodes: [, near], ledger, begin } = await createScene(t, [redis.port, proxy.port])
    await begin()
    proxy.blackHole({ which })
    t.ok(await until('it is down', () => isDown(near)) < SOON, 'noticed')
    await wait(1_000 * SECONDS)
    proxy.heal()
    await until('it is up', () => isUp(near))
    await ledger.progress(20)
    const counts = await ledger.close()
    t.comment(counts)
    t.match(counts, PERFECT)
    t.same(new Set(Object.values(counts.resets)), new Set([0]))
  })
}
