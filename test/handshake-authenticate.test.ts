import t from 'tap'
import type { CustomAuthOptions } from '../types/options.js'
import { dial, httpApp } from './helpers/http-app.js'

const HOUR = 3_600_000

function auth (authenticate: CustomAuthOptions['authenticate']) {
  return { auth: { authenticate } }
}

await t.test('the application says who it is, for handshakes and for the HTTP routes', async t => {
  const expiresAt = Date.now() + HOUR
  const app = await httpApp(t, auth(async ({ headers }) =>
    headers['x-key'] === 'good' ? { user: { id: 'ada', name: 'Ada' }, expiresAt } : null))
  t.equal((await dial(t, app, { headers: { 'x-key': 'good' } })).status, 101)
  t.match(app.accepted[0]?.identity, { user: { id: 'ada', name: 'Ada' }, expiresAt })
  t.equal((await dial(t, app)).status, 401)
  t.equal((await fetch(app.url('/realtime/stats'), { headers: { 'x-key': 'good' } })).status, 200)
  t.equal((await fetch(app.url('/realtime/stats'))).status, 401)
})

await t.test('without expiresAt it does not expire, and no jwt is registered', async t => {
  const app = await httpApp(t, auth(() => ({ user: { id: 'ada' } })))
  t.equal((await dial(t, app)).status, 101)
  t.equal(app.accepted[0]?.identity.expiresAt, null)
  t.notOk(app.app.hasDecorator('jwt'))
})

await t.test('its 4xx errors are answers, any other failure is 503', async t => {
  for (const [statusCode, status] of [[403, 403], [401, 401], [429, 429], [500, 503], [undefined, 503]] as const) {
    const app = await httpApp(t, auth(() => { throw Object.assign(new Error('database at 10.0.0.7 is down'), { statusCode }) }))
    const answer = await dial(t, app)
    t.equal(answer.status, status)
    if (status !== 503) continue
    t.ok(answer.headers['retry-after'])
    t.notMatch(answer.body, '10.0.0.7', 'no details')
    t.ok(app.logs.some(line => line.includes('10.0.0.7')), 'but in the log')
  }
})

await t.test('what it returns is checked', async t => {
  const of = async (result: unknown) => {
    // What an application without types may do.
    const authenticate = () => JSON.parse(JSON.stringify(result) ?? 'null')
    return (await dial(t, await httpApp(t, auth(authenticate)))).status
  }
  t.equal(await of(undefined), 401)
  t.equal(await of({}), 401)
  t.equal(await of({ user: null }), 401)
  t.equal(await of({ user: { id: 7 } }), 401)
  t.equal(await of({ user: { id: '{' } }), 401)
  t.equal(await of({ user: { id: 'ada' }, expiresAt: Date.now() - 1 }), 401)
  t.equal(await of({ user: { id: 'ada' }, expiresAt: 'soon' }), 503, 'a bug, not a verdict')
  t.equal(await of({ user: { id: 'ada' }, expiresAt: 1e300 }), 503)
})

await t.test('a ticket decides unless a header or a subprotocol token is there', async t => {
  const asked: (string | undefined)[] = []
  const app = await httpApp(t, auth(({ headers }) => {
    asked.push(headers.authorization ?? headers['sec-websocket-protocol'])
    return headers.authorization === undefined ? null : { user: { id: 'ada' } }
  }))
  const authorization = 'Bearer x'
  const ticket = async () => {
    const { ticket } = await (await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization } })).json() as { ticket: string }
    asked.length = 0
    return `/realtime?ticket=${ticket}`
  }
  t.equal((await dial(t, app, { path: await ticket() })).status, 101)
  t.same(asked, [], 'not asked')
  const path = await ticket()
  t.equal((await dial(t, app, { path, protocols: ['realtime.v1', 'bearer.x'] })).status, 401)
  t.equal((await dial(t, app, { path, headers: { authorization } })).status, 101)
  t.equal((await dial(t, app, { path })).status, 101, 'still there')
})
