import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { RealtimeOptions } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import type { TestClient } from './helpers/client.js'
import { deleteWithTests } from './helpers/leftovers.js'
import { startProxy, subscribes } from './helpers/proxy.js'
import type { Direction, Proxy, ProxyLink } from './helpers/proxy.js'
import { startRedis } from './helpers/redis.js'
import type { RedisServer } from './helpers/redis.js'
import { until } from './helpers/until.js'

/** Short, so that tests do not wait for long; what they state is in terms of these. */
const PROBE = 500
const TIMEOUT = 1_000
/** Two probes and whatever a busy machine adds; test/bridge/redis-probe.test.ts is exact about it. */
const SOON = 10_000

const rooms: NonNullable<RealtimeOptions['rooms']> = {
  'chat:{id}': { join: () => true, publish: 'members' },
  'live:{id}': { join: () => true, publish: 'members', history: false }
}

interface Scene extends TestApp {
  readonly alice: TestClient
  readonly bob: TestClient
}

/** A node with two users, both in a logged room and in a volatile one. */
async function scene (t: Test, port: number): Promise<Scene> {
  const node = await createApp(t, { rooms, redis: { host: '127.0.0.1', port, probe: PROBE, timeout: TIMEOUT } })
  const [alice, bob] = [await node.connect('alice'), await node.connect('bob')]
  for (const client of [alice, bob]) {
    for (const roomId of ['chat:1', 'live:1']) await client.request({ type: 'join', roomId })
  }
  return { ...node, alice, bob }
}

async function readiness ({ app }: TestApp): Promise<{ code: number, bridge: string, reason?: string }> {
  const answer = await app.inject({ url: '/realtime/health/ready' })
  const { bridge, reason } = answer.json<{ bridge: string, reason?: string }>()
  return { code: answer.statusCode, bridge, reason }
}

const isDown = (node: TestApp) => async (): Promise<boolean> => (await readiness(node)).code === 503
const isUp = (node: TestApp) => async (): Promise<boolean> => (await readiness(node)).code === 200

/** What holds while a node knows that its Redis is of no use. */
async function showOutage (t: Test, node: Scene): Promise<void> {
  const { app, alice, bob } = node
  const { reason = '', ...answer } = await readiness(node)
  t.same(answer, { code: 503, bridge: 'down' })
  t.match(reason, /Redis/, 'it says why')
  t.equal((await app.inject({ url: '/realtime/health' })).statusCode, 200, 'it is alive')

  const started = performance.now()
  const refused = [
    await alice.request({ type: 'message', roomId: 'chat:1', event: 'message', content: 'refused' }),
    await alice.request({ type: 'join', roomId: 'chat:2' })
  ]
  for (const answer of refused) t.match(answer, { type: 'error', code: 'unavailable' })
  await t.rejects(app.realtime.notifyRoom('chat:1', 'message', 'refused'), { code: 'RT_ERR_UNAVAILABLE' })
  t.ok(performance.now() - started < TIMEOUT, 'refused quickly')

  t.match(await alice.request({ type: 'message', roomId: 'live:1', event: 'message', content: 'still' }), { type: 'ack' })
  t.match(await bob.next(({ roomId, type }) => type === 'message' && roomId === 'live:1'), { content: 'still' })
}

/** What holds when it is back: the same sockets, and whatever was acknowledged, once and in order. */
async function showRecovery (t: Test, { alice, bob }: Scene, acknowledged: readonly number[]): Promise<void> {
  for (const number of [100, 101]) await say(alice, number)
  t.match(await alice.request({ type: 'join', roomId: 'chat:2' }), { type: 'ack' })
  await bob.next(({ content }) => content === 101)
  t.same(bob.all('message').filter(({ roomId }) => roomId === 'chat:1').map(({ content }) => content), [...acknowledged, 100, 101])
  t.same([...alice.all('reset'), ...bob.all('reset')], [])
}

async function say (client: TestClient, number: number): Promise<void> {
  const answer = await client.request({ type: 'message', roomId: 'chat:1', event: 'message', content: number })
  if (answer.type !== 'ack') throw new Error(`not acknowledged: ${JSON.stringify(answer)}`)
}

interface Outage {
  readonly args?: readonly string[]
  begin (redis: RedisServer): Promise<unknown>
  end (redis: RedisServer): Promise<unknown>
}

const outages: Record<string, Outage> = {
  killed: {
    args: ['--appendonly', 'yes', '--appendfsync', 'always'],
    begin: (redis) => redis.kill(),
    end: (redis) => redis.restart()
  },
  paused: {
    begin: (redis) => redis.admin.client('PAUSE', 4_000, 'ALL'),
    end: async () => {}
  },
  full: {
    begin: (redis) => redis.admin.config('SET', 'maxmemory', '1'),
    end: (redis) => redis.admin.config('SET', 'maxmemory', '0')
  },
  'a read-only replica': {
    begin: (redis) => redis.admin.replicaof('127.0.0.1', 1),
    end: (redis) => redis.admin.replicaof('NO', 'ONE')
  }
}

