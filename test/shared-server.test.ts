import websocket from '@fastify/websocket'
import t from 'tap'
import { createApp } from './helpers/app.js'

await t.test("on the application's own WebSocket server connections drain as on ours", async t => {
  const app = await createApp(t, {
    before: async app => { await app.register(websocket, { options: { maxPayload: 1_048_576 } }) },
    limits: { payload: 2048 }
  })
  const client = await app.connect('ada')
  const closing = app.app.close()
  t.match(await client.next('goaway'), { type: 'goaway' })
  t.match(await client.closed, { code: 1012 })
  await closing
})

await t.test('and limits.payload holds where that server takes more', async t => {
  const app = await createApp(t, {
    before: async app => { await app.register(websocket, { options: { maxPayload: 1_048_576 } }) },
    limits: { payload: 2048 }
  })
  const client = await app.connect('ada')
  client.send('x'.repeat(3000))
  t.match(await client.closed, { code: 1009 })
})
