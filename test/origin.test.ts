import { once } from 'node:events'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { connect as connectTls, createServer } from 'node:tls'
import Fastify from 'fastify'
import t from 'tap'
import realtime from '../lib/index.js'
import { isSameOrigin } from '../lib/http/origin.js'
import { dial, httpApp, rawHandshake, readAll } from './helpers/http-app.js'
import { SECRET } from './helpers/server.js'

await t.test('by default an Origin names the host that was asked', async t => {
  const app = await httpApp(t)
  const from = async (origin: string, headers: Record<string, string> = {}) => (await dial(t, app, { token: app.token(), headers: { origin, ...headers } })).status
  const host = `127.0.0.1:${app.port()}`
  t.equal(await from(`http://${host}`), 101)
  t.equal(await from(`https://${host}`), 101, 'behind a proxy that ends TLS')
  t.match(app.accepted[0]?.identity, { origin: `http://${host}` })
  t.equal((await dial(t, app, { token: app.token() })).status, 101, 'without an Origin')
  for (const origin of [
    'null', 'http://127.0.0.1', `http://127.0.0.1:${app.port() + 1}`, `http://${host}.evil.example`, `http://evil.example/${host}`,
    `http://evil.example?${host}`, `http://evil.example#${host}`, `http://${host}@evil.example`, `http://evil.example\\@${host}`,
    `http://x:y@${host}`, `ftp://${host}`, `file://${host}`, `chrome-extension://${host}`, host, 'http://', `http://${host}/`, ' ', `http://${host} http://evil.example`
  ]) t.equal(await from(origin), 403, origin)
  t.equal(await from('https://evil.example', { 'x-forwarded-host': 'evil.example' }), 403, 'forwarded hosts count for nothing')
})

await t.test('not even where the proxy is trusted', async t => {
  const app = await httpApp(t, {}, { server: { trustProxy: true } })
  const { status, body } = await dial(t, app, { token: app.token(), headers: { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' } })
  t.equal(status, 403)
  t.match(JSON.parse(body), { code: 'RT_ERR_FORBIDDEN_ORIGIN' })
})

await t.test('on a server that speaks TLS itself only https is the same origin', async t => {
  const app = await httpApp(t)
  // A shared key stands for the certificate.
  const psk = Buffer.alloc(32, 7)
  const tls = createServer({ ciphers: 'PSK', maxVersion: 'TLSv1.2', pskCallback: () => psk }, socket => app.app.server.emit('connection', socket))
  await once(tls.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => tls.close())
  const { port } = tls.address() as AddressInfo
  const from = async (origin: string): Promise<string> => {
    const socket = connectTls({
      host: '127.0.0.1', port, ciphers: 'PSK', maxVersion: 'TLSv1.2', pskCallback: () => ({ psk, identity: 'test' }), checkServerIdentity: () => undefined
    })
    socket.write(`GET /realtime HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nOrigin: ${origin}\r\nAuthorization: Bearer ${app.token()}\r\n\r\n`)
    const [answer] = await once(socket, 'data')
    socket.destroy()
    return String(answer).slice(0, 12)
  }
  t.equal(await from(`https://127.0.0.1:${port}`), 'HTTP/1.1 426')
  t.equal(await from(`http://127.0.0.1:${port}`), 'HTTP/1.1 403', 'anybody on the way may have written that page')
})

await t.test('the header of old drafts counts too', async t => {
  const app = await httpApp(t)
  t.equal((await dial(t, app, { token: app.token(), headers: { 'sec-websocket-origin': 'https://evil.example' } })).status, 403)
})

await t.test('host and port', async t => {
  t.ok(isSameOrigin('https://example.com', 'example.com'))
  t.ok(isSameOrigin('https://example.com', 'EXAMPLE.com'))
  t.ok(isSameOrigin('https://example.com', 'example.com:443'))
  t.ok(isSameOrigin('http://example.com', 'example.com:80'))
  t.ok(isSameOrigin('http://[::1]:3000', '[::1]:3000'))
  t.notOk(isSameOrigin('http://example.com', 'example.com:443'))
  t.notOk(isSameOrigin('https://example.com:8443', 'example.com'))
  t.notOk(isSameOrigin('https://example.com', 'example.com.'))
  t.notOk(isSameOrigin('https://sub.example.com', 'example.com'))
  t.notOk(isSameOrigin('https://example.com', 'sub.example.com'))
  t.ok(isSameOrigin('https://example.com', 'example.com', true))
  t.notOk(isSameOrigin('http://example.com', 'example.com', true))
  t.notOk(isSameOrigin('https://example.com', undefined))
  t.notOk(isSameOrigin('https://example.com', ''))
  t.notOk(isSameOrigin('https://example.com:99999', 'example.com:99999'))
  t.notOk(isSameOrigin('https://example.com', 'user@example.com'))
})

await t.test('an allow-list is exact, and replaces the default', async t => {
  const app = await httpApp(t, { origins: ['https://app.example.com', 'http://localhost:5173'] })
  const from = async (origin: string) => (await dial(t, app, { token: app.token(), headers: { origin } })).status
  t.equal(await from('https://app.example.com'), 101)
  t.equal(await from('http://localhost:5173'), 101)
  for (const origin of [
    'http://app.example.com', 'https://app.example.com:8443', 'https://app.example.com.evil.example', 'https://evil-app.example.com',
    'https://app.example.com/', 'null', 'http://localhost', `http://127.0.0.1:${app.port()}`
  ]) t.equal(await from(origin), 403, origin)
})

await t.test('a function decides alone; only true lets in', async t => {
  const asked: string[] = []
  const app = await httpApp(t, {
    async origins (origin, request) {
      asked.push(`${origin} ${request.method}`)
      if (origin === 'https://broken.example') throw new Error('lookup failed')
      return JSON.parse(origin === 'https://good.example' ? 'true' : '1')
    }
  })
  const from = async (origin: string) => (await dial(t, app, { token: app.token(), headers: { origin } })).status
  t.equal(await from('https://good.example'), 101)
  t.equal(await from('https://other.example'), 403)
  const broken = await dial(t, app, { token: app.token(), headers: { origin: 'https://broken.example' } })
  t.equal(broken.status, 503)
  t.ok(broken.headers['retry-after'])
  t.notMatch(broken.body, 'lookup failed', 'that is for the log')
  t.match(app.logs.join(''), 'lookup failed')
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
  t.equal(asked.length, 3, 'not asked without an Origin')
})

await t.test('allowNoOrigin: false', async t => {
  const app = await httpApp(t, { allowNoOrigin: false })
  t.equal((await dial(t, app, { token: app.token() })).status, 403)
  t.equal((await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization: `Bearer ${app.token()}` } })).status, 403)
  t.equal((await dial(t, app, { token: app.token(), headers: { origin: app.url('') } })).status, 101)
})

