import t from 'tap'
import { dial, httpApp } from './helpers/http-app.js'

await t.test('a plain GET answers what the handshake would, or 426', async t => {
  const app = await httpApp(t, { limits: { connections: 1 }, origins: ['https://good.example'] })
  const probe = (headers: Record<string, string> = {}, query = '') => fetch(app.url(`/realtime${query}`), { headers })
  const authorization = `Bearer ${app.token()}`

  const fine = await probe({ authorization })
  t.equal(fine.status, 426)
  t.equal(fine.headers.get('upgrade'), 'websocket')
  t.match(await fine.json(), { code: 'RT_ERR_UPGRADE_REQUIRED' })
  t.equal((await probe()).status, 401)
  t.equal((await probe({ authorization: 'Bearer bad' })).status, 401)
  t.equal((await probe({ authorization, origin: 'https://bad.example' })).status, 403)
  t.equal((await probe({ authorization, origin: 'https://good.example' })).status, 426)

  app.state.draining = true
  const draining = await probe({ authorization })
  t.equal(draining.status, 503)
  t.ok(draining.headers.get('retry-after'))
  app.state.draining = false

  await dial(t, app, { token: app.token() })
  const full = await probe({ authorization })
  t.equal(full.status, 503)
  t.ok(full.headers.get('retry-after'))
  t.equal(app.kit.admission.connections, 1, 'and takes no slot')
})

await t.test('it neither spends nor checks a ticket', async t => {
  const app = await httpApp(t)
  const headers = { authorization: `Bearer ${app.token()}` }
  const { ticket } = await (await fetch(app.url('/realtime/ticket'), { method: 'POST', headers })).json() as { ticket: string }
  t.equal((await fetch(app.url(`/realtime?ticket=${ticket}`))).status, 426)
  t.equal((await fetch(app.url('/realtime?ticket=wrong'))).status, 426)
  t.equal((await fetch(app.url('/realtime?ticket=wrong'), { headers: { authorization: 'Bearer bad' } })).status, 401)
  t.equal((await dial(t, app, { path: `/realtime?ticket=${ticket}` })).status, 101)
})

await t.test('HEAD and other methods are answered with those there are', async t => {
  const app = await httpApp(t)
  for (const method of ['HEAD', 'POST', 'PUT']) {
    const response = await fetch(app.url(), { method })
    t.equal(response.status, 405, method)
    t.equal(response.headers.get('allow'), 'GET, OPTIONS', method)
  }
})

await t.test('draining refuses handshakes with 503', async t => {
  const app = await httpApp(t)
  app.state.draining = true
  const { status, headers, body } = await dial(t, app, { token: app.token() })
  t.equal(status, 503)
  t.ok(headers['retry-after'])
  t.match(JSON.parse(body), { code: 'RT_ERR_DRAINING' })
})