for (const [name, { args = [], begin, end }] of Object.entries(outages)) {
  await t.test(`Redis ${name}: sockets stay, what needs it is refused, and it comes back`, async (t) => {
    const redis = await startRedis(t, ...args)
    const node = await scene(t, redis.port)
    await say(node.alice, 1)
    await begin(redis)
    t.ok(await until('it is down', isDown(node)) < SOON, 'noticed')
    await showOutage(t, node)
    await end(redis)
    await until('it is up', isUp(node))
    await showRecovery(t, node, [1])
  })
}

await t.test('Redis cannot save (MISCONF): sockets stay, what needs it is refused, and it comes back', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'realtime-misconf-'))
  deleteWithTests(folder)
  const redis = await startRedis(t, '--dir', folder, '--save', '3600 1', '--enable-protected-configs', 'yes')
  const node = await scene(t, redis.port)
  await say(node.alice, 1)
  // Saving fails where the folder is gone, also for root.
  await rm(folder, { recursive: true })
  await redis.admin.bgsave()
  await until('it is down', isDown(node))
  await showOutage(t, node)
  await redis.admin.config('SET', 'dir', tmpdir(), 'dbfilename', `realtime-${process.pid}.rdb`)
  t.teardown(() => rm(join(tmpdir(), `realtime-${process.pid}.rdb`), { force: true }))
  await redis.admin.bgsave()
  await until('it is up', isUp(node))
  await showRecovery(t, node, [1])
})

const links: Record<string, (link: ProxyLink) => boolean> = {
  'both links': () => true,
  'the command link': (link) => !subscribes(link),
  'the subscriber link': subscribes
}
const ways: Record<string, Direction[]> = { 'both ways': ['up', 'down'], 'what it sends': ['up'], 'what it is sent': ['down'] }

for (const [link, which] of Object.entries(links)) {
  for (const [way, directions] of Object.entries(ways)) {
    // What a subscriber sends is nothing while nobody joins, so that nobody misses it.
    if (link === 'the subscriber link' && way === 'what it sends') continue
    await t.test(`${link} of a node lost in a black hole (${way}) is noticed, and heals`, async (t) => {
      const redis = await startRedis(t)
      const proxy: Proxy = await startProxy(t, redis.port)
      const [far, near] = [await createApp(t, { rooms, redis: { host: '127.0.0.1', port: redis.port } }), await scene(t, proxy.port)]
      proxy.blackHole({ which, directions })
      t.ok(await until('it is down', isDown(near)) < SOON, 'noticed')
      await far.app.realtime.notifyRoom('chat:1', 'message', 1)
      await far.app.realtime.notifyRoom('chat:1', 'message', 2)
      proxy.heal()
      await until('it is up', isUp(near))
      await showRecovery(t, near, [1, 2])
    })
  }
}

await t.test('a Redis that comes and goes costs no more than a few tries a second', async (t) => {
  const redis = await startRedis(t)
  const proxy = await startProxy(t, redis.port)
  const node = await scene(t, proxy.port)
  await redis.admin.replicaof('127.0.0.1', 1)
  await until('it is down', isDown(node))
  const before = await scripts(redis)
  const took = await until('it was asked again', async () => await scripts(redis) - before >= 16)
  // The first one may come at once, each of the others 100 ms after the one before it at the earliest.
  t.ok(took > 1_200, `refused at once, and yet not asked again at once: 16 times in ${Math.round(took)} ms`)
  await redis.admin.replicaof('NO', 'ONE')
  await until('it is up', isUp(node))
  proxy.reset()
  // It may take a moment to be noticed.
  await until('nothing is lost', async () => (await node.alice.request({ type: 'message', roomId: 'live:1', event: 'message', content: 1 })).type === 'ack' && await isUp(node)())
  const join = async (): Promise<boolean> => (await node.alice.request({ type: 'join', roomId: 'chat:3' })).type === 'ack'
  await until('it can join', join)
  await showRecovery(t, node, [])
})

/** How many scripts it was asked to run, as those of probes. */
async function scripts ({ admin }: RedisServer): Promise<number> {
  const [, calls, rejected] = /cmdstat_evalsha:calls=(\d+),.*rejected_calls=(\d+)/.exec(await admin.info('commandstats')) ?? []
  return Number(calls) + Number(rejected)
}

await t.test('a handshake is not refused because nobody can count it', async (t) => {
  const redis = await startRedis(t)
  const node = await scene(t, redis.port)
  await redis.kill()
  await until('it is down', isDown(node))
  t.equal((await node.app.inject({ url: '/realtime' })).statusCode, 401)
  await redis.restart()
  await until('it is up', isUp(node))
  await node.connect('carol')
})