await t.test('both POSTs check it', async t => {
  const app = await httpApp(t)
  const headers = { authorization: `Bearer ${app.token()}`, origin: 'https://evil.example', 'content-type': 'application/json' }
  t.equal((await fetch(app.url('/realtime/ticket'), { method: 'POST', headers, body: '{}' })).status, 403)
  t.equal((await fetch(app.url('/realtime/renew'), { method: 'POST', headers, body: '{"connectionId":"c"}' })).status, 403)
  t.equal(app.renewals.length, 0)
})

await t.test('checked before credentials and before the upgrade', async t => {
  const app = await httpApp(t)
  const socket = await rawHandshake(t, app.port(), { headers: { Origin: 'https://evil.example', Authorization: 'Bearer bad' } })
  t.match(await readAll(socket), /^HTTP\/1\.1 403/)
})

await t.test('over HTTP/2 the host is in :authority', async t => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(realtime, { auth: { secret: SECRET } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const session = connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())
  const from = async (origin: string, headers: Record<string, string> = {}): Promise<unknown> => {
    const stream = session.request({ ':path': '/realtime', origin, ...headers })
    const [answer] = await once(stream, 'response')
    stream.close()
    return answer[':status']
  }
  const authorization = `Bearer ${app.jwt.sign({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 3600 })}`
  t.equal(await from(`http://127.0.0.1:${port}`), 401)
  t.equal(await from(`http://127.0.0.1:${port}`, { authorization }), 426)
  t.equal(await from('http://evil.example', { authorization }), 403)
})

await t.test('a function is not asked over the rate limit', async t => {
  let asked = 0
  const app = await httpApp(t, { origins: () => { asked++; return true }, limits: { handshakes: { max: 2 } } })
  const ask = () => fetch(app.url(), { headers: { origin: 'https://app.example.com', authorization: `Bearer ${app.token()}` } })
  const answers = [await ask(), await ask(), await ask()]
  t.same(answers.map(({ status }) => status), [426, 426, 429])
  t.same(answers.map(({ headers }) => headers.get('access-control-allow-origin')), ['https://app.example.com', 'https://app.example.com', null])
  t.equal(asked, 2)
})
