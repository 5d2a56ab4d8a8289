import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { Redis } from 'ioredis'
import { BridgeError } from '../../lib/bridge/bridge.js'
import type { Bridge, ChannelEvent, ChannelName, PresenceSnapshot } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { Names } from '../../lib/bridge/redis/names.js'
import { readEnvelope } from '../../lib/bridge/redis/envelope.js'
import { NodeState } from '../../lib/bridge/redis/nodes.js'
import { PresenceFollower } from '../../lib/bridge/redis/presence-follower.js'
import { loadScript } from '../../lib/bridge/redis/script.js'
import { Store } from '../../lib/bridge/redis/store.js'
import { systemClock } from '../../lib/clock.js'
import type { Member } from '../../types/presence.js'
import { createFakeClock } from '../helpers/clock.js'
import { mirror, sorted } from '../helpers/presence-mirror.js'
import { QUIET } from '../helpers/quiet.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'

const server = await startRedis(t)
const { admin, port } = server
let clusters = 0

interface Pair {
  readonly near: Bridge
  readonly far: Bridge
  readonly names: Names
}

async function pair (t: Test, lease = 600, probe = 1_000): Promise<Pair> {
  const prefix = `presence-${++clusters}`
  const [near, far] = await Promise.all([0, 1].map(async () => {
    const bridge = redisBridge({ port, prefix, lease, probe })
    t.teardown(() => bridge.close())
    await bridge.start(QUIET)
    return bridge
  }))
  if (near === undefined || far === undefined) throw new Error('two nodes')
  return { near, far, names: createNames(prefix, 0) }
}

async function members (bridge: Bridge, channel: ChannelName): Promise<Member[]> {
  return sorted((await bridge.presenceRead(channel)).members)
}

/** Every key of this test, with its TTL in ms. */
async function keys (names: Names): Promise<Map<string, number>> {
  const [prefix] = names.service('').split('{')
  const found = await admin.keys(`${prefix}*`)
  return new Map(await Promise.all(found.map(async (key) => [key, await admin.pttl(key)] as const)))
}

await t.test('2,000 calls racing on two nodes: store, snapshots and mirrors agree, and nothing is left over', async (t) => {
  const { near, far, names } = await pair(t)
  const { random } = createFakeClock({ seed: 4 })
  const pick = (count: number): number => Math.floor(random() * count)
  const channels: ChannelName[] = ['r:a', 'r:b', 'r:c']
  const mirrors = await Promise.all(channels.flatMap((channel) => [near, far].map((bridge) => mirror(bridge, channel))))
  const attached = new Map<string, { bridge: Bridge, channel: ChannelName, userId: string, connectionId: string }>()
  const calls: Array<Promise<unknown>> = []
  for (let count = 0; count < 2_000; count++) {
    const node = pick(2)
    const bridge = node === 0 ? near : far
    const channel = channels[pick(3)] ?? 'r:a'
    const userId = `user-${pick(8)}`
    const connectionId = `${node}-${pick(4)}`
    const name = `${channel} ${userId} ${connectionId}`
    const what = pick(10)
    if (what < 4) {
      calls.push(bridge.presenceAttach(channel, userId, connectionId, Infinity))
      attached.set(name, { bridge, channel, userId, connectionId })
    } else if (what < 8) {
      calls.push(bridge.presenceDetach(channel, userId, connectionId, pick(3) === 0 ? 30 : 0))
      attached.delete(name)
    } else calls.push(bridge.presenceUpdate(channel, userId, { status: `s${pick(3)}`, meta: pick(2) === 0 ? null : { n: pick(3) } }))
    if (count % 50 === 0) await Promise.race(calls.splice(0))
  }
  await Promise.all(calls)
  for (const [index, channel] of channels.entries()) {
    const expected = new Map<string, number>()
    for (const { channel: room, userId } of attached.values()) if (room === channel) expected.set(userId, (expected.get(userId) ?? 0) + 1)
    await until('nobody lingers', async () => (await members(near, channel)).every(({ devices }) => devices > 0))
    const state = await near.presenceRead(channel)
    t.same(sorted(state.members).map(({ userId, devices }) => [userId, devices]), [...expected].toSorted(([a], [b]) => a < b ? -1 : 1))
    t.same(sorted(state.members), await members(far, channel))
    for (const room of mirrors.slice(2 * index, 2 * index + 2)) {
      await room.until(() => room.version() >= state.version)
      t.equal(room.version(), state.version)
      t.same(room.members(), sorted(state.members))
      t.same(room.holes, [], 'every version once and in order')
    }
    await consistent(t, names, channel)
  }
  await Promise.all(Array.from(attached.values(), ({ bridge, channel, userId, connectionId }) => bridge.presenceDetach(channel, userId, connectionId, 0)))
  for (const channel of channels) {
    t.same(await members(near, channel), [])
    t.same(Object.keys(await admin.hgetall(names.key(channel, 'presence'))), ['head'])
  }
  await until('the nodes hold nothing', async () => {
    const lists = [...(await keys(names)).keys()].filter((key) => key.includes('holdings'))
    const held = await Promise.all(lists.map((key) => admin.hkeys(key)))
    return held.flat().every((name) => name === 'begun')
  })
  for (const [key, ttl] of await keys(names)) t.ok(ttl > 0, `${key} does not stay for ever`)
})

