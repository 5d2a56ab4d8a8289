import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'

await t.test('a server that allows one frame at a time gets one in each window', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await server.peer()
  peer.welcome({ limits: { maxPayload: 65_536, messages: { max: 1, window: 1_000 }, joins: { max: 200, window: 10_000 }, keyTtl: 600_000 } })
  await peer.resumed()
  await untilStatus(client, 'connected')
  const sent = [1, 2, 3].map((content) => room.send(content))
  t.match(await peer.acked(), { content: 1 })
  await sent[0]
  for (const content of [2, 3]) {
    clock.advance(999)
    t.equal(peer.frames.filter(({ type }) => type === 'message').length, content - 1)
    clock.advance(1)
    t.match(await peer.acked(), { content })
    await sent[content - 1]
  }
})

await t.test('so it is with a real server', async (t) => {
  const app = await createApp(t, {
    limits: { messages: { max: 1, timeWindow: 100 } },
    rooms: { 'chat:{id}': { join: () => true, publish: 'members' } }
  })
  const { client, errors } = createSdk(t, app, 'ann')
  const room = client.room('chat:1')
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  await Promise.all([1, 2, 3].map((content) => room.send(content)))
  t.strictSame(seen, [1, 2, 3])
  t.strictSame(errors, [])
})
