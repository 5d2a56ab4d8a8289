import { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { userChannel } from '../../lib/bridge/bridge.js'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import { systemClock } from '../../lib/clock.js'
import type { Clock } from '../../lib/clock.js'
import { formatPosition } from '../../lib/protocol/position.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { follow, publish, read } from './contract/fixture.js'

const { admin, port } = await startRedis(t)
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The machine's clock, of which a test can let pass as much as it likes: what waits for long is then due. */
interface HurriedClock extends Clock {
  hurry (ms: number): void
}

function hurriedClock (): HurriedClock {
  let skew = 0
  const waiting = new Set<{ readonly at: number, run (): void }>()
  const now = (): number => systemClock.now() + skew
  return {
    ...systemClock,
    now,
    timeout (fn, ms) {
      if (ms < 20_000) return systemClock.timeout(fn, ms)
      const wait = { at: now() + ms, run: fn }
      waiting.add(wait)
      return () => { waiting.delete(wait) }
    },
    hurry (ms) {
      skew += ms
      for (const wait of [...waiting]) {
        if (wait.at > now() || !waiting.delete(wait)) continue
        wait.run()
      }
    }
  }
}

async function startNode (t: Test, prefix: string): Promise<{ bridge: Bridge, clock: HurriedClock, ttl: (key: string) => Promise<number> }> {
  const clock = hurriedClock()
  const client = (): Redis => new Redis({ port, lazyConnect: true, enableOfflineQueue: false, autoResubscribe: false, maxRetriesPerRequest: 0 })
  const bridge = createRedisBridge({
    clock, clients: [{ command: client(), subscriber: client() }], prefix, db: 0, timeout: 2_000, probe: 1_000, lease: 15_000
  })
  t.teardown(() => bridge.close())
  await bridge.start({ onBroadcast () {}, onControl: async () => null, onAsk: async () => null, onStatus () {} })
  return { bridge, clock, ttl: async (key) => await admin.pttl(`${prefix}:${key}`) }
}

await t.test('a room that nobody has written to, and nobody is in, is forgotten soon', async (t) => {
  const { bridge, ttl } = await startNode(t, 'left')
  const brief = async (key: string): Promise<void> => {
    const ms = await ttl(key)
    t.ok(ms > 0 && ms <= 15 * MINUTE, `${key}: ${ms}`)
  }
  const long = async (key: string): Promise<void> => { t.ok(await ttl(key) > 23 * HOUR, key) }

  const { subscription } = await follow(bridge, 'r:room', { presence: true })
  await brief('{r:room}:head')
  await brief('{r:room}:presence')
  await bridge.presenceAttach('r:room', 'ann', 'c1', 10)
  await long('{r:room}:presence')
  await bridge.presenceRead('r:room')
  await long('{r:room}:presence')
  await bridge.presenceDetach('r:room', 'ann', 'c1', 0)
  await subscription.unsubscribe()
  await read(bridge, 'r:room', { last: 1 })
  await brief('{r:room}:head')
  await brief('{r:room}:presence')

  await publish(bridge, 'r:room', 1)
  await long('{r:room}:head')
  await read(bridge, 'r:room', { last: 1 })
  await long('{r:room}:head')
  // There are no more of these than users, and what one has missed has to be found for longer than that.
  await follow(bridge, userChannel('ann'))
  await long('{u:ann}:head')
})

await t.test('while it is followed it is kept', async (t) => {
  const { bridge, clock, ttl } = await startNode(t, 'kept')
  const keys = ['{r:empty}:head', '{r:empty}:presence', '{r:quiet}:head', '{u:ann}:head']
  const followed = await follow(bridge, 'r:empty', { presence: true })
  const first = await publish(bridge, 'r:quiet', 1)
  const quiet = await follow(bridge, 'r:quiet')
  await follow(bridge, userChannel('ann'))
  const age = async (from: number, ms: number): Promise<void> => {
    for (const key of keys.slice(from)) await admin.pexpire(`kept:${key}`, ms)
  }
  await age(0, MINUTE)
  clock.hurry(6 * MINUTE)
  await until('the empty ones are kept', async () => await ttl('{r:empty}:head') > 10 * MINUTE && await ttl('{r:empty}:presence') > 10 * MINUTE)
  t.ok(await ttl('{r:quiet}:head') <= MINUTE, 'the others have longer, and wait for longer')
  clock.hurry(12 * HOUR)
  await until('all are kept', async () => await ttl('{r:quiet}:head') > 23 * HOUR && await ttl('{u:ann}:head') > 23 * HOUR)

  await publish(bridge, 'r:empty', 1)
  await publish(bridge, 'r:quiet', 2)
  await Promise.all([followed.messages(1), quiet.messages(1)])
  t.same([followed.numbers(), quiet.numbers()], [[1], [2]])
  t.same([...followed.events, ...quiet.events].filter(({ type }) => type === 'reset'), [])
  t.match(await read(bridge, 'r:quiet', { since: formatPosition(first.position) }), { entries: { length: 1 } })
})

await t.test('and one that was forgotten too soon is never taken for the same, nor passed over in silence', { timeout: 20_000 }, async (t) => {
  const { bridge, clock } = await startNode(t, 'lost')
  const names = createNames('lost', 0)
  const followed = await follow(bridge, 'r:live')
  const { head } = followed.subscription
  await admin.del(names.key('r:live', 'head'))
  // Two histories that both begin with nothing.
  const seen = await read(bridge, 'r:live', { since: formatPosition(head) })
  t.match(seen, { gap: 'expired', head: { offset: 0 } })
  t.not(seen.head.epoch, head.epoch)
  await publish(bridge, 'r:live', 1)
  await followed.until((events) => events.length > 0)
  t.match(followed.events, [{ type: 'reset', reason: 'expired', position: { offset: 1 } }])
  t.match(await read(bridge, 'r:live', { since: formatPosition(head) }), { gap: 'expired' })

  const idle = await follow(bridge, 'r:idle')
  await admin.del(names.key('r:idle', 'head'))
  clock.hurry(6 * MINUTE)
  await idle.until((events) => events.length > 0)
  t.match(idle.events, [{ type: 'reset', reason: 'expired', position: { offset: 0 } }], 'who keeps it finds that it is gone')
})