/** Counts are what they count. */
async function consistent (t: Test, names: Names, channel: ChannelName): Promise<void> {
  const fields = await admin.hgetall(names.key(channel, 'presence'))
  const records = Object.entries(fields).filter(([name]) => name.startsWith('m:'))
  t.equal(Number(fields.head?.split(' ')[3]), records.length)
  for (const [name, record] of records) {
    const connections = Object.keys(fields).filter((field) => field.startsWith(`c:${name.slice(2)}\n`))
    t.equal(Number(record.split(' ')[0]), connections.length)
  }
}

await t.test('mirrors agree after the fan-out was lost, again and again', async (t) => {
  const { near, far, names } = await pair(t)
  const rooms = await Promise.all([near, far].map((bridge) => mirror(bridge, 'r:room')))
  const refused: unknown[] = []
  const attached = new Set<string>()
  for (let round = 0; round < 8; round++) {
    const calls = Array.from({ length: 30 }, async (_, number) => {
      const userId = `user-${number % 10}`
      const connectionId = `${round % 3}-${number}`
      const bridge = number % 2 === 0 ? near : far
      try {
        if ((number + round) % 3 === 0) {
          attached.delete(`${userId} ${connectionId}`)
          await bridge.presenceDetach('r:room', userId, connectionId, 0)
        } else if (await bridge.presenceAttach('r:room', userId, connectionId, Infinity)) attached.add(`${userId} ${connectionId}`)
      } catch (error) {
        attached.delete(`${userId} ${connectionId}`)
        refused.push(error)
      }
    })
    await admin.call('client', 'kill', 'type', 'pubsub')
    await Promise.all(calls)
    await until('both are up', async () => near.status().state === 'up' && far.status().state === 'up')
  }
  for (const error of refused) t.ok(error instanceof BridgeError)
  const expected = new Set(Array.from(attached, (name) => name.split(' ')[0]))
  await until('what was refused is taken back', async () => (await members(near, 'r:room')).length === expected.size)
  let state: PresenceSnapshot = { version: NaN, members: [] }
  for (const room of rooms) {
    await until('it is what the store holds', async () => {
      state = await near.presenceRead('r:room')
      return room.version() === state.version
    })
    t.same(room.members(), sorted(state.members))
    t.same(room.holes, [])
  }
  t.ok(rooms.some((room) => room.events.some(({ type }) => type === 'presence-snapshot')), 'something was lost')
  await consistent(t, names, 'r:room')
})

