import t from 'tap'
import { httpApp } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'

function renew (app: HttpApp, body: unknown = { connectionId: 'c1' }, headers: Record<string, string> = { authorization: `Bearer ${app.token()}` }): Promise<Response> {
  return fetch(app.url('/realtime/renew'), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
}

await t.test('hands the new identity to the connection', async t => {
  const app = await httpApp(t)
  const response = await renew(app)
  t.equal(response.status, 200)
  t.match(app.renewals, [{ connectionId: 'c1', identity: { user: { id: 'ada' } } }])
  t.same(await response.json(), { expiresAt: app.renewals[0]?.identity.expiresAt })
})

await t.test('null where the credential does not expire', async t => {
  const app = await httpApp(t, { auth: { authenticate: () => ({ user: { id: 'ada' } }) } })
  t.same(await (await renew(app, { connectionId: 'c1' }, {})).json(), { expiresAt: null })
})

await t.test('refusals', async t => {
  const app = await httpApp(t)
  t.equal((await renew(app, {}, {})).status, 401, 'before anything is said about the body')
  for (const body of [{}, null, [], { connectionId: '' }, { connectionId: 'a'.repeat(65) }, { connectionId: {} }]) {
    t.equal((await renew(app, body)).status, 400, JSON.stringify(body).slice(0, 30))
  }
  t.equal((await renew(app, { connectionId: 'a'.repeat(2000) })).status, 413)
  t.equal(app.renewals.length, 0)

  app.state.renew = 'other-user'
  t.match(await (await renew(app)).json(), { statusCode: 403, code: 'RT_ERR_OTHER_USER' })
  app.state.renew = 'not-found'
  t.match(await (await renew(app)).json(), { statusCode: 404, code: 'RT_ERR_CONNECTION_NOT_FOUND' })
  app.state.bridge = 'down'
  const unavailable = await renew(app)
  t.equal(unavailable.status, 503)
  t.ok(unavailable.headers.get('retry-after'))
})
