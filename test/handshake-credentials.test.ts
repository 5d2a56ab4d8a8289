import { once } from 'node:events'
import cookie from '@fastify/cookie'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { dial, httpApp, rawHandshake } from './helpers/http-app.js'
import { SECRET } from './helpers/server.js'

async function cookies (app: FastifyInstance): Promise<void> {
  await app.register(cookie, { secret: 'cookie-secret' })
}

await t.test('a header lets in, and frames sent at once are not lost', async t => {
  const app = await httpApp(t)
  const { status, ws } = await dial(t, app, { token: app.token({ role: 'admin' }), protocols: ['realtime.v1'] })
  t.equal(status, 101)
  t.equal(ws.protocol, 'realtime.v1')
  ws.send('early')
  const [data] = await once(ws, 'message')
  t.equal(String(data), 'early')
  t.match(app.accepted[0]?.identity, { user: { id: 'ada', sub: 'ada', role: 'admin' }, origin: undefined })
})

await t.test('the scheme is case-insensitive, other schemes are not looked at', async t => {
  const app = await httpApp(t)
  t.equal((await dial(t, app, { headers: { authorization: `bearer ${app.token()}` } })).status, 101)
  t.equal((await dial(t, app, { headers: { authorization: 'Basic YTpi' }, protocols: ['realtime.v1', `bearer.${app.token()}`] })).status, 101)
  t.equal((await dial(t, app, { headers: { authorization: 'Basic YTpi' } })).status, 401)
})

await t.test('nothing, or nothing valid, is 401', async t => {
  const app = await httpApp(t)
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer x', 'Bearer a.b.c', `Bearer ${app.token()} ${app.token()}`, 'Bearer null']) {
    const { status, body, headers } = await dial(t, app, { headers: { authorization } })
    t.equal(status, 401, authorization.slice(0, 12))
    t.match(JSON.parse(body), { statusCode: 401, code: 'RT_ERR_UNAUTHORIZED' })
    t.equal(headers['www-authenticate'], 'Bearer')
  }
  t.equal((await dial(t, app)).status, 401)
  t.equal(app.accepted.length, 0)
})

await t.test('a subprotocol lets in, in any order, and is never echoed', async t => {
  const app = await httpApp(t)
  const bearer = `bearer.${app.token()}`
  for (const protocols of [['realtime.v1', bearer], [bearer, 'realtime.v1'], ['other', bearer, 'realtime.v1']]) {
    const { status, ws } = await dial(t, app, { protocols })
    t.equal(status, 101)
    t.equal(ws.protocol, 'realtime.v1')
  }
  const socket = await rawHandshake(t, app.port(), { headers: { 'Sec-WebSocket-Protocol': `${bearer}, realtime.v1` } })
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 101/)
  t.match(String(answer), 'Sec-WebSocket-Protocol: realtime.v1\r\n')
  t.notMatch(String(answer), bearer)
})

await t.test('an offer without our name is 400, and so are two tokens', async t => {
  const app = await httpApp(t)
  const bearer = `bearer.${app.token()}`
  for (const protocols of [[bearer], ['realtime.v2'], ['realtime.v1', bearer, 'bearer.x'], ['graphql-ws', bearer]]) {
    const { status, body } = await dial(t, app, { protocols })
    t.equal(status, 400)
    t.match(JSON.parse(body), { code: 'RT_ERR_SUBPROTOCOL' })
    t.notMatch(body, app.token())
  }
  t.equal((await dial(t, app, { protocols: ['realtime.v2'], token: app.token() })).status, 400, 'whatever the credentials')
  t.equal((await dial(t, app, { token: app.token() })).status, 101, 'none offered is fine')
})

await t.test('a signed cookie lets in where it is configured', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, cookie: { cookieName: 'session' } } }, { before: cookies })
  const signed = app.app.signCookie(app.token())
  const send = (value: string) => dial(t, app, { headers: { cookie: `session=${encodeURIComponent(value)}` } })
  t.equal((await send(signed)).status, 101)
  t.equal((await send(`${signed}x`)).status, 401, 'tampered')
  t.equal((await send(app.token())).status, 401, 'not signed')
  t.equal((await send('')).status, 401, 'empty')
  t.equal((await dial(t, app, { headers: { cookie: `other=${signed}` } })).status, 401)
  t.equal((await dial(t, app, { headers: { cookie: 'session=a; session=b; =; ;' } })).status, 401)
})