await t.test('a follower ends up with what the store holds, whatever the fan-out loses, repeats and reorders', async (t) => {
  const { near, far, names } = await pair(t)
  const channel: ChannelName = 'r:room'
  const { store, state } = await reader(t, names)
  for (let seed = 1; seed <= 10; seed++) {
    const { random } = createFakeClock({ seed })
    const view = { version: 0, members: new Map<string, Member>() }
    const snapshot = await state.presence.snapshot(channel)
    const replace = (version: number, given: readonly Member[]): void => {
      view.version = version
      view.members = new Map(given.map((member) => [member.userId, member]))
    }
    replace(snapshot.version, snapshot.members)
    const deliver = (event: ChannelEvent): void => {
      if (event.type === 'presence-snapshot') replace(event.snapshot.version, event.snapshot.members)
      if (event.type !== 'presence') return
      t.equal(event.version, ++view.version)
      if (event.change === 'left') view.members.delete(event.member.userId)
      else view.members.set(event.member.userId, event.member)
    }
    const follower = new PresenceFollower({
      clock: systemClock,
      from: snapshot,
      patience: 20,
      timeout: 2_000,
      deliver,
      read: (known) => state.presence.changed(channel, known),
      failed: (error) => { throw error }
    })
    const subscriber = new Redis({ port })
    t.teardown(() => subscriber.disconnect())
    const held: string[] = []
    subscriber.on('messageBuffer', (_channel: Buffer, payload: Buffer) => {
      const envelope = readEnvelope(payload)
      if (envelope?.kind !== 'presence') return
      const chance = random()
      if (chance < 0.2) return
      if (chance < 0.4) held.push(envelope.body)
      else follower.receive(envelope.body)
      if (chance > 0.8) for (const body of held.splice(0)) follower.receive(body)
      if (chance > 0.9) follower.receive(envelope.body)
    })
    await subscriber.subscribe(names.channel(channel))
    for (let step = 0; step < 40; step++) {
      const bridge = random() < 0.5 ? near : far
      const userId = `user-${Math.floor(random() * 5)}`
      if (random() < 0.5) await bridge.presenceAttach(channel, userId, `c${Math.floor(random() * 2)}`, Infinity)
      else if (random() < 0.5) await bridge.presenceUpdate(channel, userId, { status: `s${step}` })
      else await bridge.presenceDetach(channel, userId, `c${Math.floor(random() * 2)}`, 0)
    }
    const now = await state.presence.snapshot(channel)
    await follower.heard(now)
    t.equal(view.version, now.version)
    t.same(sorted(view.members.values()), sorted(now.members))
    follower.end()
    subscriber.disconnect()
  }
  store.close()
})

/** What reads presence, without being a node. */
async function reader (t: Test, names: Names): Promise<{ store: Store, state: NodeState }> {
  const client = new Redis({ port })
  await once(client, 'ready')
  t.teardown(() => client.disconnect())
  const store = new Store({ client, clock: systemClock, timeout: 2_000, maxPending: 1_000, fanOut: () => 'PUBLISH' })
  const state = new NodeState({
    clock: systemClock,
    names,
    nodeId: 'reader',
    lease: 600,
    storeOf: () => store,
    stores: () => [store],
    service: () => store,
    heard: async () => {},
    identify: async () => null,
    failed: (error) => { throw error }
  })
  return { store, state }
}

await t.test('a change that follows another history is not taken for the next one', async (t) => {
  let reads = 0
  const deliver = (event: ChannelEvent): void => { t.equal(event.type, 'presence-snapshot') }
  const follower = new PresenceFollower({
    clock: createFakeClock(),
    from: { epoch: 'e', version: 4, chain: 'mine' },
    patience: 20,
    timeout: 2_000,
    deliver,
    read: async () => {
      reads++
      return { epoch: 'e', version: 5, chain: 'end', members: [] }
    },
    failed: (error) => { throw error }
  })
  const member = { userId: 'alice', status: 'online', devices: 1 }
  const body = JSON.stringify({ epoch: 'e', version: 5, before: 'other', chain: 'end', timestamp: 1, events: [{ change: 'joined', member }] })
  t.equal(follower.receive(body), true)
  await follower.heard({ epoch: 'e', version: 5 })
  t.equal(reads, 1)
})

await t.test('a failover that lost a change is noticed, though the version comes again', async (t) => {
  const { near, far, names } = await pair(t)
  const room = await mirror(near, 'r:room')
  const key = names.key('r:room', 'presence')
  await far.presenceAttach('r:room', 'alice', 'c', Infinity)
  const kept = await admin.dumpBuffer(key)
  await near.presenceAttach('r:room', 'bob', 'c', Infinity)
  const version = room.version()
  await admin.restore(key, 60_000, kept, 'REPLACE')
  await far.presenceAttach('r:room', 'carol', 'c', Infinity)
  t.equal((await far.presenceRead('r:room')).version, version, 'the same number, another history')
  await room.until(() => room.events.some(({ type }) => type === 'presence-snapshot'))
  t.same(room.members(), await members(far, 'r:room'))
  t.same(room.members().map(({ userId }) => userId), ['alice', 'carol'])
})

