import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { systemClock } from '../../lib/clock.js'
import type { RealtimeOptions } from '../../lib/index.js'
import { createFakeClock } from '../helpers/clock.js'
import type { FakeClock } from '../helpers/clock.js'
import { startLoneMaster } from '../helpers/redis-cluster.js'
import { startBridge } from '../helpers/redis-nodes.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { KEEP, head } from './contract/fixture.js'

/** How long a channel nobody wants any more stays subscribed, in ms. */
const LINGER = 1_000

const SETTINGS = { prefix: 'linger' }
const ROOM = roomChannel('room')

interface Kind {
  start (t: Test): Promise<RedisServer>
  option (server: RedisServer): RealtimeOptions['redis']
  /** Asks how many connections are subscribed to a channel. */
  readonly numsub: string
}

const kinds: Readonly<Record<string, Kind>> = {
  'a server': {
    start: (t) => startRedis(t),
    option: ({ port }) => ({ host: '127.0.0.1', port, ...SETTINGS }),
    numsub: 'NUMSUB'
  },
  'a cluster': {
    start: (t) => startLoneMaster(t),
    option: ({ port }) => ({ cluster: { nodes: [{ host: '127.0.0.1', port }] }, ...SETTINGS }),
    numsub: 'SHARDNUMSUB'
  }
}

interface Scene {
  readonly near: Bridge
  readonly far: Bridge
  /** By which the near node's subscriptions linger. */
  readonly clock: FakeClock
  /** Resolves when the server has carried out what the near node asked of it so far; its subscriptions all go over one connection. */
  settled (): Promise<void>
  /** Whether the near node hears the room. */
  subscribed (): Promise<boolean>
}

async function scene (t: Test, { start, option, numsub }: Kind): Promise<Scene> {
  const server = await start(t)
  const clock = createFakeClock()
  // Lingering alone is in the test's hands: whatever else a node waits for goes on.
  const timeout = (fn: () => void, ms: number): () => void => (ms === LINGER ? clock : systemClock).timeout(fn, ms)
  const near = await startBridge(t, option(server), { ...systemClock, timeout })
  const far = await startBridge(t, option(server))
  const name = createNames(SETTINGS.prefix, 0).channel(ROOM)
  let asked = 0
  const settled = async (): Promise<void> => { await near.subscribe(roomChannel(`other-${++asked}`), { presence: false }, () => {}) }
  return {
    near,
    far,
    clock,
    settled,
    async subscribed () {
      await settled()
      const answer = await server.admin.call('PUBSUB', numsub, name)
      return Array.isArray(answer) && answer[1] === 1
    }
  }
}

for (const [title, kind] of Object.entries(kinds)) {
  await t.test(`${title}: who comes back while the subscription lingers hears what is said after that`, async (t) => {
    const { near, far, clock, settled } = await scene(t, kind)
    const former = await near.subscribe(ROOM, { presence: false }, () => t.fail('it left'))
    await former.unsubscribe()
    clock.advance(LINGER / 2)
    const heard: string[] = []
    await near.subscribe(ROOM, { presence: false }, (event) => heard.push(event.type))
    clock.advance(2 * LINGER)
    await settled()
    // Fanned out behind the room's on the same connection: whoever hears it has heard that.
    const marker = roomChannel('marker')
    const passed = new Promise<unknown>((resolve) => { void near.subscribe(marker, { presence: false }, resolve).then(() => publish(far)) })
    await passed
    t.same(heard, ['entry'])

    async function publish (bridge: Bridge): Promise<void> {
      for (const channel of [ROOM, marker]) await bridge.publish({ channel, head: head(1), retention: KEEP })
    }
  })

  await t.test(`${title}: a room that was left stays subscribed a little longer than its last listener, and no more`, async (t) => {
    const { near, clock, subscribed } = await scene(t, kind)
    const join = async (): Promise<() => Promise<void>> => (await near.subscribe(ROOM, { presence: false }, () => {})).unsubscribe
    const first = await join()
    t.ok(await subscribed())
    await first()
    clock.advance(LINGER - 1)
    t.ok(await subscribed(), 'somebody may come back')
    const second = await join()
    await second()
    clock.advance(LINGER - 1)
    t.ok(await subscribed(), 'counted from who left last')
    clock.advance(1)
    t.notOk(await subscribed())
  })
}
