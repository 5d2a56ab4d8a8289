import { once } from 'node:events'
import t from 'tap'
import type { WebSocket } from 'ws'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { TestClient } from './helpers/client.js'
import { disconnected } from './helpers/events.js'
import { captureLog } from './helpers/log.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const, presence: true } }
const roomId = 'chat:1'

/** A client without a TCP socket. */
async function inject ({ app, token }: TestApp, userId: string): Promise<TestClient> {
  let client: TestClient | undefined
  await app.injectWS('/realtime', { headers: { authorization: `Bearer ${token(userId)}`, host: 'localhost' } }, {
    onInit: (ws: WebSocket) => { client = new TestClient(ws, true) }
  })
  if (client === undefined) throw new Error('not connected')
  await client.next('welcome')
  return client
}

await t.test('an injected connection is one like any other', async (t) => {
  const testApp = await createApp(t, { rooms })
  const { app, connect } = testApp
  const ann = await inject(testApp, 'ann')
  const bob = await connect('bob')
  t.match(await ann.request({ type: 'join', roomId, presence: true }), { type: 'ack', presence: { count: 1 } })
  await bob.request({ type: 'join', roomId })
  t.match(await ann.next('presence'), { userId: 'bob', change: 'joined' })
  await bob.request({ type: 'message', roomId, content: 'x'.repeat(50_000) })
  t.match(await ann.next('message'), { userId: 'bob' })
  await ann.request({ type: 'message', roomId, content: 'hi' })
  t.match(await bob.next((frame) => frame.userId === 'ann' && frame.type === 'message'), { content: 'hi' })
  await app.realtime.sendDirect('ann', 'n', 1)
  t.match(await ann.next('direct'), { content: 1 })
  for (let n = 0; n < 500; n++) await app.realtime.notifyRoom(roomId, 'n', n)
  for (const client of [ann, bob]) await client.next((frame) => frame.type === 'message' && frame.content === 499)
  t.equal((await app.realtime.stats()).activeConnections, 2)
  t.equal((await app.realtime.stats()).outboxBytes, 0)
})

await t.test('it is refused, closed and forgotten like any other', async (t) => {
  const testApp = await createApp(t, { rooms })
  const { app } = testApp
  await t.rejects(app.injectWS('/realtime', { headers: { host: 'localhost' } }), { message: /401/ })
  const ann = await inject(testApp, 'ann')
  ann.send('nonsense')
  t.match(await ann.next('error'), { code: 'bad_frame' })
  await app.realtime.disconnectUser('ann', 'bye')
  t.same(await ann.closed, { code: 4403, reason: 'bye' })
  const gone = disconnected(app, 'bob')
  const bob = await inject(testApp, 'bob')
  await bob.close()
  t.match(await gone, { code: 1000 })
  t.equal((await app.realtime.stats()).activeConnections, 0)
})

await t.test('it is drained when the app closes', async (t) => {
  const testApp = await createApp(t, { rooms })
  const ann = await inject(testApp, 'ann')
  const start = performance.now()
  const closed = testApp.app.close()
  await ann.next('goaway')
  t.match(await ann.closed, { code: 1012 })
  await closed
  t.ok(performance.now() - start < 1_500, 'without waiting for a deadline')
})

await t.test('its heart beats', async (t) => {
  const testApp = await createApp(t, { rooms, heartbeat: { interval: 100, timeout: 100 } })
  const ann = await inject(testApp, 'ann')
  for (let beat = 0; beat < 5; beat++) await once(ann.ws, 'ping')
  await ann.settled()
})

await t.test('also where the proxy is trusted, though there is no socket to ask for the address', async (t) => {
  const testApp = await createApp(t, { rooms, fastify: { trustProxy: true, logger: captureLog().logger } })
  await t.rejects(testApp.app.injectWS('/realtime', { headers: { host: 'localhost' } }), { message: /401/ })
  const ann = await inject(testApp, 'ann')
  await ann.settled()
})
