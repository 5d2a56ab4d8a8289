import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from './helpers/app.js'
import { disconnected } from './helpers/events.js'
import { handshakeText } from './helpers/http-app.js'
import { createNode, turns } from './helpers/node.js'

const heartbeat = { interval: 100, timeout: 100 }

/** Two beats, and what timers and a busy machine add. */
const SOON = 1_500

/** A WebSocket client of bytes, which answers nothing by itself. */
async function rawClient (t: Test, app: FastifyInstance, token: string): Promise<Socket> {
  const { port } = app.server.address() as AddressInfo
  const socket = connectSocket(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(handshakeText(port, { headers: { Authorization: `Bearer ${token}` } }))
  return socket
}

/** Resolves when the server's end of the next connection is gone. */
function socketGone (app: FastifyInstance): Promise<number> {
  return new Promise((resolve) => {
    app.server.once('connection', (socket: Socket) => {
      socket.once('close', () => resolve(performance.now()))
    })
  })
}

await t.test('ping comes every interval, and a client that answers stays', async (t) => {
  const { connect } = await createApp(t, { heartbeat })
  const ann = await connect('ann')
  t.equal(ann.frames[0]?.heartbeat, 100)
  const start = performance.now()
  for (let beat = 0; beat < 10; beat++) await once(ann.ws, 'ping')
  const elapsed = performance.now() - start
  t.ok(elapsed > 700 && elapsed < 3_000, `ten beats in ${elapsed} ms`)
  await ann.settled()
})

await t.test('a protocol pong alone is life', async (t) => {
  const { connect } = await createApp(t, { heartbeat })
  const ann = await connect('ann', { pong: false })
  let pings = 0
  ann.ws.on('message', (data) => { if (data.toString() === '{"type":"ping"}') pings++ })
  for (let beat = 0; beat < 8; beat++) await once(ann.ws, 'ping')
  await ann.settled()
  t.ok(pings >= 7, `${pings} ping frames`)
})

await t.test('so is any frame', async (t) => {
  const { connect } = await createApp(t, { heartbeat })
  const ann = await connect('ann', { pong: false, autoPong: false })
  for (let beat = 0; beat < 8; beat++) {
    await once(ann.ws, 'ping')
    ann.send({ type: 'call', id: beat + 1, event: 'none', content: null })
  }
  await ann.settled()
})

await t.test('a client that goes silent is closed with 4408', async (t) => {
  const { app, connect } = await createApp(t, { heartbeat })
  const gone = disconnected(app, 'ann')
  const start = performance.now()
  const ann = await connect('ann', { pong: false, autoPong: false })
  t.same(await ann.closed, { code: 4408, reason: 'heartbeat missed' })
  const elapsed = performance.now() - start
  t.ok(elapsed >= 200 && elapsed < SOON, `${elapsed} ms`)
  t.match(await gone, { code: 4408 })
  t.equal((await app.realtime.stats()).activeConnections, 0)
})

await t.test('a peer that answers nothing, not even the close, is gone within two beats', async (t) => {
  const { app, token } = await createApp(t, { heartbeat })
  const gone = socketGone(app)
  const over = disconnected(app, 'ann')
  const start = performance.now()
  const socket = await rawClient(t, app, token('ann'))
  let bytes = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => { bytes = Buffer.concat([bytes, chunk]) })
  await over
  const elapsed = await gone - start
  t.ok(elapsed < SOON, `${elapsed} ms`)
  if (!socket.closed) await once(socket, 'close')
  t.match(bytes.toString('latin1'), /101 Switching Protocols/)
  t.ok(bytes.includes(Buffer.from([0x11, 0x38])), 'the close frame says 4408')
})

await t.test('so is one that reads nothing', async (t) => {
  const { app, token, connect } = await createApp(t, { heartbeat, rooms: { 'chat:{id}': { join: () => true } } })
  const gone = socketGone(app)
  const over = disconnected(app, 'ann')
  const start = performance.now()
  const socket = await rawClient(t, app, token('ann'))
  socket.pause()
  await over
  t.ok(await gone - start < SOON)
  const bob = await connect('bob')
  await bob.settled()
})

await t.test('a client that sends nothing after the handshake costs a timer slot and nothing else', async (t) => {
  const { clock, accept, node } = await createNode(t, { rooms: {} })
  const clients = Array.from({ length: 3_000 }, (_, index) => accept(`user-${index}`))
  await turns()
  t.equal(clients[0]?.frames[0]?.type, 'welcome')
  t.ok(clock.armed <= 1, `${clock.armed} timers`)
  clock.advance(60_000)
  await turns()
  t.ok(clients.every((client) => client.closed?.code === 4408))
  t.ok(clients.every((client) => client.terminated))
  t.ok(clients.every((client) => client.pings >= 1 && client.pings <= 3))
  t.equal(node.connections.size, 0)
  clock.advance(5_000)
  t.equal(clock.armed, 0)
})

await t.test('a crowd that connects together is not pinged together', async (t) => {
  const { clock, accept } = await createNode(t)
  const clients = Array.from({ length: 1_000 }, (_, index) => accept(`user-${index}`))
  await turns()
  let most = 0
  for (let ms = 0; ms < 25_000; ms += 100) {
    const before = clients.reduce((sum, { pings }) => sum + pings, 0)
    clock.advance(100)
    most = Math.max(most, clients.reduce((sum, { pings }) => sum + pings, 0) - before)
  }
  t.ok(most < 40, `${most} of 1,000 within 100 ms`)
})
