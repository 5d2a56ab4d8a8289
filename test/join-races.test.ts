import t from 'tap'
import type { Test } from 'tap'
import { BridgeError, roomChannel } from '../lib/bridge/bridge.js'
import { Refusal } from '../lib/index.js'
import { gate } from './helpers/events.js'
import type { Gate } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient, TestNode } from './helpers/node.js'
import type { HeldMethod } from './helpers/slow-bridge.js'

const ROOM = 'chat:1'
const CHANNEL = roomChannel(ROOM)

/** Has the server put a user into the room; the number of connections that are in. */
async function place ({ bridge }: TestNode, { connection }: FakeClient): Promise<unknown> {
  const { replies } = await bridge.control({ type: 'join-user', userId: connection.userId, roomId: ROOM }, 5_000)
  return replies[0]?.value
}

/** Nothing of the room is left on this node: no subscription, nobody present. */
async function clean (t: Test, { bridge, clock }: TestNode): Promise<void> {
  await turns()
  clock.advance(5_000)
  await turns()
  t.notOk(bridge.subscribed.has(CHANNEL), 'no subscription is left')
  t.same((await bridge.presenceRead(CHANNEL)).members, [], 'nobody is present')
}

/** A node whose policy or hook does not come to before the test says so; what its hooks did. */
async function hangingNode (t: Test, stage: string): Promise<{ made: TestNode, entered: Gate, waiting: Gate, log: string[] }> {
  const waiting = gate()
  const entered = gate()
  const log: string[] = []
  const hang = async (name: string): Promise<void> => {
    if (name !== stage) return
    entered.open()
    await waiting.opened
  }
  const made = await createNode(t, {
    rooms: {
      'chat:{id}': {
        presence: true,
        join: async () => { await hang('join'); return true },
        onJoin: async () => { await hang('onJoin'); log.push('join') },
        onLeave: () => { log.push('leave') }
      }
    }
  })
  return { made, entered, waiting, log }
}

const stages: HeldMethod[] = ['subscribe', 'read', 'presenceAttach']

await t.test('a connection that dies while its join is under way leaves nothing behind', async (t) => {
  for (const stage of stages) {
    for (const when of ['before', 'after'] as const) {
      const log: string[] = []
      const made = await createNode(t, {
        rooms: { 'chat:{id}': { join: () => true, presence: true, onJoin: () => { log.push('join') }, onLeave: () => { log.push('leave') } } }
      })
      const ann = await made.connect('ann')
      const held = made.bridge.hold(stage, when)
      ann.send({ type: 'join', id: 1, roomId: ROOM, since: 'start' })
      await held.arrived()
      ann.drop()
      held.open()
      await clean(t, made)
      t.equal(log.filter((entry) => entry === 'join').length, log.filter((entry) => entry === 'leave').length, `hooks are paired (${stage}, ${when})`)
    }
  }
})

await t.test('a connection that dies while it joins does not cut short the grace of the one before it', async (t) => {
  for (const [code, when, stays] of [[1006, 'before', true], [1006, 'after', true], [1001, 'after', true], [1000, 'before', false], [1000, 'after', false]] as const) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, presence: true } } })
    const bob = await made.connect('bob')
    await bob.request({ type: 'join', roomId: ROOM, presence: true })
    const ann = await made.connect('ann')
    await ann.request({ type: 'join', roomId: ROOM })
    ann.drop()
    const again = await made.connect('ann')
    const held = made.bridge.hold('presenceAttach', when)
    again.send({ type: 'join', id: 1, roomId: ROOM })
    await held.arrived()
    again.drop(code)
    held.open()
    await turns()
    made.clock.advance(4_900)
    await turns()
    t.same(bob.all('presence').map(({ change }) => change), stays ? ['joined'] : ['joined', 'left'], `closed with ${code}, ${when}`)
    made.clock.advance(200)
    await turns()
    t.same(bob.all('presence').map(({ change }) => change), ['joined', 'left'], 'and no longer than that')
  }
})

