import { EventEmitter, once } from 'node:events'
import { Duplex } from 'node:stream'
import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { UpgradeGuard } from '../lib/http/upgrade-guard.js'
import { systemClock } from '../lib/clock.js'
import { createFakeClock } from './helpers/clock.js'
import { dial, httpApp, openSockets, rawHandshake, readAll } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'

/** A hook that stops every request until told. */
function gate () {
  const events = new EventEmitter()
  let open = () => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  return {
    entered: once(events, 'entered'),
    open,
    async hook () {
      events.emit('entered')
      await opened
    }
  }
}

/** The same for upgrades only, so that a test can still ask for the health. */
function upgradeGate () {
  const { hook, ...rest } = gate()
  return { ...rest, hook: async (request: { raw: IncomingMessage }) => { if (request.raw.headers.upgrade) await hook() } }
}

async function noneLeft (app: HttpApp): Promise<void> {
  // Ends when it is true; the runner's timeout is the failure.
  while (await openSockets(app.app) > 0) await new Promise(resolve => setImmediate(resolve))
}

await t.test('50 rejections by each kind of hook leak no socket, and close() ends', async t => {
  const refuse = async (request: { headers: Record<string, unknown> }) => {
    if (request.headers.refuse !== undefined) throw Object.assign(new Error('no'), { statusCode: 403 })
  }
  const app = await httpApp(t, { route: { preParsing: refuse } }, {
    // Before @fastify/websocket, whose own cleanup does not see these.
    before: app => { app.addHook('onRequest', async request => { if (request.headers.early !== undefined) throw Object.assign(new Error('no'), { statusCode: 418 }) }) }
  })
  for (const [headers, path, status] of [
    [{ early: '1' }, '/realtime', 418], [{ refuse: '1' }, '/realtime', 403], [{}, '/realtime', 401], [{}, '/nowhere', 404], [{ early: '1' }, '/nowhere', 418]
  ] as const) {
    const answers = await Promise.all(Array.from({ length: 50 }, async () => readAll(await rawHandshake(t, app.port(), { path, headers: { ...headers } }))))
    t.equal(answers.filter(answer => answer.startsWith(`HTTP/1.1 ${status}`)).length, 50, `${status} for ${path}`)
  }
  await noneLeft(app)
  t.equal(app.kit.guard.pending, 0)
  await app.app.close()
})

await t.test('a refusal where none of our hooks runs ends the socket too', async t => {
  const clock = createFakeClock()
  clock.setWall(Date.now())
  const app = await httpApp(t, { prefix: '' }, { deps: { clock } })
  // What a scope with another life cycle does: it answers, and nobody tells.
  app.app.server.removeAllListeners('upgrade')
  const guard = new UpgradeGuard(app.app.server, clock)
  const responses: ServerResponse[] = []
  app.app.server.on('upgrade', (raw: IncomingMessage, socket: Socket) => {
    const response = new ServerResponse(raw)
    response.assignSocket(socket)
    response.write('what ')
    responses.push(response)
  })
  const socket = await rawHandshake(t, app.port())
  await once(socket, 'data')
  t.equal(guard.pending, 1)
  clock.advance(60_000)
  t.equal(guard.pending, 1, 'it is still being written')
  responses[0]?.end('is')
  const ended = readAll(socket)
  clock.advance(1000)
  await ended
  while (guard.pending > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(clock.armed, 1, 'one sweep is left')
  clock.advance(1000)
  t.equal(clock.armed, 0, 'and it does not go on for nothing')
  guard.stop()
})

await t.test("a streamed answer of the application's own route arrives whole", async t => {
  const clock = createFakeClock()
  clock.setWall(Date.now())
  const streams: ServerResponse[] = []
  const app = await httpApp(t, {}, {
    deps: { clock },
    // Before @fastify/websocket, which makes upgrades of every later route its own.
    before: app => {
      app.get('/stream', async (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-type': 'text/plain' })
        streams.push(reply.raw)
        reply.raw.write('chunk 0;')
      })
    }
  })
  const socket = await rawHandshake(t, app.port(), { path: '/stream', headers: { Upgrade: 'h2c' } })
  await once(socket, 'data')
  const rest = readAll(socket)
  for (let n = 1; n < 4; n++) {
    clock.advance(20_000)
    await fetch(app.url('/realtime/health'))
    streams[0]?.write(`chunk ${n};`)
  }
  streams[0]?.end('the end')
  t.match(await rest, /chunk 1;[^]*chunk 2;[^]*chunk 3;[^]*the end/)
})

await t.test('sockets that ws took are none of its business', async t => {
  const app = await httpApp(t, {}, { after: app => { app.get('/own', { websocket: true }, ws => { ws.send('hello') }) } })
  const { ws } = await dial(t, app, { token: app.token() })
  t.equal(app.kit.guard.pending, 0)
  const own = new WebSocket(`${app.url('/own').replace('http', 'ws')}`)
  await once(own, 'message')
  t.equal(app.kit.guard.pending, 0, "those of the application's routes neither")
  app.kit.guard.close(1000)
  app.kit.guard.destroy()
  ws.send('still here')
  t.equal(String((await once(ws, 'message'))[0]), 'still here')
  own.terminate()
})

await t.test('an upgrade that arrives while closing gets 503 and does not hang close()', async t => {
  const closing = gate()
  const app = await httpApp(t, {}, { before: app => { app.addHook('preClose', closing.hook) } })
  const closed = app.app.close()
  await closing.entered
  const early = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  while (app.kit.guard.pending === 0) await new Promise(resolve => setImmediate(resolve))
  const answer = readAll(early)
  closing.open()
  t.match(await answer, /^HTTP\/1\.1 503/)
  await closed
  t.equal(app.accepted.length, 0)
})

await t.test('as well while our own drain goes on', async t => {
  const drain = gate()
  const app = await httpApp(t, {}, { stop: drain.hook })
  const closed = app.app.close()
  await drain.entered
  t.match(await readAll(await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })), /^HTTP\/1\.1 503/)
  t.match(await readAll(await rawHandshake(t, app.port(), { path: '/nowhere' })), /^HTTP\/1\.1 503/)
  drain.open()
  await closed
})