await t.test('a store that lost everything is given back who is there, as they were, and users\' connections in their order', async (t) => {
  const { near, far } = await pair(t)
  const room = await mirror(near, 'r:room')
  await near.presenceAttach('r:room', 'alice', 'c1', Infinity)
  await far.presenceAttach('r:room', 'alice', 'c2', Infinity)
  await far.presenceUpdate('r:room', 'alice', { status: 'busy', meta: { mood: 'é', list: [1, null] } })
  await far.presenceAttach('r:room', 'bob', 'c3', Infinity)
  for (const [index, id] of ['u1', 'u2', 'u3'].entries()) await (index % 2 === 0 ? far : near).userConnect('alice', id, Infinity)
  const before = room.members()
  await admin.flushall()
  await until('all are back', async () => {
    const now = await members(far, 'r:room')
    return JSON.stringify(now) === JSON.stringify(before)
  })
  await room.until(() => JSON.stringify(room.members()) === JSON.stringify(before))
  t.same(before, [
    { userId: 'alice', status: 'busy', meta: { mood: 'é', list: [1, null] }, devices: 2 }, { userId: 'bob', status: 'online', devices: 1 }
  ])
  await until('connections are back', async () => (await near.userConnect('alice', 'u4', 2)).length === 2)
  t.same(await near.userConnect('alice', 'u4', 2), ['u1', 'u2'])
})

await t.test('a store that fell back to an earlier state is corrected both ways', async (t) => {
  const { near, far, names } = await pair(t)
  const room = await mirror(near, 'r:room')
  await far.presenceAttach('r:room', 'gone', 'c', Infinity)
  await far.presenceAttach('r:room', 'stays', 'c', Infinity)
  await far.userConnect('gone', 'c', Infinity)
  const kept = await Promise.all(Array.from(await keys(names), async ([key, ttl]) => ({ key, ttl, value: await admin.dumpBuffer(key) })))
  const counters = await admin.hgetall(names.service('nodes'))
  await far.presenceDetach('r:room', 'gone', 'c', 0)
  await far.userDisconnect('gone', 'c')
  await far.presenceAttach('r:room', 'new', 'c', Infinity)
  await near.presenceAttach('r:other', 'new', 'c', Infinity)
  await until('both have shown themselves since', async () => {
    const now = await admin.hgetall(names.service('nodes'))
    return Object.entries(counters).every(([node, counter]) => Number(now[node]) > Number(counter))
  })
  await admin.flushall()
  for (const { key, ttl, value } of kept) await admin.restore(key, Math.max(0, ttl), value, 'REPLACE')
  const expected = ['new', 'stays']
  await until('who left is gone, who came is there', async () => {
    return JSON.stringify((await members(far, 'r:room')).map(({ userId }) => userId)) === JSON.stringify(expected)
  })
  await room.until(() => JSON.stringify(room.members().map(({ userId }) => userId)) === JSON.stringify(expected))
  await until('in another room', async () => (await members(far, 'r:other')).length === 1)
  await until('the connection too', async () => (await near.userConnect('gone', 'd', 1)).length === 0)
  await consistent(t, names, 'r:room')
})

await t.test('an attach whose outcome is unknown is taken back, whenever it takes effect', async (t) => {
  // So rare that the link is not given up meanwhile: what was sent on it is carried out in the end.
  const { near, far } = await pair(t, 15_000, 20_000)
  const room = await mirror(far, 'r:room')
  await near.presenceAttach('r:room', 'alice', 'c', Infinity)
  const paused = performance.now()
  await admin.call('client', 'pause', 3_500, 'ALL')
  await Promise.all([
    t.rejects(near.presenceAttach('r:room', 'bob', 'c', Infinity), { name: 'BridgeError' }),
    t.rejects(near.userConnect('bob', 'c', Infinity), { name: 'BridgeError' })
  ])
  t.ok(performance.now() - paused < 3_400, 'in bounded time')
  await near.presenceDetach('r:room', 'alice', 'c', 0)
  await room.until(() => room.version() > 0 && room.members().length === 0)
  await until('bob is not in', async () => (await members(far, 'r:room')).length === 0)
  await until('nor registered', async () => (await far.userConnect('bob', 'd', 1)).length === 0)
})

await t.test('a single key that was evicted is given back, too', async (t) => {
  const { near, far, names } = await pair(t)
  const room = await mirror(near, 'r:room')
  await far.presenceAttach('r:room', 'alice', 'c', Infinity)
  await far.userConnect('alice', 'c', Infinity)
  await admin.del(names.key('r:room', 'presence'), names.key('u:alice', 'connections'))
  await room.until(() => room.events.length > 1)
  t.same(await members(far, 'r:room'), [{ userId: 'alice', status: 'online', devices: 1 }])
  await until('the connection', async () => (await near.userConnect('alice', 'd', 1)).includes('c'))
})