await t.test('a refusal ends what the join began at once', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, presence: true } } })
  const bob = await made.connect('bob')
  await bob.request({ type: 'join', roomId: ROOM, presence: true })
  const ann = await made.connect('ann')
  const held = made.bridge.hold('presenceAttach', 'after')
  const answer = ann.request({ type: 'join', roomId: ROOM })
  await held.arrived()
  made.clock.advance(1)
  await made.bridge.remove(CHANNEL, { userId: 'ann', retention: { size: 10, ttl: 60_000 } })
  held.open()
  t.match(await answer, { code: 'forbidden' })
  await turns()
  t.same(bob.all('presence').map(({ change }) => change), ['joined', 'left'])
})

await t.test('while the bridge is down nobody joins, not even where the room is subscribed', async (t) => {
  const asked: string[] = []
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: ({ user }) => { asked.push(user.id); return true } } } })
  const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
  await ann.request({ type: 'join', roomId: ROOM })
  made.bridge.down()
  t.match(await bob.request({ type: 'join', roomId: ROOM }), { type: 'error', code: 'unavailable', retryable: true, roomId: ROOM })
  t.match(await bob.request({ type: 'resume', rooms: [{ roomId: ROOM }] }), { type: 'ack', rooms: [{ roomId: ROOM, error: { code: 'unavailable' } }] })
  t.equal(await place(made, bob), 0, 'nor does the server put anybody in')
  t.same(asked, ['ann'], 'and no policy is bothered')
  t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'a member is one already')
  t.match(await bob.request({ type: 'join', roomId: 'nothing:1' }), { code: 'forbidden' })
  made.bridge.up()
  t.match(await bob.request({ type: 'join', roomId: ROOM }), { type: 'ack' })
})

await t.test('likewise while a policy or a hook is asked', async (t) => {
  for (const stage of ['join', 'onJoin'] as const) {
    const { made, entered, waiting, log } = await hangingNode(t, stage)
    const ann = await made.connect('ann')
    ann.send({ type: 'join', id: 1, roomId: ROOM })
    await entered.opened
    ann.drop()
    waiting.open()
    await clean(t, made)
    t.same(log, stage === 'join' ? [] : ['join', 'leave'])
  }
})

await t.test('a join that hangs is answered unavailable, and what it had is given back when it comes to', async (t) => {
  for (const stage of [...stages, 'join', 'onJoin'] as const) {
    const { made, entered, waiting, log } = await hangingNode(t, stage)
    const ann = await made.connect('ann')
    const held = stage === 'join' || stage === 'onJoin' ? null : made.bridge.hold(stage)
    const answer = ann.request({ type: 'join', roomId: ROOM, since: 'start' })
    await (held === null ? entered.opened : held.arrived())
    made.clock.advance(9_900)
    await turns()
    t.equal(ann.all('error').length, 0, 'patience lasts 10 s')
    made.clock.advance(200)
    t.match(await answer, { type: 'error', code: 'unavailable', retryable: true, roomId: ROOM }, stage)
    waiting.open()
    held?.open()
    await clean(t, made)
    t.equal(log.filter((entry) => entry === 'join').length, log.filter((entry) => entry === 'leave').length, 'hooks are paired')
    t.notOk(ann.connection.memberships.has(ROOM))
    if (stage === 'join' || stage === 'onJoin') continue
    t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'the next one works')
  }
})

