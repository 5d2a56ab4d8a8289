import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge, ChannelName } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { startNode } from '../helpers/node-process.js'
import { mirror } from '../helpers/presence-mirror.js'
import { QUIET } from '../helpers/quiet.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'

const server = await startRedis(t)
const { admin, port } = server
let clusters = 0

function cluster (): { prefix: string, names: ReturnType<typeof createNames> } {
  const prefix = `lease-${++clusters}`
  return { prefix, names: createNames(prefix, 0) }
}

async function start (t: Test, prefix: string, lease: number): Promise<Bridge> {
  const bridge = redisBridge({ port, prefix, lease })
  t.teardown(() => bridge.close())
  await bridge.start(QUIET)
  return bridge
}

/** Resolves with a time just before the next sign of life of the one node that is none of these. */
async function nextBeat (names: ReturnType<typeof createNames>, others: readonly Bridge[]): Promise<number> {
  const counter = async (): Promise<string | undefined> => {
    const registry = Object.entries(await admin.hgetall(names.service('nodes')))
    return registry.find(([name]) => others.every(({ nodeId }) => !name.startsWith(nodeId)))?.[1]
  }
  const before = await counter()
  let asked = performance.now()
  await until('it beats', async () => {
    const began = performance.now()
    const beaten = await counter() !== before
    if (!beaten) asked = began
    return beaten
  })
  return asked
}

function rooms (count: number): ChannelName[] {
  return Array.from({ length: count }, (_, number) => roomChannel(`room-${number}`))
}

await t.test('what a killed node leaves behind goes once, within two leases', async (t) => {
  const { prefix, names } = cluster()
  const lease = 2_500
  const [a, b, victim] = [await start(t, prefix, lease), await start(t, prefix, lease), await startNode(t, { port, prefix, lease })]
  const channels = rooms(20)
  await a.presenceAttach('r:room-0', 'both', 'c1', Infinity)
  const mirrors = await Promise.all(channels.map((channel) => mirror(b, channel)))
  await victim.attach(channels.flatMap((channel) => [1, 2, 3].map((n) => ({ channel, userId: `ghost-${n}`, connectionId: 'c' }))))
  await victim.attach(channels.map((channel) => ({ channel, userId: 'ghost-1', connectionId: 'd' })))
  await victim.attach([{ channel: 'r:room-0', userId: 'both', connectionId: 'c2' }])
  await victim.connect('both', 'u2')
  await a.userConnect('both', 'u1', Infinity)
  const seen = await nextBeat(names, [a, b])
  const killed = performance.now()
  await victim.kill()
  await Promise.all(mirrors.map((room) => room.until(() => room.changes('left').length >= 3)))
  t.ok(performance.now() - killed < 2 * lease, `after ${Math.round(performance.now() - killed)} ms`)
  t.ok(performance.now() - seen > lease, 'and no earlier than a lease after its last sign of life')
  await until('all of it is swept', async () => await admin.hlen(names.service('nodes', 'dead')) === 0 && await admin.hlen(names.service('nodes')) === 2)
  for (const room of mirrors) t.same(room.changes('left').toSorted(), ['ghost-1', 'ghost-2', 'ghost-3'])
  t.same(mirrors[0]?.members().map(({ userId, devices }) => [userId, devices]), [['both', 1]])
  t.same(await a.userConnect('both', 'u3', 2), [], 'its connections count no more')
})

await t.test('a survivor that is killed while it announces leaves the rest to another', async (t) => {
  const { prefix, names } = cluster()
  // This one watches, and would take long to find out by itself that somebody is dead.
  const watcher = await start(t, prefix, 6_000)
  const channels = rooms(1_000)
  const mirrors = await Promise.all(channels.map((channel) => mirror(watcher, channel)))
  const survivor = await startNode(t, { port, prefix, lease: 600 })
  const victim = await startNode(t, { port, prefix, lease: 600 })
  await victim.attach(channels.map((channel) => ({ channel, userId: 'ghost', connectionId: 'c' })))
  await victim.kill()
  const left = (): number => mirrors.reduce((sum, room) => sum + room.changes('left').length, 0)
  await Promise.race(mirrors.map((room) => room.until(() => room.changes('left').length > 0)))
  const done = survivor.kill()
  const atKill = left()
  await done
  await Promise.all(mirrors.map((room) => room.until(() => room.changes('left').length > 0)))
  await until('all of it is swept', async () => await admin.hlen(names.service('nodes', 'dead')) === 0 && await admin.hlen(names.service('nodes')) === 1, 30_000)
  t.ok(atKill < 1_000, `it had announced ${atKill} of them`)
  t.equal(left(), 1_000, 'each once')
})

