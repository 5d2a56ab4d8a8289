import t from 'tap'
import { createApp } from './helpers/app.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

await t.test('a member gets what is published in the room', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const joined = await ann.request({ type: 'join', roomId: 'chat:1' })
  t.equal(joined.type, 'ack')
  t.equal(joined.roomId, 'chat:1')
  t.type(joined.position, 'string')
  await app.realtime.notifyRoom('chat:1', 'order', { n: 1 })
  t.match(await ann.next('message'), { roomId: 'chat:1', event: 'order', userId: null, content: { n: 1 } })
})

await t.test('a forbidden room and one that does not exist get the same answer', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => false } } })
  const ann = await connect('ann')
  const forbidden = await ann.request({ type: 'join', roomId: 'chat:1' })
  const missing = await ann.request({ type: 'join', roomId: 'nothing:1' })
  t.match(forbidden, { type: 'error', code: 'forbidden' })
  t.same({ ...forbidden, id: 0, roomId: '' }, { ...missing, id: 0, roomId: '' })
})