await t.test('a bridge that fails is answered unavailable, and nothing is left', async (t) => {
  for (const stage of stages) {
    const log: string[] = []
    const made = await createNode(t, {
      rooms: { 'chat:{id}': { join: () => true, presence: true, onJoin: () => { log.push('join') }, onLeave: () => { log.push('leave') } } }
    })
    const ann = await made.connect('ann')
    const held = made.bridge.hold(stage)
    const answer = ann.request({ type: 'join', roomId: ROOM, since: 'start' })
    await held.arrived()
    held.fail(new BridgeError('unavailable', 'the store is away'))
    t.match(await answer, { type: 'error', code: 'unavailable' })
    held.open()
    await clean(t, made)
    t.equal(log.filter((entry) => entry === 'join').length, log.filter((entry) => entry === 'leave').length)
    t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'and the next join works')
  }
})

await t.test('a hook that refuses leaves nothing behind', async (t) => {
  const log: string[] = []
  const made = await createNode(t, {
    rooms: { 'chat:{id}': { join: () => true, presence: true, onJoin: () => { throw new Refusal('no', { content: [1] }) }, onLeave: () => { log.push('leave') } } }
  })
  const ann = await made.connect('ann')
  t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'error', code: 'refused', message: 'no', content: [1] })
  await clean(t, made)
  t.same(log, [], 'who never joined does not leave')
})

await t.test('rooms that wait for the answer of a resume take their places', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } }, limits: { rooms: 2 } })
  const ann = await made.connect('ann')
  const held = made.bridge.hold('read')
  const resumed = ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1' }, { roomId: 'chat:2', since: 'start' }] })
  await held.arrived()
  await turns()
  t.match(await ann.request({ type: 'join', roomId: 'chat:3' }), { type: 'error', code: 'limit_reached' })
  held.open()
  t.match((await resumed).rooms, [{ roomId: 'chat:1', position: String }, { roomId: 'chat:2', recovered: true }])
  await ann.request({ type: 'leave', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'join', roomId: 'chat:3' }), { type: 'ack' })
})

await t.test('the last place goes to one of those who ask at once', async (t) => {
  for (const presence of [true, false]) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, members: 2, presence } } })
    const [ann, bob, cat] = [await made.connect('ann'), await made.connect('bob'), await made.connect('cat')]
    await ann.request({ type: 'join', roomId: ROOM })
    const held = presence ? made.bridge.hold('presenceAttach') : made.bridge.hold('read')
    const answers = [bob, cat].map((client) => client.request({ type: 'join', roomId: ROOM, history: 5 }))
    await turns()
    held.open()
    const codes = (await Promise.all(answers)).map(({ type, code }) => code ?? type)
    t.same(codes, ['ack', 'limit_reached'], presence ? 'with presence' : 'without')
    const bobs = await made.connect('bob')
    t.match(await bobs.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'another device of a member takes no place')
    bob.drop()
    bobs.drop(1000)
    made.clock.advance(10_000)
    await turns()
    t.match(await cat.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'a place that is free again')
  }
})

await t.test('nor does the server put more users into a room than it holds', async (t) => {
  for (const presence of [true, false]) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, members: 2, presence } } })
    const [ann, bob, cat] = [await made.connect('ann'), await made.connect('bob'), await made.connect('cat')]
    const bobs = await made.connect('bob')
    await ann.request({ type: 'join', roomId: ROOM })
    const held = made.bridge.hold('presenceAttach')
    const placed = Promise.all([place(made, bob), place(made, cat)])
    await turns()
    held.open()
    t.same(await placed, [2, 0], presence ? 'with presence' : 'without')
    t.equal(await place(made, bobs), 2, 'another device of a member takes no place')
    t.equal(cat.all('joined').length, 0)
  }
})

await t.test('a removal undoes joins that were allowed before it', async (t) => {
  for (const [stage, retention] of [['subscribe', true], ['subscribe', false], ['read', true], ['presenceAttach', true]] as const) {
    for (const when of ['before', 'after'] as const) {
      const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, presence: true, ...(retention ? {} : { history: false }) } } })
      const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
      const held = made.bridge.hold(stage, when)
      const answers = [ann, bob].map((client) => client.request({ type: 'join', roomId: ROOM, since: 'start' }))
      await held.arrived()
      await turns()
      made.clock.advance(1)
      await made.bridge.remove(CHANNEL, { userId: 'ann', retention: retention ? { size: 10, ttl: 60_000 } : null })
      held.open()
      const [first, second] = await Promise.all(answers)
      t.match(first, { type: 'error', code: 'forbidden' }, `${stage}, ${when}`)
      t.match(second, { type: 'ack' })
      made.clock.advance(1)
      t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'ack' }, 'a policy asked after the removal decides anew')
    }
  }
})

