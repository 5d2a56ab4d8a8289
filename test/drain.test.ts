import { connect as connectSocket } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from './helpers/app.js'
import type { TestAppOptions } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import type { TestClient } from './helpers/client.js'
import { gate } from './helpers/events.js'
import { handshakeText, readAll } from './helpers/http-app.js'
import { createNode, turns } from './helpers/node.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }
const roomId = 'chat:1'

const since = (start: number): number => performance.now() - start

/** A connection of bytes, which does what a test says and nothing else. */
async function rawSocket (t: Test, app: FastifyInstance, headers: Record<string, string>): Promise<Socket> {
  const { port } = app.server.address() as AddressInfo
  const socket = connectSocket(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(handshakeText(port, { headers }))
  return socket
}

for (const shared of [false, true]) {
  const name = shared ? 'also when the application registered @fastify/websocket before' : 'with our own server'
  const before: TestAppOptions['before'] = shared ? (app) => app.register(websocket) : undefined

  await t.test(`everybody is sent away with goaway, then closed with 1012, ${name}`, async (t) => {
    const { app, connect } = await createApp(t, { before, rooms, drain: { spread: 300, deadline: '5s' } })
    const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => connect(`user-${index}`)))
    const start = performance.now()
    const closed = app.close()
    const delays = (await Promise.all(clients.map((client) => client.next('goaway')))).map((frame) => frame.reconnectIn)
    t.ok(delays.every((delay) => Number.isInteger(delay) && delay >= 0 && delay < 300), String(delays))
    t.ok(new Set(delays).size > 5, 'each at a moment of its own')
    for (const client of clients) t.same(await client.closed, { code: 1012, reason: 'server shutting down' })
    await closed
    t.ok(since(start) >= 300 && since(start) < 3_000, `${since(start)} ms`)
  })

  await t.test(`an unresponsive client is dropped at the deadline, ${name}`, async (t) => {
    const { app, token, connect } = await createApp(t, { before, drain: { spread: 0, deadline: 500 } })
    const ann = await connect('ann')
    const socket = await rawSocket(t, app, { Authorization: `Bearer ${token('bob')}` })
    await new Promise((resolve) => { socket.once('data', resolve) })
    socket.pause()
    const start = performance.now()
    await app.close()
    t.ok(since(start) >= 450 && since(start) < 3_000, `${since(start)} ms`)
    t.match(await ann.closed, { code: 1012 })
  })
}

await t.test('the close code is a choice', async (t) => {
  const { app, connect } = await createApp(t, { drain: { spread: 0, deadline: '2s', code: 1001 } })
  const ann = await connect('ann')
  const closed = app.close()
  t.match(await ann.closed, { code: 1001 })
  await closed
})

await t.test('clients that leave by themselves end it early', async (t) => {
  const { app, connect } = await createApp(t, { drain: { spread: '10s', deadline: '20s' } })
  const clients = await Promise.all(['ann', 'bob', 'carol'].map((userId) => connect(userId)))
  const start = performance.now()
  const closed = app.close()
  await Promise.all(clients.map(async (client) => {
    await client.next('goaway')
    await client.close(1000, 'goaway')
  }))
  await closed
  t.ok(since(start) < 3_000, `${since(start)} ms`)
})

await t.test('with nobody there it takes no time', async (t) => {
  const { app } = await createApp(t, { drain: { spread: '10s', deadline: '20s' } })
  const start = performance.now()
  await app.close()
  t.ok(since(start) < 2_000)
})

await t.test('messages still flow until the end', async (t) => {
  const { app, connect } = await createApp(t, { rooms, drain: { spread: '5s', deadline: '10s' } })
  const ann = await connect('ann')
  const bob = await connect('bob')
  await ann.request({ type: 'join', roomId })
  await bob.request({ type: 'join', roomId })
  const closed = app.close()
  await Promise.all([ann.next('goaway'), bob.next('goaway')])
  t.match(await ann.request({ type: 'message', roomId, content: 1 }), { type: 'ack' })
  t.match(await bob.next('message'), { content: 1 })
  await app.realtime.notifyRoom(roomId, 'n', 2)
  t.match(await bob.next((frame) => frame.type === 'message' && frame.content === 2), { userId: null })
  await app.realtime.sendDirect('bob', 'n', 3)
  await bob.next('direct')
  t.match(await bob.request({ type: 'join', roomId: 'chat:2' }), { type: 'ack' })
  await Promise.all([ann.close(1000, 'goaway'), bob.close(1000, 'goaway')])
  await closed
})

await t.test('nobody new gets in, and readiness says why', async (t) => {
  const { app, connect, url, wsUrl, token } = await createApp(t, { drain: { spread: '5s', deadline: '10s' } })
  const ann = await connect('ann')
  const closed = app.close()
  await ann.next('goaway')
  await t.rejects(connectTo(t, wsUrl, { token: token('bob') }), { message: 'the handshake was answered 503' })
  await t.rejects(connectTo(t, wsUrl, {}), { message: 'the handshake was answered 503' })
  t.equal((await fetch(`${url}/realtime/health/ready`)).status, 503)
  t.equal((await fetch(`${url}/realtime`, { headers: { authorization: `Bearer ${token('bob')}` } })).status, 503)
  // A stalled half of a handshake must not keep the server.
  const { port } = app.server.address() as AddressInfo
  const half = connectSocket(port, '127.0.0.1')
  t.teardown(() => half.destroy())
  half.on('error', () => {})
  half.write('GET /realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n')
  await ann.close()
  const start = performance.now()
  await closed
  t.ok(since(start) < 5_000)
})

