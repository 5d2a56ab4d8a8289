import t from 'tap'
import { createApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { Timers } from '../lib/core/timers.js'
import { UserQuotas } from '../lib/core/user-quotas.js'
import { createFakeClock } from './helpers/clock.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient } from './helpers/node.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }
const roomId = 'chat:1'
const unlimited = { max: 100_000, timeWindow: '1s' }

const limited = (client: { all (type: string): ServerFrame[] }): ServerFrame[] =>
  client.all('error').filter((frame) => frame.code === 'rate_limited')

const call = (client: FakeClient): void => client.send({ type: 'call', id: nextId++, event: 'none', content: null })
let nextId = 1

await t.test('beyond the limit of a connection frames are refused, and told when to come back', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { messages: { max: 5, timeWindow: '2s' } } })
  const ann = await connect('ann')
  const answers = await Promise.all(Array.from({ length: 8 }, () => ann.request({ type: 'join', roomId })))
  t.same(answers.map((answer) => answer.type), ['ack', 'ack', 'ack', 'ack', 'ack', 'error', 'error', 'error'])
  for (const answer of answers.slice(5)) {
    t.match(answer, { code: 'rate_limited', retryable: true, retryAfter: Number, roomId })
    t.ok(answer.retryAfter > 0 && answer.retryAfter <= 400)
    t.ok(Number.isInteger(answer.retryAfter))
  }
  t.equal(ann.ws.readyState, ann.ws.OPEN)
})

await t.test('tokens come back with time, one by one', async (t) => {
  const { clock, accept } = await createNode(t, { limits: { messages: { max: 10, timeWindow: '10s' } } })
  const ann = accept('ann')
  await turns()
  for (let i = 0; i < 12; i++) call(ann)
  await turns()
  t.same(limited(ann).map((frame) => frame.retryAfter), [1000, 1000])
  clock.advance(999)
  call(ann)
  await turns()
  t.equal(limited(ann).length, 3)
  clock.advance(1)
  call(ann)
  await turns()
  t.equal(limited(ann).length, 3)
  clock.advance(10_000)
  for (let i = 0; i < 10; i++) call(ann)
  await turns()
  t.equal(limited(ann).length, 3, 'a whole burst after a whole window')
})

await t.test('every frame counts: pong, received, refused ones and unknown ones', async (t) => {
  const spend: Array<[string, object | string]> = [
    ['pong', { type: 'pong' }],
    ['received', { type: 'received', positions: ['x'] }],
    ['not a member', { type: 'leave', id: 1, roomId }],
    ['bad request', { type: 'join', id: 1 }],
    ['unknown type', { type: 'newer', id: 1 }],
    ['bad frame', '{']
  ]
  for (const [name, frame] of spend) {
    const { accept } = await createNode(t, { limits: { messages: { max: 3, timeWindow: '10s' } } })
    const ann = accept('ann')
    await turns()
    for (let i = 0; i < 3; i++) ann.send(frame)
    t.match(await ann.ask({ type: 'call', event: 'none', content: null }), { code: 'rate_limited' }, name)
  }
})

await t.test('what is refused for its number is refused whatever it is', async (t) => {
  const { accept } = await createNode(t, { limits: { messages: { max: 10, timeWindow: '10s' } } })
  const ann = accept('ann')
  await turns()
  for (let i = 0; i < 10; i++) call(ann)
  t.match(await ann.ask({ type: 'newer' }), { code: 'rate_limited', retryAfter: Number })
  t.match(await ann.ask({ type: 'join' }), { code: 'rate_limited' })
  ann.send('nonsense')
  ann.send({ type: 'message', roomId, content: 1, key: 'k' })
  await turns()
  t.match(limited(ann).at(-1), { roomId, key: 'k' }, 'also without an id one learns which')
  ann.send({ type: 'pong' })
  await turns()
  t.notOk('id' in (limited(ann).at(-1) ?? {}))
  t.equal(limited(ann).length, 5)
})

await t.test('the limit of a user holds over all devices, and leaves others alone', async (t) => {
  const { accept, clock, node } = await createNode(t, { limits: { messages: unlimited, messagesPerUser: { max: 6, timeWindow: '6s' } } })
  const phone = accept('ann')
  const laptop = accept('ann')
  const bob = accept('bob')
  await turns()
  for (let i = 0; i < 4; i++) {
    call(phone)
    call(laptop)
    call(bob)
  }
  await turns()
  t.equal(limited(phone).length + limited(laptop).length, 2)
  t.match(limited(phone)[0] ?? limited(laptop)[0], { retryAfter: 1000 })
  t.same(limited(bob), [])
  phone.drop()
  await turns()
  t.match(await laptop.ask({ type: 'call', event: 'none', content: null }), { code: 'rate_limited' }, 'one device leaving frees nothing')
  clock.advance(1_000)
  t.match(await laptop.ask({ type: 'call', event: 'none', content: null }), { code: 'unknown_event' })
  t.equal(node.counts().users, 2)
})