await t.test('a removal before the policy is asked does not stand in its way', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } } })
  const ann = await made.connect('ann')
  await made.bridge.remove(CHANNEL, { userId: 'ann', retention: { size: 10, ttl: 60_000 } })
  made.clock.advance(1)
  t.match(await ann.request({ type: 'join', roomId: ROOM }), { type: 'ack' })
})

await t.test('a join allowed for a credential that was replaced meanwhile does not take effect', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: ({ user }) => user.admin === true } } })
  const ann = await made.connect('ann')
  const admin = { id: 'ann', admin: true }
  await made.bridge.control({ type: 'renew', connectionId: ann.connection.id, user: admin, expiresAt: null }, 1000)
  const held = made.bridge.hold('subscribe')
  const answer = ann.request({ type: 'join', roomId: ROOM })
  await held.arrived()
  await made.bridge.control({ type: 'renew', connectionId: ann.connection.id, user: { id: 'ann' }, expiresAt: null }, 1000)
  held.open()
  t.match(await answer, { type: 'error' })
  t.notOk(ann.connection.memberships.has(ROOM))
})

// --- in the middle of a fan-out in slices ---

async function crowd (made: TestNode, size: number): Promise<FakeClient[]> {
  const clients: FakeClient[] = []
  for (let i = 0; i < size; i++) {
    const client = await made.connect(`user-${i}`)
    await client.request({ type: 'join', roomId: ROOM })
    clients.push(client)
  }
  return clients
}

const RETENTION = { size: 100, ttl: 60_000 }

function publish (made: TestNode, n: number): Promise<unknown> {
  return made.bridge.publish({
    channel: CHANNEL, head: `{"type":"message","roomId":"${ROOM}","event":"n","userId":null,"content":${n}`, retention: RETENTION
  })
}

await t.test('nothing follows left, whatever is asked while the removal is on its way', async (t) => {
  const requests = [
    { type: 'join', roomId: ROOM },
    { type: 'join', roomId: ROOM, since: 'start' },
    { type: 'history', roomId: ROOM, limit: 10 },
    { type: 'presence', roomId: ROOM },
    { type: 'message', roomId: ROOM, content: 1 },
    { type: 'status', roomId: ROOM, status: 'busy' },
    { type: 'leave', roomId: ROOM }
  ]
  for (const request of requests) {
    let allowed = true
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => allowed, presence: true, publish: 'members' } } })
    const clients = await crowd(made, 600)
    const last = clients.at(-1)
    if (last === undefined) return
    allowed = false
    made.clock.advance(1)
    void publish(made, 1)
    await new Promise((resolve) => setImmediate(resolve))
    // The pass of the first message is under way; what follows is behind it.
    void publish(made, 2)
    await made.bridge.remove(CHANNEL, { userId: last.connection.userId, retention: RETENTION })
    void publish(made, 3)
    const answer = await last.request(request)
    await turns(20)
    t.match(answer, { type: 'error' }, request.type)
    const mine = last.frames.filter((frame) => frame.roomId === ROOM)
    const left = mine.findIndex((frame) => frame.type === 'left')
    t.match(mine[left], { reason: 'removed' })
    t.same(mine.slice(left + 1).filter((frame) => frame.type !== 'error'), [], 'nothing of the room behind it')
    t.same(last.all('message').map((frame) => frame.content), [1, 2])
    t.same(clients[0]?.all('message').map((frame) => frame.content), [1, 2, 3])
  }
})

