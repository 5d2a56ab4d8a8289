import t from 'tap'
import { createApp } from '../helpers/app.js'
import { heard, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, history: { size: 1_000, ttl: '10m' } }
}

await t.test('three tabs, one connection: what one publishes the others hear', async (t) => {
  const app = await createApp(t, { rooms })
  const browser = createBrowser()
  const tabs = [openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann')] as const
  const seen: unknown[][] = [[], [], []]
  for (const [index, { client }] of tabs.entries()) {
    const room = await client.joinRoom('chat:1')
    room.on('message', ({ content }) => seen[index]?.push(content))
  }
  t.equal((await app.app.realtime.stats()).activeConnections, 1)
  const last = tabs.map(({ client }) => heard(client.room('chat:1'), 'message', ({ content }: { content: unknown }) => content === 'three'))
  await tabs[0].client.room('chat:1').send('one')
  await tabs[1].client.room('chat:1').send('two')
  await tabs[2].client.room('chat:1').send('three')
  await Promise.all(last)
  t.strictSame(seen, [0, 1, 2].map(() => ['one', 'two', 'three']))
  t.equal(tabs.reduce((sum, { sockets }) => sum + sockets.all.length, 0), 1, 'one real socket in all')
})

await t.test('the leader closes its client: another tab goes on', async (t) => {
  const app = await createApp(t, { rooms })
  const browser = createBrowser()
  const first = openTab(t, browser, app, 'ann')
  await untilStatus(first.client, 'connected')
  const second = openTab(t, browser, app, 'ann')
  const room = await second.client.joinRoom('chat:1')
  t.equal(second.sockets.all.length, 0)
  const waiting = untilStatus(second.client, 'waiting')
  first.client.close()
  await waiting
  await untilStatus(second.client, 'connected')
  t.equal(second.sockets.all.length, 1)
  await room.send('still here')
})