for (const [name, pause] of [
  ['CLIENT PAUSE', async () => { await admin.call('client', 'pause', 1_800, 'ALL') }],
  ['CLIENT PAUSE longer than a call may take', async () => { await admin.call('client', 'pause', 4_000, 'ALL') }],
  ['a script that blocks', async () => {
    await admin.eval("local till = redis.call('TIME')[1] + 2 repeat until tonumber(redis.call('TIME')[1]) >= till return 1", 0)
  }]
] as const) {
  await t.test(`a pause of Redis expires nobody: ${name}`, async (t) => {
    const { prefix, names } = cluster()
    const lease = 600
    const near = await start(t, prefix, lease)
    const far = await startNode(t, { port, prefix, lease })
    const room = await mirror(near, 'r:room')
    await near.presenceAttach('r:room', 'alice', 'c', Infinity)
    await far.attach([{ channel: 'r:room', userId: 'bob', connectionId: 'c' }])
    const before = await admin.hgetall(names.service('nodes'))
    for (let round = 0; round < 2; round++) {
      await pause()
      const counters = await admin.hgetall(names.service('nodes'))
      // Long enough for whoever would be mistaken: each has to show itself some more times.
      await until('both go on', async () => {
        const now = await admin.hgetall(names.service('nodes'))
        return Object.entries(counters).every(([node, counter]) => now[node] === undefined || Number(now[node]) > Number(counter) + 8)
      }, 20_000)
    }
    t.same(Object.keys(await admin.hgetall(names.service('nodes'))).toSorted(), Object.keys(before).toSorted(), 'the same incarnations')
    t.same(room.changes('left'), [])
    t.same(room.members().map(({ userId }) => userId), ['alice', 'bob'])
  })
}

await t.test('a node that was stopped for longer than its lease is reaped, and comes back as another incarnation', async (t) => {
  const { prefix, names } = cluster()
  const near = await start(t, prefix, 600)
  const frozen = await startNode(t, { port, prefix, lease: 600 })
  const room = await mirror(near, 'r:room')
  await frozen.attach([{ channel: 'r:room', userId: 'bob', connectionId: 'c' }, { channel: 'r:room', userId: 'carol', connectionId: 'c' }])
  await frozen.connect('bob', 'c')
  frozen.pause()
  await room.until(() => room.changes('left').length === 2)
  t.same(await near.userConnect('bob', 'd', 1), [])
  frozen.resume()
  await room.until(() => room.changes('joined').length === 4)
  t.same(room.members().map(({ userId, devices }) => [userId, devices]), [['bob', 1], ['carol', 1]])
  await until('its connections too', async () => (await near.userConnect('bob', 'd', 1)).length === 1)
  await until('nothing is left to sweep', async () => await admin.hlen(names.service('nodes', 'dead')) === 0)
  t.ok(Object.keys(await admin.hgetall(names.service('nodes'))).some((name) => Number(name.split(':')[1]) > 1))
  t.same(room.changes('left').length, 2, 'and stays')
  await frozen.detach([{ channel: 'r:room', userId: 'bob', connectionId: 'c' }], 0)
  await room.until(() => room.changes('left').length === 3)
})

await t.test('who lingered in the keeping of a killed node leaves when the time is over, not before', async (t) => {
  const { prefix } = cluster()
  const near = await start(t, prefix, 600)
  const victim = await startNode(t, { port, prefix, lease: 600 })
  const room = await mirror(near, 'r:room')
  const alice = { channel: 'r:room', userId: 'alice', connectionId: 'c' } as const
  await victim.attach([alice, { ...alice, userId: 'bob' }])
  await victim.detach([alice], 3_000)
  const from = performance.now()
  await victim.kill()
  await room.until(() => room.changes('left').length === 1)
  t.same(room.changes('left'), ['bob'])
  await room.until(() => room.changes('left').length === 2)
  const took = performance.now() - from
  t.ok(took > 2_500 && took < 5_000, `${Math.round(took)} ms`)
})

await t.test('a node that closes leaves at once', async (t) => {
  const { prefix, names } = cluster()
  const near = await start(t, prefix, 3_000)
  const leaving = await start(t, prefix, 3_000)
  const room = await mirror(near, 'r:room')
  await leaving.presenceAttach('r:room', 'alice', 'c', Infinity)
  await leaving.close()
  t.equal(await admin.hlen(names.service('nodes')), 1)
  await room.until(() => room.changes('left').length === 1)
})
