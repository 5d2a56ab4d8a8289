import t from 'tap'
import { createApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient } from './helpers/node.js'

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, typing: true },
  'live:{id}': { join: () => true, publish: 'members' as const, typing: true, history: false as const },
  'quiet:{id}': { join: () => true, publish: 'members' as const }
}
const roomId = 'chat:1'

const join = (client: TestClient, room = roomId): Promise<ServerFrame> => client.request({ type: 'join', roomId: room })

const typed = (client: { all (type: string): ServerFrame[] }): Array<[string, boolean]> =>
  client.all('typing').map(({ userId, typing }) => [userId, typing])

await t.test('others are told, the typist and the typist\'s other devices are not', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  await Promise.all([join(phone), join(laptop), join(bob)])
  phone.send({ type: 'typing', roomId, typing: true, userId: 'mallory' })
  t.strictSame(await bob.next('typing'), { type: 'typing', roomId, userId: 'ann', typing: true })
  phone.send({ type: 'typing', roomId, typing: false })
  t.match(await bob.next('typing'), { userId: 'ann', typing: false })
  await phone.settled()
  await laptop.settled()
  t.same([...phone.all('typing'), ...laptop.all('typing')], [])
  t.match(await phone.request({ type: 'typing', roomId, typing: true }), { type: 'ack' }, 'with an id it is acknowledged like any frame')
})

await t.test('typing ends with the message, with leaving and with the connection, each told once', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const bob = await connect('bob')
  await join(bob)
  const ends: Array<[string, (ann: TestClient) => unknown]> = [
    ['message', (ann) => ann.request({ type: 'message', roomId, content: 'hi' })],
    ['false, twice', (ann) => {
      ann.send({ type: 'typing', roomId, typing: false })
      ann.send({ type: 'typing', roomId, typing: false })
    }],
    ['leave', (ann) => ann.request({ type: 'leave', roomId })],
    ['close', (ann) => ann.close()],
    ['drop', (ann) => ann.ws.terminate()]
  ]
  for (const [how, end] of ends) {
    const ann = await connect(`ann ${how}`)
    await join(ann)
    ann.send({ type: 'typing', roomId, typing: true })
    t.match(await bob.next('typing'), { typing: true }, how)
    await end(ann)
    t.match(await bob.next('typing'), { userId: `ann ${how}`, typing: false }, how)
  }
  await bob.settled()
  t.equal(bob.all('typing').length, 2 * ends.length)
  const order = bob.frames.filter((frame) => frame.userId === 'ann message').map((frame) => frame.type)
  t.same(order, ['typing', 'message', 'typing'], 'the message is there when the typing ends')
})

await t.test('who is not in the room cannot type there, nor where the policy says no', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  await join(bob)
  t.match(await ann.request({ type: 'typing', roomId, typing: true }), { type: 'error', code: 'not_member', roomId })
  await join(ann, 'quiet:1')
  await join(bob, 'quiet:1')
  t.match(await ann.request({ type: 'typing', roomId: 'quiet:1', typing: true }), { type: 'error', code: 'forbidden', roomId: 'quiet:1' })
  t.match(await ann.request({ type: 'typing', roomId: 'quiet:1', typing: false }), { type: 'error', code: 'forbidden' })
  t.match(await ann.request({ type: 'typing', roomId: 'quiet:1' }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'typing', roomId: 'quiet:1', typing: 'yes' }), { type: 'error', code: 'bad_frame' })
  await bob.settled()
  t.same(bob.all('typing'), [])
})

await t.test('typing is never kept: not in history, not for who comes later', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  const { position } = await join(bob)
  await join(ann)
  await ann.request({ type: 'message', roomId, content: 1 })
  ann.send({ type: 'typing', roomId, typing: true })
  await bob.next('typing')
  t.equal((await app.realtime.history(roomId)).messages.length, 1)
  const carol = await connect('carol')
  const answer = await carol.request({ type: 'join', roomId, since: position, history: 10 })
  t.same(answer.messages.map((message: ServerFrame) => message.type), ['message'])
  await carol.settled()
  t.same(carol.all('typing'), [])
})

await t.test('typing works in a volatile room', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  await Promise.all([join(ann, 'live:1'), join(bob, 'live:1')])
  ann.send({ type: 'typing', roomId: 'live:1', typing: true })
  await bob.next('typing')
  await ann.request({ type: 'message', roomId: 'live:1', content: 1 })
  t.match(await bob.next('typing'), { typing: false })
})

/** On a clock that the test moves. */
const type = (client: FakeClient, typing = true): void => client.send({ type: 'typing', roomId, typing })

await t.test('six seconds of silence end it', async (t) => {
  const { clock, accept } = await createNode(t, { rooms })
  const ann = accept('ann')
  const bob = accept('bob')
  await turns()
  await ann.ask({ type: 'join', roomId })
  await bob.ask({ type: 'join', roomId })
  type(ann)
  await turns()
  clock.advance(3_000)
  type(ann)
  await turns()
  clock.advance(5_900)
  await turns()
  t.same(typed(bob), [['ann', true], ['ann', true]])
  clock.advance(150)
  await turns()
  t.same(typed(bob), [['ann', true], ['ann', true], ['ann', false]])
  clock.advance(20_000)
  await turns()
  t.equal(typed(bob).length, 3, 'told once')
  type(ann)
  await turns()
  t.same(typed(bob).at(-1), ['ann', true], 'and begins anew')
})

await t.test('repetitions are throttled', async (t) => {
  const { clock, accept } = await createNode(t, { rooms, limits: { messages: { max: 1000, timeWindow: '1s' }, messagesPerUser: { max: 1000, timeWindow: '1s' } } })
  const ann = accept('ann')
  const bob = accept('bob')
  await turns()
  await ann.ask({ type: 'join', roomId })
  await bob.ask({ type: 'join', roomId })
  for (let i = 0; i < 100; i++) {
    type(ann)
    clock.advance(100)
  }
  await turns()
  const { length } = typed(bob)
  t.ok(length >= 4 && length <= 6, `${length} of 100 in 10 s`)
  t.ok(typed(bob).every(([, typing]) => typing))
})

await t.test('with two devices it ends when the last one stops, and begins once', async (t) => {
  const { clock, accept } = await createNode(t, { rooms })
  const phone = accept('ann')
  const laptop = accept('ann')
  const bob = accept('bob')
  await turns()
  for (const client of [phone, laptop, bob]) await client.ask({ type: 'join', roomId })
  type(phone)
  type(laptop)
  await turns()
  t.same(typed(bob), [['ann', true]])
  type(phone, false)
  await turns()
  t.same(typed(bob), [['ann', true]])
  type(phone)
  await turns()
  t.same(typed(bob), [['ann', true]], 'others know already')
  phone.drop()
  await turns()
  t.same(typed(bob), [['ann', true]])
  clock.advance(2_500)
  type(laptop)
  await turns()
  t.same(typed(bob), [['ann', true], ['ann', true]], 'repeated for those who came later')
  clock.advance(6_100)
  await turns()
  t.same(typed(bob), [['ann', true], ['ann', true], ['ann', false]])
  t.same([...typed(phone), ...typed(laptop)], [])
})

await t.test('nothing is left behind', async (t) => {
  const { clock, accept, node } = await createNode(t, { rooms })
  const ann = accept('ann')
  await turns()
  await ann.ask({ type: 'join', roomId })
  type(ann)
  await turns()
  ann.drop()
  await turns()
  clock.advance(60_000)
  await turns()
  t.equal(node.connections.size, 0)
  t.equal(clock.armed, 0)
})
