import rateLimit from '@fastify/rate-limit'
import t from 'tap'
import { dial, httpApp } from './helpers/http-app.js'

await t.test('handshakes of an address', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 2 } } })
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
  t.equal((await dial(t, app)).status, 401, 'refused ones count')
  const { status, headers, body } = await dial(t, app, { token: app.token() })
  t.equal(status, 429)
  t.match(headers['retry-after'], /^\d+$/)
  t.match(JSON.parse(body), { statusCode: 429, code: 'RT_ERR_TOO_MANY' })
  t.equal((await fetch(app.url(), { headers: { authorization: `Bearer ${app.token()}` } })).status, 429, 'a plain GET tells')
  t.equal((await fetch(app.url('/realtime/ticket'), { method: 'POST' })).status, 401, 'other routes count by themselves')
  t.equal(app.accepted.length, 1)
})

await t.test('so do those of wrong origins', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 1 } } })
  t.equal((await dial(t, app, { headers: { origin: 'https://evil.example' } })).status, 403)
  t.equal((await dial(t, app, { headers: { origin: 'https://evil.example' } })).status, 429)
})

await t.test('messages do not count, and other routes of the app are left alone', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 1 } } }, { after: app => { app.get('/other', async () => 'fine') } })
  const { ws } = await dial(t, app, { token: app.token() })
  const echoed = new Promise<void>(resolve => {
    let count = 0
    ws.on('message', () => { if (++count === 20) resolve() })
  })
  for (let i = 0; i < 20; i++) ws.send('x')
  await echoed
  for (let i = 0; i < 5; i++) t.equal((await fetch(app.url('/other'))).status, 200)
})

await t.test("the application's @fastify/rate-limit is used, its global defaults are not", async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 2 } } }, {
    before: async app => { await app.register(rateLimit, { max: 1, hook: 'preHandler', keyGenerator: () => { throw new Error('not ours') } }) }
  })
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
  t.equal((await dial(t, app)).status, 401)
  t.equal((await dial(t, app, { token: app.token() })).status, 429, 'before credentials')
  t.equal((await fetch(app.url('/realtime/health'))).status, 200)
})

await t.test('own options of the library, own keys included', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 1, ban: 0, keyGenerator: request => String(request.headers['x-tenant']) } } })
  const from = (tenant: string) => dial(t, app, { headers: { 'x-tenant': tenant } })
  t.equal((await from('a')).status, 401)
  t.equal((await from('b')).status, 401)
  const banned = await from('a')
  t.equal(banned.status, 403)
  t.match(JSON.parse(banned.body), { code: 'RT_ERR_FORBIDDEN' })
})

await t.test('a socket without an address has a key too', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 1 } } })
  const ws = await app.app.injectWS('/realtime', { headers: { authorization: `Bearer ${app.token()}` } })
  ws.terminate()
  await t.rejects(app.app.injectWS('/realtime', { headers: { authorization: `Bearer ${app.token()}` } }), /429/)
})

await t.test('one warning where a proxy is not trusted', async t => {
  const app = await httpApp(t)
  const trusted = await httpApp(t, {}, { server: { trustProxy: '127.0.0.1' } })
  for (const each of [app, trusted]) {
    for (let i = 0; i < 3; i++) await fetch(each.url(), { headers: { 'x-forwarded-for': '192.0.2.1' } })
    await fetch(each.url())
  }
  t.equal(app.logs.filter(line => line.includes('trustProxy is off')).length, 1)
  t.equal(trusted.logs.filter(line => line.includes('trustProxy is off')).length, 0)
})
