// The code of docs/client.md, "Over a reload", in a page that does what it says.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createApp } from '../helpers/app.js'
import { bundle, createPerson, launchBrowser, servePage } from '../helpers/browser.js'
import type { ServerFrame } from '../helpers/client.js'
import { recordTraffic } from './traffic.js'

/** What the code takes for granted. Whoever is told of a gap may do worse than the document asks for: load the whole page anew. */
const SURROUNDINGS = `
  const add = (name, entry) => sessionStorage.setItem(name, JSON.stringify([...JSON.parse(sessionStorage.getItem(name) ?? '[]'), entry]))
  Object.assign(globalThis, {
    getToken: async () => await (await fetch('/token')).text(),
    show: ({ event, content }) => add('shown', event + ' ' + content),
    reload () {
      add('reloads', location.href)
      location.reload()
    }
  })
`

const text = await readFile(new URL('../../docs/client.md', import.meta.url), 'utf8')
const [, section = ''] = /^## Over a reload\n(.*?)^## /ms.exec(text) ?? []
const code = [...section.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => code).find((code) => code.includes('since')) ?? ''

await t.test('a page that keeps its positions as documented', async (t) => {
  t.match(code, 'createClient', 'the document has the code')
  const script = await bundle(join(t.testdir({ 'page.ts': code }), 'page.ts'))
  const server = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', history: { size: 5, ttl: '10m' } } },
    inbox: { size: 5 },
    before (app) {
      servePage(app, '/', script)
      app.get('/token', () => server.token('ann'))
    }
  })
  const { notifyRoom, sendDirect } = server.app.realtime
  const { context, page, complaints } = await createPerson(t, await launchBrowser(t))
  await context.addInitScript(SURROUNDINGS)
  const { received, until } = recordTraffic(page)
  const resumes = (): ServerFrame[] => received.filter(({ type, rooms }) => type === 'ack' && rooms !== undefined)
  const list = async (name: string): Promise<string[]> => JSON.parse(await page.evaluate(`sessionStorage.getItem('${name}') ?? '[]'`))

  /** Loads the page, and again as often as it does so itself; resolves when it has caught up. */
  async function visit (loads = 1): Promise<void> {
    const before = resumes().length
    await page.goto(server.url)
    await until(() => resumes().length >= before + loads)
  }

  /** Leaves the page, and waits until the server knows. */
  async function away (): Promise<void> {
    await page.goto('about:blank')
    while ((await server.app.realtime.stats()).activeConnections > 0) await new Promise(setImmediate)
  }

  async function shown (entry: string): Promise<void> {
    await page.waitForFunction(`(sessionStorage.getItem('shown') ?? '').includes(${JSON.stringify(JSON.stringify(entry))})`)
  }

  await t.test('gets what came meanwhile, before it has seen any message', async (t) => {
    await visit()
    await away()
    await notifyRoom('chat:42', 'message', 1)
    await visit()
    await shown('message 1')
    t.strictSame(await list('shown'), ['message 1'])
  })

  await t.test('gets each message once, of every event', async (t) => {
    await notifyRoom('chat:42', 'order', 2)
    await shown('order 2')
    await visit()
    await away()
    await notifyRoom('chat:42', 'message', 3)
    await notifyRoom('chat:42', 'order', 4)
    await visit()
    await shown('order 4')
    await visit()
    await notifyRoom('chat:42', 'message', 5)
    await shown('message 5')
    t.strictSame(await list('shown'), ['message 1', 'order 2', 'message 3', 'order 4', 'message 5'])
    t.strictSame(await list('reloads'), [])
  })

  await t.test('is told of a gap once, though it loads itself anew then', async (t) => {
    await away()
    for (let number = 6; number < 16; number++) await notifyRoom('chat:42', 'order', number)
    await visit(2)
    await notifyRoom('chat:42', 'order', 16)
    await shown('order 16')
    t.equal((await list('reloads')).length, 1)
    t.strictSame((await list('shown')).slice(-2), ['message 5', 'order 16'])
  })

  await t.test('is told of a gap in the inbox once', async (t) => {
    await away()
    for (let number = 0; number < 10; number++) await sendDirect('ann', 'note', number)
    await visit(2)
    await notifyRoom('chat:42', 'order', 17)
    await shown('order 17')
    t.equal((await list('reloads')).length, 2)
  })

  t.strictSame(complaints, [])
})
