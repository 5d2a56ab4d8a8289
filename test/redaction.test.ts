import t from 'tap'
import { redactUrl } from '../lib/http/redact.js'
import { dial, httpApp, SECRET } from './helpers/http-app.js'

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

await t.test('the path stays', async t => {
  t.equal(redactUrl('/realtime'), '/realtime')
  t.equal(redactUrl('/realtime?a=b'), '/realtime?[redacted]')
  t.equal(redactUrl('/realtime;a=b?c'), '/realtime?[redacted]')
})