await t.test('an unsigned cookie only where the option says so', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, cookie: { cookieName: 'session', signed: false } } }, { before: cookies })
  t.equal((await dial(t, app, { headers: { cookie: `session=${app.token()}` } })).status, 101)
})

await t.test('a cookie needs @fastify/cookie and an option', async t => {
  await t.rejects(httpApp(t, { auth: { secret: SECRET, cookie: { cookieName: 'session' } } }), { code: 'RT_ERR_OPTION', message: /auth\.cookie/ })
  const withoutSecret = { before: async (app: FastifyInstance) => { await app.register(cookie) } }
  await t.rejects(httpApp(t, { auth: { secret: SECRET, cookie: { cookieName: 'session' } } }, withoutSecret), { message: /with a secret/ })
  const unsigned = await httpApp(t, { auth: { secret: SECRET, cookie: { cookieName: 'session', signed: false } } }, withoutSecret)
  t.equal((await dial(t, unsigned, { headers: { cookie: `session=${unsigned.token()}` } })).status, 101)
  const app = await httpApp(t, {}, { before: cookies })
  t.equal((await dial(t, app, { headers: { cookie: `session=${app.app.signCookie(app.token())}` } })).status, 401)
})

await t.test('a token in the query string only where it is switched on', async t => {
  const off = await httpApp(t)
  t.equal((await dial(t, off, { path: `/realtime?token=${off.token()}` })).status, 401)
  const on = await httpApp(t, { auth: { secret: SECRET, query: true } })
  t.equal((await dial(t, on, { path: `/realtime?token=${on.token()}` })).status, 101)
  t.equal((await dial(t, on, { path: `/realtime?token=${on.token()}&token=${on.token()}` })).status, 401, 'twice is not once')
  t.equal((await dial(t, on, { path: '/realtime?token=' })).status, 401)
  const named = await httpApp(t, { auth: { secret: SECRET, query: 'jwt' } })
  t.equal((await dial(t, named, { path: `/realtime?jwt=${named.token()}` })).status, 101)
  t.equal((await dial(t, named, { path: `/realtime?token=${named.token()}` })).status, 401)
})

await t.test('the first one present decides: header, subprotocol, cookie, ticket, query', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, query: true, cookie: { cookieName: 'session' } } }, { before: cookies })
  const of = (sub: string) => app.token({ sub })
  const { ticket } = await (await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization: `Bearer ${of('ticket')}` } })).json() as { ticket: string }
  const all = {
    headers: { authorization: `Bearer ${of('header')}`, cookie: `session=${encodeURIComponent(app.app.signCookie(of('cookie')))}` },
    protocols: ['realtime.v1', `bearer.${of('subprotocol')}`],
    path: `/realtime?ticket=${ticket}&token=${of('query')}`
  }
  const winner = async (options: Parameters<typeof dial>[2]) => {
    const { status } = await dial(t, app, options)
    return status === 101 ? app.accepted.at(-1)?.identity.user.id : status
  }
  const { cookie } = all.headers
  t.equal(await winner(all), 'header')
  t.equal(await winner({ ...all, headers: { cookie } }), 'subprotocol')
  t.equal(await winner({ ...all, headers: { cookie }, protocols: [] }), 'cookie')
  t.equal(await winner({ path: all.path }), 'ticket', 'kept by everyone before')
  t.equal(await winner({ path: all.path }), 401, 'a spent ticket is not made up for by the query')
  t.equal(await winner({ path: `/realtime?token=${of('query')}` }), 'query')

  t.equal(await winner({ ...all, headers: { cookie, authorization: 'Bearer bad' } }), 401)
  t.equal(await winner({ ...all, headers: { cookie, authorization: 'Bearer' } }), 401)
  t.equal(await winner({ ...all, headers: { cookie }, protocols: ['realtime.v1', 'bearer.bad'] }), 401)
  t.equal(await winner({ ...all, headers: { cookie }, protocols: ['realtime.v1', 'bearer.'] }), 401)
  t.equal(await winner({ path: `/realtime?token=${of('query')}`, headers: { cookie: 'session=bad' } }), 401)
})
