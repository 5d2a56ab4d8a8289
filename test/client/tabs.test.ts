import { BroadcastChannel } from 'node:worker_threads'
import t from 'tap'
import type { Test } from 'tap'
import { shareTabs } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { createSdk, heard, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'
import type { TabSdk, TestBrowser } from '../helpers/tabs.js'

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, history: { size: 1_000, ttl: '10m' } }
}

async function connections ({ app }: TestApp): Promise<number> {
  return (await app.realtime.stats()).activeConnections
}

/** Two tabs, the first with the socket. */
async function two (t: Test, app: TestApp, browser: TestBrowser = createBrowser()): Promise<[TabSdk, TabSdk]> {
  const first = openTab(t, browser, app, 'ann')
  await untilStatus(first.client, 'connected')
  const second = openTab(t, browser, app, 'ann')
  await untilStatus(second.client, 'connected')
  t.strictSame([first.sockets.all.length, second.sockets.all.length], [1, 0])
  return [first, second]
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
  t.equal(await connections(app), 1)
  const last = tabs.map(({ client }) => heard(client.room('chat:1'), 'message', ({ content }: { content: unknown }) => content === 'three'))
  await tabs[0].client.room('chat:1').send('one')
  await tabs[1].client.room('chat:1').send('two')
  await tabs[2].client.room('chat:1').send('three')
  await Promise.all(last)
  t.strictSame(seen, [0, 1, 2].map(() => ['one', 'two', 'three']))
  t.equal(tabs.reduce((sum, { sockets }) => sum + sockets.all.length, 0), 1, 'one real socket in all')
})

await t.test('the tab with the socket closes its client, or crashes: another one goes on, and its user never left', async (t) => {
  for (const how of ['close', 'crash'] as const) {
    const app = await createApp(t, { rooms: { 'chat:{id}': { ...rooms['chat:{id}'], presence: { grace: '10s' } } } })
    const bob = createSdk(t, app, 'bob')
    const ofBob = await bob.client.joinRoom('chat:1')
    ofBob.on('presence', ({ change, userId }) => { if (change === 'left') t.fail(`${userId} left`) })
    const [first, second] = await two(t, app)
    await first.client.joinRoom('chat:1')
    const room = await second.client.joinRoom('chat:1')
    const waiting = untilStatus(second.client, 'waiting')
    if (how === 'close') first.client.close()
    else first.crash()
    await waiting
    const inDoubt = room.send('meanwhile')
    await untilStatus(second.client, 'connected')
    t.equal(second.sockets.all.length, 1)
    await inDoubt
    await ofBob.history()
    second.client.close()
    bob.client.close()
  }
})

