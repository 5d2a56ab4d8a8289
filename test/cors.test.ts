import t from 'tap'
import { httpApp } from './helpers/http-app.js'

const origin = 'https://app.example.com'

await t.test('pages of an allowed origin can read every answer, refusals included', async t => {
  const app = await httpApp(t, { origins: [origin], limits: { handshakes: { max: 4 } } })
  const probe = (headers: Record<string, string>) => fetch(app.url(), { headers: { origin, ...headers } })
  for (const [status, headers] of [[426, { authorization: `Bearer ${app.token()}` }], [401, {}], [401, { authorization: 'Bearer x' }]] as const) {
    const response = await probe({ ...headers })
    t.equal(response.status, status)
    t.equal(response.headers.get('access-control-allow-origin'), origin)
    t.equal(response.headers.get('access-control-allow-credentials'), 'true')
    t.match(response.headers.get('access-control-expose-headers'), 'Retry-After')
    t.match(response.headers.get('vary'), 'Origin')
  }
  await probe({})
  const limited = await probe({})
  t.equal(limited.status, 429)
  t.equal(limited.headers.get('access-control-allow-origin'), origin)
  t.ok(limited.headers.get('retry-after'))
})

await t.test('others get no such header', async t => {
  const app = await httpApp(t, { origins: [origin] }, {
    // An application that lets everyone read everything.
    before: app => { app.addHook('onRequest', async (_request, reply) => { reply.header('access-control-allow-origin', '*').header('vary', 'Accept') }) }
  })
  for (const other of ['https://evil.example', 'null']) {
    const response = await fetch(app.url(), { headers: { origin: other, authorization: `Bearer ${app.token()}` } })
    t.equal(response.status, 403)
    t.equal(response.headers.get('access-control-allow-origin'), null)
    t.equal(response.headers.get('vary'), 'Accept, Origin')
  }
})

await t.test('preflights', async t => {
  const app = await httpApp(t, { origins: [origin] })
  for (const [path, method] of [['/realtime', 'GET'], ['/realtime/ticket', 'POST'], ['/realtime/renew', 'POST']] as const) {
    const ask = (from: string) => fetch(app.url(path), {
      method: 'OPTIONS', headers: { origin: from, 'access-control-request-method': method, 'access-control-request-headers': 'authorization' }
    })
    const allowed = await ask(origin)
    t.equal(allowed.status, 204)
    t.equal(allowed.headers.get('access-control-allow-origin'), origin)
    t.equal(allowed.headers.get('access-control-allow-methods'), method)
    t.match(allowed.headers.get('access-control-allow-headers'), 'Authorization')
    t.equal((await ask('https://evil.example')).status, 403)
  }
})