await t.test('nor when the removal is in the pass and the rest behind it', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } } })
  const clients = await crowd(made, 600)
  const last = clients.at(-1)
  if (last === undefined) return
  made.clock.advance(1)
  void publish(made, 1)
  await made.bridge.remove(CHANNEL, { userId: last.connection.userId, retention: RETENTION })
  await new Promise((resolve) => setImmediate(resolve))
  void publish(made, 2)
  t.match(await last.request({ type: 'history', roomId: ROOM, limit: 10 }), { code: 'not_member' })
  await turns(20)
  t.same(last.all('message').map((frame) => frame.content), [1])
  t.equal(last.all('left').length, 1)
})

await t.test('a read that fails tells a live member of a gap, unless it was removed meanwhile', async (t) => {
  for (const removed of [false, true]) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } } })
    const ann = await made.connect('ann')
    await ann.request({ type: 'join', roomId: ROOM })
    await publish(made, 1)
    const held = made.bridge.hold('read')
    const answer = ann.request({ type: 'join', roomId: ROOM, since: 'start' })
    await held.arrived()
    await publish(made, 2)
    made.clock.advance(1)
    if (removed) await made.bridge.remove(CHANNEL, { userId: 'ann', retention: RETENTION })
    held.fail(new BridgeError('unavailable', 'the store is away'))
    t.match(await answer, { type: 'error', code: 'unavailable' })
    held.open()
    await publish(made, 3)
    await turns()
    const seen = ann.frames.filter(({ type }) => type !== 'welcome' && type !== 'ack' && type !== 'error')
    if (removed) t.match(seen, [{ type: 'message', content: 1 }, { type: 'left', reason: 'removed' }])
    else t.match(seen, [{ type: 'message', content: 1 }, { type: 'reset', roomId: ROOM, position: String }, { type: 'message', content: 3 }])
  }
})

await t.test('a room whose lane is held does not hold up the others of a resume', async (t) => {
  const waiting = gate()
  const made = await createNode(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', onMessage: () => waiting.opened } }
  })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  ann.send({ type: 'message', id: 100, roomId: 'chat:1', content: 1 })
  const resumed = ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1' }, { roomId: 'chat:2' }] })
  await turns()
  made.clock.advance(10_100)
  t.match((await resumed).rooms, [{ roomId: 'chat:1', error: { code: 'unavailable', retryable: true } }, { roomId: 'chat:2', position: String }])
  waiting.open()
  t.match(await ann.next((frame) => frame.id === 100), { type: 'error', code: 'unavailable' })
  t.match(await ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1' }] }), { type: 'ack', rooms: [{ position: String }] })
})

await t.test('the hooks of a leave are through before those of the next join', async (t) => {
  const waiting = gate()
  const log: string[] = []
  const made = await createNode(t, {
    rooms: {
      'chat:{id}': {
        join: () => true,
        onJoin: () => { log.push('join') },
        onLeave: async () => { await waiting.opened; log.push('leave') }
      }
    }
  })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: ROOM })
  t.match(await ann.request({ type: 'leave', roomId: ROOM }), { type: 'ack' }, 'the ack does not wait for them')
  const joined = ann.request({ type: 'join', roomId: ROOM })
  await turns()
  t.same(log, ['join'])
  waiting.open()
  t.match(await joined, { type: 'ack' })
  t.same(log, ['join', 'leave', 'join'])
})

await t.test('frames about a room after the connection is gone reach no policy', async (t) => {
  const waiting = gate()
  let asked = 0
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: async () => { asked++; await waiting.opened; return true } } } })
  const ann = await made.connect('ann')
  for (let id = 1; id <= 3; id++) ann.send({ type: 'join', id, roomId: ROOM })
  ann.drop()
  waiting.open()
  await clean(t, made)
  t.equal(asked, 1)
})