await t.test('users do not share, nor do tabs that do not know whose they are', async (t) => {
  const app = await createApp(t, { rooms })
  const browser = createBrowser()
  const bob = openTab(t, browser, app, 'bob')
  const tabs = [openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann')]
  const apart = [openTab(t, browser, app, 'ann', { name: 'other window' }), openTab(t, browser, app, 'ann', { name: 'other window' })]
  const tickets = [openTab(t, browser, app, 'ann', { ticket: true }), openTab(t, browser, app, 'ann', { ticket: true })]
  const named = [openTab(t, browser, app, 'ann', { ticket: true, name: 'ann' }), openTab(t, browser, app, 'ann', { ticket: true, name: 'ann' })]
  const sockets = (some: TabSdk[]): number => some.reduce((sum, { sockets }) => sum + sockets.all.length, 0)
  for (const { client } of [bob, ...tabs, ...apart, ...tickets, ...named]) await untilStatus(client, 'connected')
  t.strictSame([[bob], tabs, apart, tickets, named].map(sockets), [1, 1, 1, 2, 1])
  bob.client.on('direct', () => t.fail('not for bob'))
  const forAnn = [...tabs, ...apart, ...tickets, ...named].map(({ client }) => heard(client, 'direct'))
  await app.app.realtime.sendDirect('ann', 'note', 'hi')
  await Promise.all(forAnn)
  await bob.client.joinRoom('chat:1')
})

await t.test('one subject of two tenants is two users; a renewed token is that of the same one', async (t) => {
  const app = await createApp(t, { rooms })
  const browser = createBrowser()
  for (const claims of [{ tenant: 'one' }, { tenant: 'two' }, { tenant: 'one', jti: 'renewed' }]) {
    await untilStatus(openTab(t, browser, app, 'ann', { getToken: () => app.token('ann', claims) }).client, 'connected')
  }
  t.equal(await connections(app), 2)
})

await t.test('what the server closes it with closes all tabs, and means to each what it means', async (t) => {
  const app = await createApp(t, { rooms })
  const tabs = await two(t, app)
  const closed = tabs.map(({ client }) => untilStatus(client, 'closed'))
  await app.app.realtime.disconnectUser('ann')
  for (const status of await Promise.all(closed)) t.match(status, { reason: 'server', code: 4403 })
})

await t.test('a socket that never opens is that of all tabs; each asks why', async (t) => {
  const app = await createApp(t, {
    before (app) {
      app.addHook('onRequest', async () => { throw Object.assign(new Error('no'), { statusCode: 403 }) })
    }
  })
  const browser = createBrowser()
  const tabs = [openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann')]
  for (const status of await Promise.all(tabs.map(({ client }) => untilStatus(client, 'closed')))) t.match(status, { reason: 'server', code: 403 })
})

await t.test('a broken socket is one for all, and one is opened again', async (t) => {
  const app = await createApp(t, { rooms })
  const tabs = await two(t, app)
  const waiting = tabs.map(({ client }) => untilStatus(client, 'waiting'))
  tabs[0].sockets.last.terminate()
  for (const status of await Promise.all(waiting)) t.match(status, { reason: 'lost', code: 1006 })
  await Promise.all(tabs.map(({ client }) => untilStatus(client, 'connected')))
  t.equal(await connections(app), 1)
})

await t.test('a tab with the socket that is frozen loses it to one that waits', async (t) => {
  const app = await createApp(t, { rooms })
  const browser = createBrowser()
  const first = openTab(t, browser, app, 'ann')
  await untilStatus(first.client, 'connected')
  first.tab.freeze()
  const lost = untilStatus(first.client, 'waiting')
  const second = openTab(t, browser, app, 'ann', { timeout: 1_000 })
  await untilStatus(second.client, 'connected')
  t.equal(second.sockets.all.length, 1)
  t.match(await lost, { reason: 'goaway' })
})

await t.test('whatever else is said on the channel disturbs nobody', async (t) => {
  const app = await createApp(t, { rooms })
  const names: string[] = []
  const browser = createBrowser()
  const tab = browser.tab()
  class Named extends tab.BroadcastChannel {
    constructor (name: string) {
      super(name)
      names.push(name)
    }
  }
  const { client } = createSdk(t, app, 'ann', { shareTabs: shareTabs({ ...tab, BroadcastChannel: Named }) })
  await untilStatus(client, 'connected')
  const other = openTab(t, browser, app, 'ann')
  await untilStatus(other.client, 'connected')
  const [name = ''] = names
  t.notMatch(name, /eyJ/, 'no token in a name')
  const stranger = new BroadcastChannel(name)
  t.teardown(() => stranger.close())
  const leader = { leader: 'x', to: ['y'] }
  for (const message of [
    undefined, null, 1, 'text', [], {}, { type: 1 }, { type: 'toString' }, { type: 'nothing' }, { type: 'leader' }, { type: 'down', ...leader },
    { type: 'over', ...leader }, { type: 'over', leader: 'x', end: { opened: true } }, { type: 'accepted', leader: 'x', to: 'y' },
    { type: 'up', link: 'x', leader: 'y', text: '{' }, { type: 'bye', link: 'x', code: 1 }, { type: 'bye' }, { type: 'open', link: 7 }
  ]) stranger.postMessage(message)
  // One that is let in, and talks nonsense. It has no lock, so it is gone at once.
  stranger.postMessage({ type: 'open', link: 'nobody' })
  await new Promise<void>((resolve) => { stranger.onmessage = () => resolve() })
  const room = await other.client.joinRoom('chat:1')
  await room.send('undisturbed')
  t.match([client.status.state, other.client.status.state], ['connected', 'connected'])
  t.equal(await connections(app), 1)
})

await t.test('without Web Locks every tab has its own socket', async (t) => {
  const app = await createApp(t, { rooms })
  // Node has no Web Locks.
  const tabs = [createSdk(t, app, 'ann', { shareTabs: shareTabs() }), createSdk(t, app, 'ann', { shareTabs: shareTabs() })]
  for (const { client, sockets } of tabs) {
    await client.joinRoom('chat:1')
    t.equal(sockets.all.length, 1)
  }
  t.equal(await connections(app), 2)
})

await t.test('tabs share the limits of the one connection, and keep them', async (t) => {
  const app = await createApp(t, { rooms, limits: { messages: { max: 40, timeWindow: '1s' }, messagesPerUser: { max: 1_000, timeWindow: '1s' } } })
  const browser = createBrowser()
  const tabs = [openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann'), openTab(t, browser, app, 'ann')]
  const changes: unknown[] = []
  for (const { client } of tabs) {
    await client.joinRoom('chat:1')
    client.on('status', (status) => changes.push(status))
  }
  const reader = await app.connect('bob')
  await reader.request({ type: 'join', roomId: 'chat:1' })
  const refused: unknown[] = []
  for (const { sockets } of tabs) {
    for (const socket of sockets.all) socket.on('message', (data) => { if (String(data).includes('rate_limited')) refused.push(String(data)) })
  }
  await Promise.all(tabs.flatMap(({ client }, tab) => Array.from({ length: 30 }, (_, n) => client.send('chat:1', `${tab} ${n}`))))
  t.strictSame([refused, changes], [[], []])
  await reader.settled()
  const contents: string[] = reader.all('message').map(({ content }) => content)
  for (const tab of [0, 1, 2]) {
    t.strictSame(contents.filter((content) => content.startsWith(`${tab} `)), Array.from({ length: 30 }, (_, n) => `${tab} ${n}`), 'in the order of each')
  }
  // The first 32 go at once, then one after the other.
  const paced = contents.slice(40, 60).map((content) => content[0])
  t.ok(paced.includes('1') && paced.includes('2'), 'tabs take turns')
})
