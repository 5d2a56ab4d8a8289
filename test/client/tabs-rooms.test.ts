import t from 'tap'
import type { Test } from 'tap'
import type { RealtimeOptions } from '../../lib/index.js'
import type { Client, ClientOptions } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { createSdk, heard, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'
import type { TabSdk } from '../helpers/tabs.js'

const many = { max: 1_000_000, timeWindow: '1s' }
const chat = { join: () => true, publish: 'members' as const, presence: true, typing: true, history: { size: 5_000, ttl: '10m' } }

interface World {
  readonly app: TestApp
  tab (options?: Partial<ClientOptions>): TabSdk
  /** Tabs that are connected, one after the other. */
  tabs (count: number): Promise<TabSdk[]>
}

async function createWorld (t: Test, options: RealtimeOptions = {}): Promise<World> {
  const app = await createApp(t, {
    rooms: { 'chat:{id}': chat, 'signal:{id}': { join: () => true, publish: 'members', history: false } },
    limits: { messages: many, messagesPerUser: many, joins: many },
    ...options
  })
  const browser = createBrowser()
  const world: World = {
    app,
    tab: (options) => openTab(t, browser, app, 'ann', options),
    async tabs (count) {
      const tabs: TabSdk[] = []
      for (let index = 0; index < count; index++) {
        const tab = world.tab()
        await untilStatus(tab.client, 'connected')
        tabs.push(tab)
      }
      return tabs
    }
  }
  return world
}

type AnyRoom = ReturnType<Client['room']>

function collect (room: AnyRoom): unknown[] {
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  return seen
}

function until (room: AnyRoom, last: unknown): Promise<unknown> {
  return heard(room, 'message', ({ content }: { content: unknown }) => content === last)
}

async function fill (app: TestApp, count: number): Promise<number[]> {
  const all = Array.from({ length: count }, (_, n) => n)
  for (const n of all) await app.app.realtime.notifyRoom('chat:1', 'message', n)
  return all
}

await t.test('a later tab gets what it asks for: the newest, what is behind a position, or what comes', async (t) => {
  const { app, tabs, tab } = await createWorld(t)
  await fill(app, 250)
  const [first] = await tabs(1)
  const room = await first?.client.joinRoom('chat:1')
  const opened = [
    { options: { history: 3 }, expected: [247, 248, 249] },
    { options: { history: 230 }, expected: Array.from({ length: 230 }, (_, n) => n + 20) },
    { options: { history: 1_000 }, expected: Array.from({ length: 250 }, (_, n) => n) },
    { options: { since: 'start' }, expected: Array.from({ length: 250 }, (_, n) => n) },
    { options: { since: room?.position }, expected: [] },
    { options: {}, expected: [] }
  ].map(({ options, expected }) => {
    const { client } = tab()
    const room = client.room('chat:1', options)
    room.on('reset', (gap) => t.fail(gap.reason))
    return { seen: collect(room), room, expected }
  })
  await Promise.all(opened.map(({ room }) => room.ready()))
  const last = opened.map(({ room }) => until(room, 'live'))
  await app.app.realtime.notifyRoom('chat:1', 'message', 'live')
  await Promise.all(last)
  for (const { seen, expected } of opened) t.strictSame(seen, [...expected, 'live'])
  t.equal((await app.app.realtime.stats()).activeConnections, 1)
})

await t.test('long gaps are read page by page while the others go on, by the first tab and by later ones', async (t) => {
  const { app, tab } = await createWorld(t)
  await fill(app, 2_500)
  const opened = [tab(), tab(), tab()].map(({ client }) => {
    const room = client.room('chat:1', { since: 'start' })
    return { room, seen: collect(room) }
  })
  const live = tab().client.room('chat:1')
  const liveSeen = collect(live)
  const last = [...opened.map(({ room }) => room), live].map((room) => until(room, 'end'))
  await live.ready()
  const from = liveSeen.length
  for (let n = 2_500; n < 3_000; n++) await app.app.realtime.notifyRoom('chat:1', 'message', n)
  await app.app.realtime.notifyRoom('chat:1', 'message', 'end')
  await Promise.all(last)
  const all = [...Array.from({ length: 3_000 }, (_, n) => n), 'end']
  for (const { seen } of opened) t.strictSame(seen, all)
  t.equal(from, 0)
  t.strictSame(liveSeen, all.slice(2_500))
})

await t.test('a position that cannot be continued is a gap for that tab alone', async (t) => {
  const { app, tabs, tab } = await createWorld(t)
  await fill(app, 10)
  const [first] = await tabs(1)
  const room = await first?.client.joinRoom('chat:1')
  room?.on('reset', () => t.fail('a gap of another tab'))
  const late = tab().client.room('chat:1', { since: 'nonsense', history: 2 })
  const seen = collect(late)
  const gap = heard(late, 'reset')
  await late.ready()
  t.match(await gap, { roomId: 'chat:1', reason: 'expired' })
  await late.send('more')
  t.strictSame(seen, [8, 9, 'more'])
})

await t.test('direct messages: every tab from where it is, page by page', async (t) => {
  const { app, tabs, tab } = await createWorld(t, { inbox: { size: 1_000, ttl: '1h' } })
  const { realtime } = app.app
  const [first] = await tabs(1)
  const wide = 'x'.repeat(2_000)
  const of = (client: Client): unknown[] => {
    const seen: unknown[] = []
    client.on('direct', ({ content }) => seen.push(Number(String(content).split(' ')[0])))
    client.on('reset', (gap) => t.fail(gap.reason))
    return seen
  }
  const fromFirst = first ? of(first.client) : []
  const filled = first && heard(first.client, 'direct', ({ content }: { content: unknown }) => String(content).startsWith('399'))
  for (let n = 0; n < 400; n++) await realtime.sendDirect('ann', 'note', `${n} ${wide}`)
  await filled
  const late = tab({ inbox: 'start' })
  const later = tab({ inbox: 'start' })
  const fresh = tab()
  const seen = [late, later].map(({ client }) => of(client))
  const fromFresh = of(fresh.client)
  await untilStatus(fresh.client, 'connected')
  const begin = 400
  for (let n = begin; n < 500; n++) await realtime.sendDirect('ann', 'note', `${n} ${wide}`)
  await Promise.all([late, later].map(({ client }) => untilStatus(client, 'connected')))
  const ends = [first, late, later, fresh].filter((tab) => tab !== undefined).map((tab) => heard(tab.client, 'direct', ({ content }: { content: unknown }) => content === '500 end'))
  await realtime.sendDirect('ann', 'note', '500 end')
  await Promise.all(ends)
  const all = Array.from({ length: 501 }, (_, n) => n)
  t.strictSame(fromFirst, all)
  for (const list of seen) t.strictSame(list, all)
  t.strictSame(fromFresh, all.slice(begin))
})

await t.test('a refused join is that of one tab; the next one asks by itself', async (t) => {
  let asked = 0
  const { app, tabs } = await createWorld(t, { rooms: { 'chat:{id}': { ...chat, join: () => ++asked > 1 } } })
  const [first, second, third] = await tabs(3)
  const results = await Promise.allSettled([first, second, third].map(async (tab) => await tab?.client.joinRoom('chat:1')))
  t.match(results[0], { status: 'rejected', reason: { code: 'forbidden' } })
  t.match(results.slice(1), [{ status: 'fulfilled' }, { status: 'fulfilled' }])
  t.equal(asked, 2)
  t.equal((await app.app.realtime.stats()).activeConnections, 1)
})

await t.test('presence and typing reach the tabs that are in the room; the last one to leave leaves', async (t) => {
  const { app, tabs } = await createWorld(t)
  const [first, second, third] = await tabs(3)
  if (!first || !second || !third) return
  const bob = createSdk(t, app, 'bob')
  const ofBob = await bob.client.joinRoom('chat:1')
  const quiet = await first.client.joinRoom('chat:1', { presence: false })
  quiet.on('presence', () => t.fail('not wanted'))
  const [a, b] = [await second.client.joinRoom('chat:1'), await third.client.joinRoom('chat:1')]
  t.strictSame([...a.members.keys()], ['ann', 'bob'])
  t.strictSame([...b.members.keys()], ['ann', 'bob'])
  const updates = [a, b].map((room) => heard(room, 'presence', ({ status }: { status: string }) => status === 'away'))
  ofBob.setPresence({ status: 'away' })
  await Promise.all(updates)

  const typing: boolean[] = []
  ofBob.on('typing', (event) => typing.push(event.typing))
  const began = heard(ofBob, 'typing')
  a.setTyping(true)
  await began
  b.setTyping(true)
  a.setTyping(false)
  // Its answer comes behind whatever the frames before it caused.
  await a.history()
  await ofBob.history()
  t.strictSame(typing, [true], 'one of two still types')
  const again = heard(ofBob, 'typing', ({ typing }: { typing: boolean }) => typing)
  await a.send('a message ends typing, but that of its own tab only')
  await again
  const stopped = heard(ofBob, 'typing')
  b.setTyping(false)
  await stopped
  t.strictSame(typing, [true, false, true, false])

  const left = heard(ofBob, 'presence', ({ userId, change }: { userId: string, change: string }) => userId === 'ann' && change === 'left')
  let gone = false
  void left.then(() => { gone = true })
  quiet.leave()
  a.leave()
  await b.send('still here')
  t.equal(gone, false)
  await t.rejects(a.send('not here'), { code: 'left' })
  b.leave()
  await left
})

await t.test('typing of a tab whose message is refused is over for the others too', async (t) => {
  const { app, tabs } = await createWorld(t, { rooms: { 'chat:{id}': { ...chat, publish: ({ user }) => user.id !== 'ann' } } })
  const [, second] = await tabs(2)
  if (!second) return
  const bob = createSdk(t, app, 'bob')
  const ofBob = await bob.client.joinRoom('chat:1')
  const room = await second.client.joinRoom('chat:1')
  const typing: boolean[] = []
  ofBob.on('typing', (event) => typing.push(event.typing))
  const began = heard(ofBob, 'typing')
  room.setTyping(true)
  await began
  await t.rejects(room.send('no'), { code: 'forbidden' })
  // Their answers come behind whatever the frames before them caused.
  await room.history()
  await ofBob.history()
  t.strictSame(typing, [true, false])
})

await t.test('volatile rooms: what comes', async (t) => {
  const { tabs } = await createWorld(t)
  const [first, second] = await tabs(2)
  if (!first || !second) return
  const rooms = [await first.client.joinRoom('signal:1'), await second.client.joinRoom('signal:1', { history: 5 })]
  const last = rooms.map((room) => until(room, 'hi'))
  await second.client.room('signal:1').send('hi')
  await Promise.all(last)
  t.equal(rooms[0]?.position, undefined)
})

await t.test('the server puts the user into a room and takes it out: all tabs', async (t) => {
  const { app, tabs } = await createWorld(t)
  const all = await tabs(3)
  const joined = all.map(({ client }) => heard(client, 'joined'))
  await app.app.realtime.joinUser('ann', 'chat:9')
  await Promise.all(joined)
  const rooms = all.map(({ client }) => client.room('chat:9'))
  const heardIt = rooms.map((room) => until(room, 'hello'))
  await app.app.realtime.notifyRoom('chat:9', 'message', 'hello')
  await Promise.all(heardIt)
  const left = rooms.map((room) => heard(room, 'left'))
  await app.app.realtime.removeUser('ann', 'chat:9')
  for (const event of await Promise.all(left)) t.match(event, { roomId: 'chat:9', reason: 'removed' })
})

await t.test('receipts: one tab that has handled a message is enough', async (t) => {
  const { app, tabs } = await createWorld(t)
  const [first, second] = await tabs(2)
  first?.client.on('direct', () => new Promise(() => {}))
  second?.client.on('direct', () => {})
  const { receipts } = await app.app.realtime.sendDirect('ann', 'note', 'read me', { receipt: true, timeout: '5s' })
  t.equal(receipts?.received.length, 1)
  t.strictSame(receipts?.missing, [])
})

await t.test('calls and history are answered to the tab that asked', async (t) => {
  const { app, tabs } = await createWorld(t, { rooms: { 'chat:{id}': chat, 'log:{id}': chat } })
  app.app.realtime.handle('echo', {}, (_ctx, content) => content)
  const all = await tabs(3)
  const answers = await Promise.all(all.flatMap(({ client }, tab) => [0, 1, 2].map((n) => client.call('echo', `${tab} ${n}`))))
  t.strictSame(answers, [0, 1, 2].flatMap((tab) => [0, 1, 2].map((n) => `${tab} ${n}`)))
})