await t.test('Redis restarted with nothing: the nodes give it back what they have', async (t) => {
  const own = await startRedis(t)
  const bridge = redisBridge({ port: own.port, prefix: 'restart', lease: 600, probe: 300 })
  t.teardown(() => bridge.close())
  await bridge.start(QUIET)
  const room = await mirror(bridge, 'r:room')
  await bridge.presenceAttach('r:room', 'alice', 'c1', Infinity)
  await bridge.presenceAttach('r:room', 'bob', 'c1', Infinity)
  await own.kill()
  await until('it is down', async () => bridge.status().state === 'down')
  await t.rejects(bridge.presenceAttach('r:room', 'carol', 'c1', Infinity), { code: 'unavailable' })
  const detached = Promise.all([bridge.presenceDetach('r:room', 'bob', 'c1', 0), bridge.presenceDetach('r:room', 'carol', 'c1', 60_000)])
  await own.restart()
  await detached
  await until('alice is back', async () => (await members(bridge, 'r:room')).length === 1)
  await room.until(() => room.members().length === 1)
  t.same(room.members().map(({ userId }) => userId), ['alice'])
})

await t.test('a call that comes late, or from a dead incarnation, changes nothing', async (t) => {
  const { near, far, names } = await pair(t)
  await near.presenceAttach('r:room', 'alice', 'c', Infinity)
  const apply = loadScript('sender', 'presence', 'presence-apply')
  const attach = async (node: string, incarnation: number, call: number): Promise<unknown> => {
    const reply = await admin.eval(
      apply.source, 2, names.key('r:room', 'presence'), names.key('r:room', 'presence-senders'),
      node, incarnation, call, 'PUBLISH', names.channel('r:room'), 'e', 'attach', 'ghost', 'c', '', '', ''
    )
    return Array.isArray(reply) ? reply[0] : reply
  }
  t.equal(await attach('other', 1, 7), 'ok')
  t.equal(await attach('other', 1, 7), 'ok', 'the same again')
  const { version } = await far.presenceRead('r:room')
  t.equal(await attach('other', 1, 6), 'stale')
  const sweep = loadScript('sender', 'presence', 'presence-sweep')
  await admin.eval(
    sweep.source, 2, names.key('r:room', 'presence'), names.key('r:room', 'presence-senders'), 'other', 1, 's', 'PUBLISH', names.channel('r:room'), '0'
  )
  t.same((await members(far, 'r:room')).map(({ userId }) => userId), ['alice'])
  t.equal(await attach('other', 1, 8), 'dead')
  t.equal(await attach('other', 2, 9), 'ok', 'its next one is not')
  t.equal((await far.presenceRead('r:room')).version, version + 2)
})

await t.test('big rooms: fan-out and sweep come in parts', async (t) => {
  const { near, far } = await pair(t, 3_000)
  const room = await mirror(near, 'r:room')
  const meta = 'x'.repeat(2_000)
  await Promise.all(Array.from({ length: 1_500 }, async (_, number) => {
    await far.presenceAttach('r:room', `user-${number}`, 'c', Infinity)
    await far.presenceUpdate('r:room', `user-${number}`, { meta })
  }))
  t.equal((await near.presenceRead('r:room')).members.length, 1_500)
  await room.until(() => room.changes('updated').length === 1_500)
  await far.close()
  await room.until(() => room.members().length === 0)
  t.equal(room.changes('left').length, 1_500)
  t.same(room.holes, [])
})

await t.test('garbage in the place of a change is dropped', async (t) => {
  const { near, far, names } = await pair(t)
  const room = await mirror(near, 'r:room')
  const change = { epoch: 'e', version: 5, before: 'x', chain: 'y', timestamp: 1, events: [] }
  const member = { userId: 'mallory', status: 'x', devices: 1 }
  for (const body of ['', 'null', '[]', '{}', JSON.stringify(change), JSON.stringify({ ...change, events: [{ change: 'joined' }] }),
    JSON.stringify({ ...change, events: [{ change: 'crowned', member }] }), JSON.stringify({ ...change, events: [{ change: 'joined', member }] })]) {
    await admin.publish(names.channel('r:room'), `1P\n${body}`)
  }
  await far.presenceAttach('r:room', 'alice', 'c', Infinity)
  await room.until(() => room.members().length > 0)
  t.same(room.members().map(({ userId }) => userId), ['alice'])
})

await t.test('the newest connection is not taken for the oldest when the clock of the store was set back', async (t) => {
  const { near, names } = await pair(t)
  await near.userConnect('alice', 'c1', 1)
  await admin.hset(names.key('u:alice', 'connections'), 'c2', `${(Date.now() + 3_600_000) * 1_000} other:1`)
  t.same(await near.userConnect('alice', 'c3', 1), ['c1', 'c2'])
})
