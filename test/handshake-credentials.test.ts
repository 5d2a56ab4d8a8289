import { once } from 'node:events'
import t from 'tap'
import { dial, httpApp } from './helpers/http-app.js'

await t.test('a header lets in', async t => {
  const app = await httpApp(t)
  const { status, ws } = await dial(t, app, { token: app.token(), protocols: ['realtime.v1'] })
  t.equal(status, 101)
  t.equal(ws.protocol, 'realtime.v1')
  ws.send('early')
  const [data] = await once(ws, 'message')
  t.equal(String(data), 'early')
  t.match(app.accepted[0]?.identity, { user: { id: 'ada' } })
})
