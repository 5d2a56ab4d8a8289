import t from 'tap'
import { redactUrl } from '../lib/http/redact.js'
import { dial, httpApp } from './helpers/http-app.js'
import { SECRET } from './helpers/server.js'

await t.test('no line of the log has a token, a ticket or a query string', async t => {
  const app = await httpApp(t, { auth: { secret: SECRET, query: true }, limits: { connections: 3 } })
  const token = app.token()
  const authorization = `Bearer ${token}`
  const { ticket } = await (await fetch(app.url('/realtime/ticket'), { method: 'POST', headers: { authorization } })).json() as { ticket: string }

  t.equal((await dial(t, app, { path: `/realtime?token=${token}` })).status, 101)
  t.equal((await dial(t, app, { path: `/realtime?ticket=${ticket}` })).status, 101)
  t.equal((await dial(t, app, { protocols: [`bearer.${token}`, 'realtime.v1'] })).status, 101)
  t.equal((await dial(t, app, { path: `/realtime?ticket=${ticket}` })).status, 401, 'spent')
  t.equal((await dial(t, app, { path: `/realtime?token=${token}` })).status, 503, 'full')
  await fetch(app.url(`/realtime?token=${token}&ticket=${ticket}`))
  await fetch(app.url(`/realtime?token=${token}`), { method: 'OPTIONS' })
  for (const path of ['ticket', 'renew']) await fetch(app.url(`/realtime/${path}?token=${token}`), { method: 'POST', headers: { authorization: `${authorization}x` } })
  await fetch(app.url(`/realtime/stats?token=${token}`), { headers: { authorization } })

  const log = app.logs.join('')
  t.match(log, '"/realtime?[redacted]"')
  t.notMatch(log, token)
  t.notMatch(log, token.split('.')[2] ?? '')
  t.notMatch(log, ticket)
  t.notMatch(log, SECRET)
})

await t.test('neither has one beside our routes', async t => {
  const app = await httpApp(t)
  const secret = 'very-secret-ticket'
  for (const [method, path, status] of [
    ['GET', '/realtime/', 404], ['GET', '/realtime/ws', 404], ['GET', '/realtime/ws/more', 404], ['HEAD', '/realtime/ws', 404], ['GET', '/realtime/ticket', 404],
    ['HEAD', '/realtime', 405], ['POST', '/realtime', 405], ['DELETE', '/realtime', 405], ['POST', '/realtime/stats', 404], ['OPTIONS', '/realtime/ws', 404],
    ['GET', '/realtime/health', 200]
  ] as const) {
    const response = await fetch(app.url(`${path}?ticket=${secret}`), { method })
    t.equal(response.status, status, `${method} ${path}`)
    t.notMatch(await response.text(), secret)
    if (status === 405) t.equal(response.headers.get('allow'), 'GET, OPTIONS')
  }
  for (const path of ['/', '/ws', '/stats', '/health', '/health/ready', '/ticket', '/renew']) {
    const { status, body } = await dial(t, app, { path: `/realtime${path}?ticket=${secret}`, token: app.token() })
    t.equal(status, 404, `upgrade of ${path}`)
    t.notMatch(body, secret)
  }
  t.notMatch(app.logs.join(''), secret)
  t.equal(app.accepted.length, 0)
})

await t.test("the application's own routes there stay", async t => {
  const app = await httpApp(t, {}, {
    before: app => { app.get('/realtime/*', async () => 'mine') },
    after: app => { app.get('/realtime/admin', async () => 'mine too') }
  })
  t.equal(await (await fetch(app.url('/realtime/x'))).text(), 'mine')
  t.equal(await (await fetch(app.url('/realtime/admin'))).text(), 'mine too')
})

await t.test('the path stays', async t => {
  t.equal(redactUrl('/realtime'), '/realtime')
  t.equal(redactUrl('/realtime?a=b'), '/realtime?[redacted]')
  t.equal(redactUrl('/realtime;a=b?c'), '/realtime?[redacted]')
})
