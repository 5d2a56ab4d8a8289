import t from 'tap'
import { httpApp } from './helpers/http-app.js'

await t.test('liveness', async t => {
  const app = await httpApp(t)
  app.state.bridge = 'down'
  app.state.draining = true
  const response = await fetch(app.url('/realtime/health'))
  t.equal(response.status, 200, 'whatever else is wrong')
  t.match(await response.json(), { status: 'ok', uptime: Number })
})

await t.test('readiness', async t => {
  const app = await httpApp(t)
  const ready = async () => {
    const response = await fetch(app.url('/realtime/health/ready'))
    t.equal(response.headers.get('cache-control'), 'no-store')
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
  const fine = await ready()
  t.equal(fine.status, 200)
  t.notOk('reason' in fine.body)
  t.match(fine.body, {
    status: 'ready', uptime: Number, bridge: 'up', draining: false, memoryUsage: { rss: Number, heapUsed: Number, heapTotal: Number, external: Number }
  })
  app.state.bridge = 'down'
  t.match(await ready(), { status: 503, body: { status: 'unavailable', reason: 'unknown', bridge: 'down', draining: false } })
  app.state.publicReason = 'Redis does not answer'
  t.equal((await ready()).body.reason, 'Redis does not answer', 'and not what names hosts')
  app.state.bridge = 'up'
  app.state.draining = true
  t.match(await ready(), { status: 503, body: { status: 'unavailable', reason: 'draining', bridge: 'up', draining: true } })
})

await t.test('never limited, and can be switched off', async t => {
  const app = await httpApp(t, { limits: { handshakes: { max: 1 } } })
  for (let i = 0; i < 5; i++) t.equal((await fetch(app.url('/realtime/health'))).status, 200)
  const off = await httpApp(t, { health: { enabled: false } })
  t.equal((await fetch(off.url('/realtime/health'))).status, 404)
  t.equal((await fetch(off.url('/realtime/health/ready'))).status, 404)
})
