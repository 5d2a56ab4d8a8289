import t from 'tap'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import { createFakeClock } from '../helpers/clock.js'
import { turns } from '../helpers/node.js'
import { startProxy } from '../helpers/proxy.js'
import type { Direction } from '../helpers/proxy.js'
import { QUIET } from '../helpers/quiet.js'
import { serverClients } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'

const PROBE = 1_000
const { port } = await startRedis(t)

const ways: Record<string, Direction[]> = { 'both ways': ['up', 'down'], 'what it sends': ['up'], 'what it is sent': ['down'] }

for (const [way, directions] of Object.entries(ways)) {
  await t.test(`a link lost just behind a probe (${way}) is noticed within two, and not before the next one has had its time`, async (t) => {
    const clock = createFakeClock()
    const proxy = await startProxy(t, port)
    const bridge = createRedisBridge({
      clock, clients: [serverClients(proxy.port)], db: 0, prefix: `probe-${way.replaceAll(' ', '-')}`, timeout: 20 * PROBE, lease: 100 * PROBE, probe: PROBE
    })
    t.teardown(() => bridge.close())
    const starting = bridge.start(QUIET)
    // Connections are made in the time of the machine, tries in that of the clock.
    await until('a probe came back', () => {
      if (bridge.status().state !== 'up') clock.advance(1)
      return bridge.status().state === 'up'
    })
    await starting
    proxy.blackHole({ directions })
    let ms = 0
    for (; ms < 3 * PROBE && bridge.status().state === 'up'; ms += 10) {
      clock.advance(10)
      await turns()
    }
    t.ok(ms <= 2 * PROBE && ms >= 1.5 * PROBE, `after ${ms} ms`)
  })
}
