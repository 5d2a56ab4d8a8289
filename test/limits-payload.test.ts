import websocket from '@fastify/websocket'
import t from 'tap'
import { createApp } from './helpers/app.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }
const roomId = 'chat:1'

/** A message frame of exactly this many bytes. */
function frameOf (bytes: number): string {
  const empty = JSON.stringify({ type: 'message', id: 1, roomId, content: '' })
  return JSON.stringify({ type: 'message', id: 1, roomId, content: 'x'.repeat(bytes - empty.length) })
}

const cases: Array<[string, number | undefined]> = [['our own server', undefined], ['a larger one of the application', 1024 * 1024]]
for (const [name, maxPayload] of cases) {
  await t.test(`frames beyond limits.payload close with 1009: ${name}`, async (t) => {
    const { connect } = await createApp(t, {
      rooms,
      limits: { payload: 4096 },
      before: (app) => maxPayload === undefined ? undefined : app.register(websocket, { options: { maxPayload } })
    })
    const bob = await connect('bob')
    await bob.request({ type: 'join', roomId })
    const ann = await connect('ann')
    t.equal(ann.frames[0]?.limits.maxPayload, 4096)
    await ann.request({ type: 'join', roomId })
    ann.send(frameOf(4096))
    t.match(await ann.next('ack'), { type: 'ack', roomId })
    t.match(await bob.next('message'), { userId: 'ann' })
    ann.send(frameOf(4097))
    t.equal((await ann.closed).code, 1009)
    await bob.settled()
    t.equal(bob.all('message').length, 1)
  })
}

await t.test('a smaller server of the application is what clients are told', async (t) => {
  const { connect } = await createApp(t, {
    rooms,
    before: (app) => app.register(websocket, { options: { maxPayload: 2048 } })
  })
  const ann = await connect('ann')
  t.equal(ann.frames[0]?.limits.maxPayload, 2048)
  await ann.request({ type: 'join', roomId })
  ann.send(frameOf(2048))
  await ann.next('ack')
  ann.send(frameOf(2049))
  t.equal((await ann.closed).code, 1009)
})

await t.test('bytes count, not characters', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { payload: 1024 } })
  const ann = await connect('ann')
  ann.send({ type: 'call', id: 1, event: 'none', content: 'é'.repeat(600) })
  t.equal((await ann.closed).code, 1009)
})

await t.test('invalid UTF-8 closes with 1007', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  ann.ws.send(Buffer.from([0x7b, 0xff, 0x7d]), { binary: false })
  t.equal((await ann.closed).code, 1007)
})