await t.test('an upgrade in flight does not hang it, however slow it is', async (t) => {
  const authenticating = gate()
  const decide = gate()
  const { app } = await createApp(t, {
    auth: {
      async authenticate () {
        authenticating.open()
        await decide.opened
        return { user: { id: 'ann' } }
      }
    },
    drain: { spread: 0, deadline: '10s' }
  })
  const slow = await rawSocket(t, app, {})
  const answer = readAll(slow)
  await authenticating.opened
  const closed = app.close()
  await turns()
  decide.open()
  await closed
  t.match(await answer, /^HTTP\/1.1 503 /)
})

await t.test('an upgrade that never ends is dropped at the deadline', async (t) => {
  const authenticating = gate()
  const { app } = await createApp(t, {
    auth: {
      async authenticate () {
        authenticating.open()
        return await new Promise<never>(() => {})
      }
    },
    drain: { spread: 0, deadline: 300 }
  })
  const slow = await rawSocket(t, app, {})
  const answer = readAll(slow)
  await authenticating.opened
  const start = performance.now()
  await app.close()
  t.ok(since(start) < 3_000, `${since(start)} ms`)
  t.equal(await answer, '')
})

await t.test('a connection whose onConnect hangs is sent away too', async (t) => {
  const { app, wsUrl, token } = await createApp(t, {
    drain: { spread: 0, deadline: '5s' },
    after: (app) => app.realtime.addHook('onConnect', () => new Promise(() => {}))
  })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  const closed = app.close()
  t.match(await ann.closed, { code: 1012 })
  await closed
})

await t.test('one that slipped in after the drain began is closed as well', async (t) => {
  const { node, accept, clock } = await createNode(t, { drain: { spread: '1s', deadline: '2s' } })
  const empty = await Promise.race([node.stop().then(() => 'empty'), turns().then(() => 'waiting')])
  t.equal(empty, 'empty')
  const late = accept('ann')
  await turns()
  t.match(late.closed, { code: 1012 })
  clock.advance(10_000)
  t.equal(node.connections.size, 0)
  t.same(late.frames, [], 'without a welcome')
})

await t.test('the clock decides: goaway, close at the spread, drop at the deadline', async (t) => {
  const { node, accept, clock } = await createNode(t, { drain: { spread: '4s', deadline: '6s', code: 1001 } })
  const [polite, deaf, leaver] = [accept('ann'), accept('bob'), accept('carol')]
  await turns()
  deaf.answersClose = false
  const state = { stopped: false }
  const stopped = node.stop().then(() => { state.stopped = true })
  await turns()
  t.ok([polite, deaf, leaver].every((client) => client.all('goaway')[0]?.reconnectIn < 4_000))
  leaver.drop(1000, 'goaway')
  clock.advance(3_950)
  await turns()
  t.equal(polite.closed, null)
  clock.advance(100)
  await turns()
  t.match([polite.closed, deaf.closed], [{ code: 1001 }, { code: 1001 }])
  t.equal(node.connections.size, 0)
  t.equal(state.stopped, false, 'one socket is still there')
  clock.advance(2_000)
  await turns()
  t.equal(deaf.terminated, true)
  t.equal(polite.terminated, false)
  await stopped
  clock.advance(5_000)
  t.equal(clock.armed, 0)
})

await t.test('twenty lives leave nothing behind', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => name !== 'Immediate').sort()
  const listeners = (): Record<string, number> => Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)]))
  const live = async (): Promise<void> => {
    // A test of its own, so that its teardown does not wait for the end of this one.
    await t.test('a life', async (t) => {
      const { app, connect, url } = await createApp(t, { rooms, drain: { spread: 0, deadline: '2s' } })
      const clients: TestClient[] = await Promise.all(Array.from({ length: 10 }, (_, index) => connect(`user-${index % 7}`)))
      await Promise.all(clients.map((client) => client.request({ type: 'join', roomId })))
      for (const client of clients.slice(0, 3)) client.ws.terminate()
      await clients[4]?.request({ type: 'message', roomId, content: 'x'.repeat(10_000) })
      await (await fetch(`${url}/realtime/health`)).text()
      await app.close()
      await Promise.all(clients.map((client) => client.closed))
    })
  }
  const measure = async (): Promise<{ resources: string[], listeners: Record<string, number>, heap: number }> => {
    await turns(20)
    collect()
    return { resources: resources(), listeners: listeners(), heap: process.memoryUsage().heapUsed }
  }
  for (let i = 0; i < 5; i++) await live()
  const before = await measure()
  for (let i = 0; i < 20; i++) await live()
  const after = await measure()
  // Sockets that fetch keeps alive close with the server, in their own time.
  t.ok(after.resources.length <= before.resources.length + 2, `${before.resources.join()} -> ${after.resources.join()}`)
  t.same(after.listeners, before.listeners)
  t.ok(after.heap - before.heap < 10 * 1024 * 1024, `${after.heap - before.heap} bytes`)
})
