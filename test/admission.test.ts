import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { dial, httpApp, rawHandshake } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'

/** Resolves when the server has seen a connection end. */
async function closed (app: HttpApp, index: number): Promise<void> {
  const ws = app.accepted[index]?.ws
  if (ws !== undefined && ws.readyState !== ws.CLOSED) await once(ws, 'close')
}

async function dialMany (t: Test, app: HttpApp, count: number): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => dial(t, app, { token: app.token() })))
  return answers.map(({ status }) => status).sort()
}

await t.test('connections on this node', async t => {
  const app = await httpApp(t, { limits: { connections: 2 } })
  t.same(await dialMany(t, app, 4), [101, 101, 503, 503], 'also when they come together')
  const { status, headers, body } = await dial(t, app, { token: app.token() })
  t.equal(status, 503)
  t.ok(headers['retry-after'])
  t.match(JSON.parse(body), { code: 'RT_ERR_OVERLOADED' })

  app.accepted[0]?.ws.close()
  await closed(app, 0)
  t.equal(app.kit.admission.connections, 1)
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
})

await t.test('connections of an address', async t => {
  const app = await httpApp(t, { limits: { connectionsPerAddress: 1 } }, { server: { trustProxy: true } })
  const from = (address: string) => dial(t, app, { token: app.token(), headers: { 'x-forwarded-for': address } })
  t.equal((await from('192.0.2.1')).status, 101)
  const { status, headers, body } = await from('192.0.2.1')
  t.equal(status, 429)
  t.ok(headers['retry-after'])
  t.match(JSON.parse(body), { code: 'RT_ERR_TOO_MANY' })
  t.equal((await from('192.0.2.2')).status, 101)
  t.equal((await from('2001:db8::1')).status, 101)
  t.equal((await from('2001:db8::2')).status, 429, 'an IPv6 network is one address')
  t.equal((await from('2001:db8:0:1::1')).status, 101)
  t.equal((await from('::ffff:192.0.2.2')).status, 429, 'a mapped one is the IPv4 address')
  t.equal(app.kit.admission.addresses, 4)
  for (const { ws } of app.accepted) ws.terminate()
  await Promise.all(app.accepted.map((_, index) => closed(app, index)))
  t.equal(app.kit.admission.addresses, 0, 'nothing is kept of those who left')
})

await t.test('a slot comes back once, whoever gives it', async t => {
  const app = await httpApp(t)
  await dialMany(t, app, 2)
  const [first, second] = app.accepted
  first?.release()
  first?.release()
  t.equal(app.kit.admission.connections, 1)
  first?.ws.terminate()
  await closed(app, 0)
  t.equal(app.kit.admission.connections, 1)
  second?.ws.terminate()
  await closed(app, 1)
  second?.release()
  t.equal(app.kit.admission.connections, 0)
})

await t.test('refused ones take none', async t => {
  const app = await httpApp(t, { limits: { connections: 1 } })
  for (let i = 0; i < 3; i++) t.equal((await dial(t, app)).status, 401)
  t.equal(app.kit.admission.connections, 0)
})

await t.test('a handshake that ws itself refuses gives its slot back', async t => {
  const app = await httpApp(t)
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}`, 'Sec-WebSocket-Key': 'short' } })
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 400/)
  if (!socket.closed) await once(socket, 'close')
  await fetch(app.url('/realtime/health'))
  t.equal(app.kit.admission.connections, 0)
})

await t.test('a client that resets the connection while a hook runs leaves no slot behind', async t => {
  let resume = () => {}
  let entered = () => {}
  const running = new Promise<void>(resolve => { entered = resolve })
  const app = await httpApp(t, { route: { preHandler: async () => { entered(); await new Promise<void>(resolve => { resume = resolve }) } } })
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  await running
  const gone = new Promise<void>(resolve => app.app.server.getConnections(() => resolve()))
  await gone
  socket.resetAndDestroy()
  while (app.kit.guard.pending > 0) await new Promise(resolve => setImmediate(resolve))
  resume()
  await fetch(app.url('/realtime/health'))
  t.equal(app.kit.admission.connections, 0)
  t.equal(app.accepted.length, 0)
})

await t.test('an accept that throws closes the socket and frees the slot', async t => {
  const app = await httpApp(t, {}, { deps: { accept () { throw new Error('bug') } } })
  const { ws } = await dial(t, app, { token: app.token() })
  if (ws.readyState !== ws.CLOSED) await once(ws, 'close')
  await fetch(app.url('/realtime/health'))
  t.equal(app.kit.admission.connections, 0)
})

await t.test('injectWS, which has no address', async t => {
  const app = await httpApp(t, { limits: { connectionsPerAddress: 1 } })
  const upgrade = { headers: { authorization: `Bearer ${app.token()}` } }
  const first = await app.app.injectWS('/realtime', upgrade)
  const second = await app.app.injectWS('/realtime', upgrade)
  t.equal(app.kit.admission.connections, 2)
  first.terminate()
  second.terminate()
  await Promise.all([closed(app, 0), closed(app, 1)])
  t.equal(app.kit.admission.connections, 0)
  await t.rejects(app.app.injectWS('/realtime'), /401/)
})
