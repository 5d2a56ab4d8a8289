import t from 'tap'
import { createApp } from './helpers/app.js'

const rooms = { 'live:{id}': { join: () => true, publish: 'members' as const, history: false as const } }

await t.test('a volatile room delivers without positions', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) {
    const joined = await client.request({ type: 'join', roomId: 'live:1', since: 'start', history: 5 })
    t.same(joined, { type: 'ack', id: joined.id, roomId: 'live:1' })
  }
  const ack = await ann.request({ type: 'message', roomId: 'live:1', event: 'move', content: [1, 2], key: 'k' })
  t.same(ack, { type: 'ack', id: ack.id, roomId: 'live:1', timestamp: ack.timestamp, key: 'k' })
  const result = await app.realtime.notifyRoom('live:1', 'move', 3)
  t.same(Object.keys(result), ['timestamp'])
  for (const client of [ann, bob]) {
    t.same(await client.next('message'), {
      type: 'message', roomId: 'live:1', event: 'move', userId: 'ann', content: [1, 2], key: 'k', timestamp: ack.timestamp
    })
    t.same(await client.next('message'), { type: 'message', roomId: 'live:1', event: 'move', userId: null, content: 3, timestamp: result.timestamp })
  }
})

await t.test('nothing is kept for who comes later', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  await app.realtime.notifyRoom('live:1', 'n', 1)
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'live:1' })
  await ann.request({ type: 'leave', roomId: 'live:1' })
  await app.realtime.notifyRoom('live:1', 'n', 2)
  await ann.request({ type: 'join', roomId: 'live:1', history: 5 })
  await app.realtime.notifyRoom('live:1', 'n', 3)
  t.match(await ann.next('message'), { content: 3 })
  t.equal(ann.all('message').length, 1)
  await t.rejects(app.realtime.history('live:1'), { code: 'RT_ERR_BAD_ARGUMENT' })
  t.match(await ann.request({ type: 'history', roomId: 'live:1', limit: 1 }), { code: 'bad_request' })
})

await t.test('a resume of one answers its name', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  t.same((await ann.request({ type: 'resume', rooms: [{ roomId: 'live:1', since: 'anything', history: 3 }] })).rooms, [{ roomId: 'live:1' }])
})

await t.test('the order of one sender is kept', async (t) => {
  const { connect } = await createApp(t, {
    rooms, limits: { messages: { max: 1000, timeWindow: '1s' }, messagesPerUser: { max: 1000, timeWindow: '1s' } }
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'live:1' })
  for (let n = 0; n < 200; n++) ann.send({ type: 'message', roomId: 'live:1', content: n })
  await bob.next((frame) => frame.content === 199)
  t.same(bob.all('message').map(({ content }) => content), Array.from({ length: 200 }, (_, n) => n))
})