await t.test('coming back brings no fresh budget', async (t) => {
  const { accept, clock, node } = await createNode(t, { limits: { messages: unlimited, messagesPerUser: { max: 6, timeWindow: '6s' } } })
  let ann = accept('ann')
  await turns()
  for (let i = 0; i < 6; i++) call(ann)
  for (let i = 0; i < 3; i++) {
    ann.drop()
    ann = accept('ann')
    await turns()
    call(ann)
    await turns()
    t.match(limited(ann), [{ retryAfter: 1000 }], 'the last connection has gone and the budget is still spent')
  }
  ann.drop()
  clock.advance(3_000)
  ann = accept('ann')
  await turns()
  for (let i = 0; i < 4; i++) call(ann)
  await turns()
  t.equal(limited(ann).length, 1, 'it fills as for somebody who stays')
  const bob = accept('bob')
  await turns()
  for (let i = 0; i < 7; i++) call(bob)
  await turns()
  t.equal(limited(bob).length, 1)
  t.same(node.counts(), { activeConnections: 2, rooms: 0, users: 2, messagesIn: 20, messagesOut: node.flusher.messagesOut, envelopesDropped: 0 })
})

await t.test('budgets of users who are away go when they are full again', async (t) => {
  const clock = createFakeClock()
  const timers = new Timers(clock)
  const quotas = new UserQuotas({ clock, timers, max: 10, timeWindow: 10_000 })
  for (let i = 0; i < 100; i++) {
    quotas.of(`user-${i}`).take(clock.now(), 1 + i % 10)
    quotas.left(`user-${i}`)
  }
  quotas.of('idle')
  quotas.left('idle')
  quotas.left('nobody')
  quotas.of('here').take(clock.now(), 10)
  t.equal(quotas.size, 101, 'one that was never used is not kept')
  t.equal(clock.armed, 1, 'one timer for all')
  clock.advance(5_000)
  quotas.of('late').take(clock.now(), 10)
  quotas.left('late')
  clock.advance(5_100)
  t.equal(quotas.size, 2)
  clock.advance(10_000)
  t.equal(quotas.size, 1)
  t.equal(clock.armed, 0)
  t.equal(quotas.of('here').take(clock.now(), 10), 0)
  for (let i = 0; i < 100_050; i++) {
    quotas.of(`many-${i}`).take(clock.now())
    quotas.left(`many-${i}`)
  }
  t.equal(quotas.size, 100_001, 'and there are never more than so many')
})

await t.test('going on at full speed all the same is flooding', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { messages: { max: 10, timeWindow: '10s' } } })
  const bob = await connect('bob')
  const floods: Array<[string, (client: TestClient, i: number) => void]> = [
    ['calls', (client, i) => client.send({ type: 'call', id: i + 1, event: 'none', content: null })],
    ['pongs', (client) => client.send({ type: 'pong' })],
    ['unknown types', (client) => client.send({ type: 'newer' })],
    ['bad requests', (client) => client.send({ type: 'join' })]
  ]
  for (const [name, flood] of floods) {
    const mallory = await connect('mallory')
    for (let i = 0; i < 100; i++) flood(mallory, i)
    t.same(await mallory.closed, { code: 4429, reason: 'flooding' }, name)
    t.ok(mallory.all('error').length <= 21, `${name}: ${mallory.all('error').length} answers`)
  }
  t.match(await bob.request({ type: 'join', roomId }), { type: 'ack' })
})

await t.test('being refused now and then is no offence', async (t) => {
  const { clock, accept } = await createNode(t, { limits: { messages: { max: 10, timeWindow: '10s' } } })
  const ann = accept('ann')
  await turns()
  for (let i = 0; i < 600; i++) {
    call(ann)
    if (i % 2 === 0) clock.advance(1_000)
  }
  await turns()
  t.equal(ann.closed, null)
  t.ok(limited(ann).length > 200)
})

await t.test('ten bad frames in a minute close, a single one is forgiven', async (t) => {
  const { clock, accept } = await createNode(t)
  const ann = accept('ann')
  await turns()
  for (let i = 0; i < 9; i++) ann.send('nonsense')
  await turns()
  t.equal(ann.closed, null)
  t.equal(ann.all('error').length, 9)
  clock.advance(30_000)
  ann.send({ type: 'pong' })
  clock.advance(30_100)
  for (let i = 0; i < 9; i++) ann.send('nonsense')
  await turns()
  t.equal(ann.closed, null, 'a minute forgives')
  ann.send('nonsense')
  t.same(ann.closed, { code: 4400, reason: 'repeated bad frames' })
  const newer = accept('ann')
  await turns()
  for (let i = 0; i < 50; i++) newer.send({ type: 'newer', id: i + 1 })
  await turns()
  t.equal(newer.closed, null, 'a newer client is no offender')
})

await t.test('an id is answered once, also when a frame that is refused repeats it', async (t) => {
  const { accept, node } = await createNode(t, { rooms: { 'slow:{id}': { join: () => new Promise<boolean>(() => {}) } } })
  const ann = accept('ann')
  await turns()
  ann.send({ type: 'join', id: 7, roomId: 'slow:1' })
  ann.send({ type: 'newer', id: 7 })
  ann.send({ type: 'call', id: 7, event: 'none', content: null })
  ann.send({ type: 'join', id: 7, roomId: 5 })
  await turns()
  t.same(ann.all('error').map(({ id, code }) => [id, code]), [[undefined, 'bad_frame'], [undefined, 'bad_frame'], [undefined, 'bad_frame']])
  t.equal(node.connections.size, 1)
})