await t.test('also once @fastify/websocket has left the server', async t => {
  const closing = gate()
  const app = await httpApp(t, {}, { after: app => { app.addHook('preClose', closing.hook) } })
  const closed = app.app.close()
  await closing.entered
  const answer = await readAll(await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } }))
  t.match(answer, /^HTTP\/1\.1 503/)
  t.match(answer, /Retry-After: 1/)
  closing.open()
  await closed
})

await t.test('and where Fastify is told not to answer 503 while closing', async t => {
  const closing = gate()
  const app = await httpApp(t, {}, { server: { return503OnClosing: false }, before: app => { app.addHook('preClose', async () => { app.log.trace('x') }) }, after: app => { app.addHook('preClose', closing.hook) } })
  app.state.draining = true
  const closed = app.app.close()
  await closing.entered
  const answer = await readAll(await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } }))
  t.match(answer, /^HTTP\/1\.1 503/)
  closing.open()
  await closed
})

await t.test('an upgrade in flight when the app closes ends at the deadline', async t => {
  const pending = upgradeGate()
  const app = await httpApp(t, { drain: { deadline: 200 }, route: { preValidation: pending.hook } })
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  await pending.entered
  const started = Date.now()
  const ended = readAll(socket)
  await app.app.close()
  t.ok(Date.now() - started >= 150, 'it had its time')
  t.equal(await ended, '', 'and no answer')
  pending.open()
})

await t.test('one that finishes in time is refused', async t => {
  const pending = upgradeGate()
  const app = await httpApp(t, { route: { preValidation: pending.hook } })
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  await pending.entered
  const answer = readAll(socket)
  app.state.draining = true
  const closed = app.app.close()
  pending.open()
  t.match(await answer, /^HTTP\/1\.1 503/)
  await closed
  t.equal(app.accepted.length, 0)
})

await t.test('a client that resets while an asynchronous hook runs harms nobody', async t => {
  const pending = upgradeGate()
  const app = await httpApp(t, { route: { onRequest: pending.hook } })
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  await pending.entered
  socket.resetAndDestroy()
  while (app.kit.guard.pending > 0) await new Promise(resolve => setImmediate(resolve))
  pending.open()
  t.equal((await fetch(app.url('/realtime/health'))).status, 200)
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
})

await t.test('a hook that never ends holds no socket for ever', async t => {
  const clock = createFakeClock()
  clock.setWall(Date.now())
  const pending = upgradeGate()
  const app = await httpApp(t, { route: { preValidation: pending.hook } }, { deps: { clock } })
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  await pending.entered
  clock.advance(29_000)
  t.equal(app.kit.guard.pending, 1)
  const ended = readAll(socket)
  clock.advance(1000)
  t.equal(await ended, '')
  pending.open()
})

await t.test('no listener and no timer stays behind', async t => {
  const app = Fastify()
  const before = app.server.listenerCount('upgrade')
  const clock = createFakeClock()
  const guard = new UpgradeGuard(app.server, clock)
  guard.close(1000)
  guard.close(1000)
  t.equal(clock.armed, 1)
  guard.stop()
  t.equal(app.server.listenerCount('upgrade'), before)
  t.equal(clock.armed, 0)
  await app.close()
})

await t.test('an injected socket is ended like any other', async t => {
  const app = Fastify()
  const guard = new UpgradeGuard(app.server, systemClock)
  const socket = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const raw = await new Promise<IncomingMessage>((resolve, reject) => {
    app.get('/', async request => { resolve(request.raw) })
    app.inject('/').catch(reject)
  })
  app.server.emit('upgrade', raw, socket)
  t.equal(guard.socketOf(raw), socket)
  t.equal(guard.pending, 1)
  guard.answered(raw)
  await once(socket, 'close')
  t.equal(guard.pending, 0)
  guard.answered(raw)
  guard.forget(raw)
  guard.stop()
  await app.close()
})
