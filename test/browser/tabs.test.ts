import type { Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { bundle, createPerson, launchBrowser, servePage } from '../helpers/browser.js'

const browser = await launchBrowser(t, { backForwardCache: true })
const script = await bundle('test/browser/tabs-page.ts')

interface Tab {
  readonly page: Page
  /** Real sockets it has open. */
  open: number
  state (state: string): Promise<unknown>
  /** Resolves when the tab has seen a message. */
  saw (content: unknown): Promise<unknown>
  list (name: 'seen' | 'directs' | 'gaps'): Promise<unknown[]>
  /** Publishes; whether the promise resolved is in `published`. */
  publish (content: string): Promise<void>
  published (content: string): Promise<unknown>
}

interface World {
  readonly server: TestApp
  readonly complaints: string[]
  tab (user?: string): Promise<Tab>
  connections (): Promise<number>
  /** A message to the room and a direct one, from the server. */
  tell (content: string): Promise<void>
}

async function createWorld (t: Test): Promise<World> {
  const server: TestApp = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', history: { size: 1_000, ttl: '10m' } } },
    before (app) {
      servePage(app, '/', script)
      app.get<{ Params: { user: string } }>('/token/:user', ({ params }) => server.token(params.user))
    }
  })
  const person = await createPerson(t, browser)
  return {
    server,
    complaints: person.complaints,
    async connections () {
      return (await server.app.realtime.stats()).activeConnections
    },
    async tell (content) {
      await server.app.realtime.notifyRoom('chat:1', 'message', content)
      await server.app.realtime.sendDirect('ann', 'note', content)
    },
    async tab (user = 'ann') {
      const page = await person.tab()
      const tab: Tab = {
        page,
        open: 0,
        state: (state) => page.waitForFunction(`tab.client.status.state === '${state}'`),
        saw: (content) => page.waitForFunction(`tab.seen.includes(${JSON.stringify(content)})`),
        list: (name) => page.evaluate(`tab.${name}`),
        publish: (content) => page.evaluate(`void tab.client.send('chat:1', ${JSON.stringify(content)}).then(() => { tab[${JSON.stringify(content)}] = true })`),
        published: (content) => page.waitForFunction(`tab[${JSON.stringify(content)}]`)
      }
      page.on('websocket', (socket) => {
        tab.open++
        socket.on('close', () => { tab.open-- })
      })
      await page.goto(`${server.url}/?user=${user}`)
      await tab.state('connected')
      return tab
    }
  }
}

/** The first has the socket. */
async function three (t: Test, world: World): Promise<[Tab, Tab, Tab]> {
  const tabs: [Tab, Tab, Tab] = [await world.tab(), await world.tab(), await world.tab()]
  t.strictSame(tabs.map(({ open }) => open), [1, 0, 0])
  return tabs
}

async function sameEverywhere (t: Test, world: World, tabs: readonly Tab[]): Promise<void> {
  await world.tell('end')
  await Promise.all(tabs.map((tab) => tab.saw('end')))
  await Promise.all(tabs.map(({ page }) => page.waitForFunction("tab.directs.includes('end')")))
  const reader = await world.server.connect('bob')
  const { messages } = await reader.request({ type: 'join', roomId: 'chat:1', since: 'start' })
  const log = messages.map(({ content }: { content: unknown }) => content)
  t.equal(new Set(log).size, log.length, 'nothing was published twice')
  for (const tab of tabs) {
    t.strictSame(await tab.list('seen'), log)
    t.strictSame(await tab.list('gaps'), [])
  }
  const [directs] = await Promise.all(tabs.map((tab) => tab.list('directs')))
  for (const tab of tabs) t.strictSame(await tab.list('directs'), directs)
  t.equal(new Set(directs).size, directs?.length)
  await reader.close()
}

/** Publishes on and on, from the server and from a tab, while something happens. */
async function meanwhile (world: World, publisher: Tab, happen: () => Promise<unknown>): Promise<void> {
  const over = new AbortController()
  let count = 0
  const contents: string[] = []
  const telling = (async () => {
    while (!over.signal.aborted || count < 20) {
      await world.tell(`server ${count}`)
      contents.push(`tab ${count}`)
      await publisher.publish(`tab ${count++}`)
    }
  })()
  await happen()
  over.abort()
  await telling
  for (const content of contents) await publisher.published(content)
}

await t.test('three tabs have one connection, and all hear everything', async (t) => {
  const world = await createWorld(t)
  const tabs = await three(t, world)
  await world.tell('one')
  for (const [index, tab] of tabs.entries()) {
    await tab.publish(`from ${index}`)
    await tab.published(`from ${index}`)
  }
  await sameEverywhere(t, world, tabs)
  t.equal(await world.connections(), 1)
  t.strictSame(world.complaints, [])
})

const endings: Record<string, (leader: Tab) => Promise<unknown>> = {
  'its page is closed': ({ page }) => page.close(),
  'its page goes elsewhere': ({ page }) => page.goto('about:blank'),
  'its process dies': async ({ page }) => {
    const session = await page.context().newCDPSession(page)
    const crashed = new Promise((resolve) => page.once('crash', resolve))
    session.send('Page.crash').catch(() => {})
    await crashed
  },
  'its client is closed': ({ page }) => page.evaluate('tab.client.close()')
}

for (const [how, end] of Object.entries(endings)) {
  await t.test(`the tab with the socket: ${how}, in the middle of everything`, async (t) => {
    const world = await createWorld(t)
    const [leader, second, third] = await three(t, world)
    await meanwhile(world, second, async () => {
      await second.saw('tab 3')
      await end(leader)
      await Promise.all([second, third].map((tab) => tab.page.waitForFunction("tab.client.status.state === 'connected'")))
      await world.tell('after')
      await Promise.all([second, third].map((tab) => tab.saw('after')))
    })
    await sameEverywhere(t, world, [second, third])
    t.equal(second.open + third.open, 1, 'one of the others has a socket now')
    t.equal(await world.connections(), 1)
    t.strictSame(world.complaints, [])
  })
}

await t.test('a tab that comes back as it was goes on', async (t) => {
  const world = await createWorld(t)
  const [leader, second, third] = await three(t, world)
  await leader.page.evaluate('tab.mark = true')
  await leader.page.goto(`${world.server.url}/token/ann`)
  await world.tell('while it was away')
  await Promise.all([second, third].map((tab) => tab.saw('while it was away')))
  await leader.page.goBack({ waitUntil: 'commit' })
  t.ok(await leader.page.evaluate('tab.mark'), 'the page was kept')
  await leader.saw('while it was away')
  await leader.publish('back')
  await leader.published('back')
  await sameEverywhere(t, world, [leader, second, third])
  t.equal(await world.connections(), 1)
})

await t.test('somebody else in another tab has a connection of their own', async (t) => {
  const world = await createWorld(t)
  const ann = await world.tab('ann')
  const bob = await world.tab('bob')
  await world.tell('for ann')
  await bob.saw('for ann')
  await ann.page.waitForFunction("tab.directs.includes('for ann')")
  await bob.publish('last')
  await bob.published('last')
  t.strictSame(await bob.list('directs'), [])
  t.equal(await world.connections(), 2)
})
