import t from 'tap'
import type { Test } from 'tap'
import type { RealtimeOptions } from '../types/options.js'
import { createFakeClock } from './helpers/clock.js'
import { dial, httpApp } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'
import { SECRET } from './helpers/server.js'

interface Ticket {
  ticket: string
  expiresAt: number
}

async function issue (app: HttpApp, headers: Record<string, string> = {}, token = app.token()): Promise<Ticket> {
  const response = await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization: `Bearer ${token}`, ...headers } })
  if (response.status !== 200) throw new Error(String(response.status))
  return await response.json() as Ticket
}

async function redeem (t: Test, app: HttpApp, ticket: string, headers: Record<string, string> = {}): Promise<number> {
  return (await dial(t, app, { path: `/realtime?ticket=${encodeURIComponent(ticket)}`, headers })).status
}

/** An app whose clock stands at the time of the machine, so that tokens are in their time. */
async function clocked (t: Test, options: RealtimeOptions = {}) {
  const clock = createFakeClock()
  clock.setWall(Date.now())
  return { clock, app: await httpApp(t, options, { deps: { clock } }) }
}

await t.test('good for one handshake of the same user', async t => {
  const app = await httpApp(t)
  const token = app.token({ role: 'admin' })
  const { ticket, expiresAt } = await issue(app, {}, token)
  t.match(ticket, /^[\w-]{43}$/)
  t.ok(expiresAt > Date.now() && expiresAt <= Date.now() + 30_000)
  t.notOk([...app.tickets.keys()].some(key => key.includes(ticket)), 'the store cannot give it away')
  t.equal(await redeem(t, app, ticket), 101)
  const identity = app.accepted[0]?.identity
  t.match(identity, { user: { id: 'ada', role: 'admin' } })
  t.equal(identity?.expiresAt, JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).exp * 1000, "the credential's own expiry")
  t.equal(await redeem(t, app, ticket), 401, 'spent')
})

await t.test('two at the same time: one gets in', async t => {
  const app = await httpApp(t)
  const { ticket } = await issue(app)
  t.same((await Promise.all([redeem(t, app, ticket), redeem(t, app, ticket)])).sort(), [101, 401])
})

await t.test('bound to the Origin, and spent by a wrong one', async t => {
  const origin = 'https://a.example'
  const app = await httpApp(t, { origins: [origin, 'https://b.example'] })
  t.equal(await redeem(t, app, (await issue(app, { origin })).ticket, { origin }), 101)
  const { ticket } = await issue(app, { origin })
  t.equal(await redeem(t, app, ticket, { origin: 'https://b.example' }), 401)
  t.equal(await redeem(t, app, ticket, { origin }), 401)
  t.equal(await redeem(t, app, (await issue(app, { origin })).ticket), 401, 'none is another one')
  t.equal(await redeem(t, app, (await issue(app)).ticket, { origin }), 401)
})

await t.test('30 seconds', async t => {
  const { app, clock } = await clocked(t)
  const { ticket } = await issue(app)
  clock.advance(30_000)
  t.equal(await redeem(t, app, ticket), 401)
})

await t.test('never longer than the credential', async t => {
  const { app, clock } = await clocked(t)
  const exp = Math.floor(clock.wall() / 1000) + 5
  const { ticket, expiresAt } = await issue(app, {}, app.token({ exp }))
  t.equal(expiresAt, exp * 1000)
  clock.advance(6000)
  t.equal(await redeem(t, app, ticket), 401)
})

await t.test('wrong ones', async t => {
  const app = await httpApp(t)
  for (const ticket of ['', 'x', 'a'.repeat(5000), '__proto__']) t.equal(await redeem(t, app, ticket), 401)
  const { ticket } = await issue(app)
  t.equal((await dial(t, app, { path: `/realtime?ticket=${ticket}&ticket=${ticket}` })).status, 401)
  for (const value of ['{}', 'null', '{"user":{},"credentialExpiresAt":null,"origin":null,"expiresAt":9e15}']) {
    const { ticket } = await issue(app)
    for (const key of app.tickets.keys()) app.tickets.set(key, value)
    t.equal(await redeem(t, app, ticket), 401, value)
  }
})

await t.test('issued for a header or a cookie only', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, query: true } })
  const post = (path: string, headers: Record<string, string> = {}) => fetch(app.url(path), { method: 'POST', headers })
  t.equal((await post('/realtime/ticket')).status, 401)
  t.equal((await post(`/realtime/ticket?token=${app.token()}`)).status, 401)
  t.equal((await post('/realtime/ticket', { 'sec-websocket-protocol': `realtime.v1, bearer.${app.token()}` })).status, 401)
  const { ticket } = await issue(app)
  t.equal((await post(`/realtime/ticket?ticket=${ticket}`)).status, 401, 'a ticket buys no ticket')
  t.equal((await post('/realtime/ticket', { authorization: `Bearer ${app.token()}` })).headers.get('cache-control'), 'no-store')
})

await t.test('503 while the store is away, on both ends', async t => {
  const app = await httpApp(t)
  const { ticket } = await issue(app)
  app.state.bridge = 'down'
  const response = await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization: `Bearer ${app.token()}` } })
  t.equal(response.status, 503)
  t.ok(response.headers.get('retry-after'))
  const { status, headers } = await dial(t, app, { path: `/realtime?ticket=${ticket}` })
  t.equal(status, 503)
  t.ok(headers['retry-after'])
  app.state.bridge = 'up'
  t.equal(await redeem(t, app, ticket), 101)
})

await t.test('a user that JSON cannot carry gets no ticket, and no internals', async t => {
  for (const user of [{ id: 'ada', balance: 1n }, { id: 'ada', toJSON: () => ({ id: 'bob' }) }]) {
    const app = await httpApp(t, { auth: { authenticate: () => ({ user }) } })
    const response = await fetch(app.url('/realtime/ticket'), { method: 'POST' })
    t.equal(response.status, 500)
    const body = await response.json()
    t.match(body, { code: 'RT_ERR_BAD_ARGUMENT' })
    t.notMatch(JSON.stringify(body), /BigInt|toJSON/)
    t.equal(app.tickets.size, 0)
  }
})
