import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import type { StoredMessage } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { bundle, createPerson, launchBrowser, servePage } from '../helpers/browser.js'
import type { Person } from '../helpers/browser.js'
import { createSdk, heard } from '../helpers/sdk.js'
import type { Kind, Start } from './pages/storage.js'

const kinds: readonly Kind[] = ['localStorage', 'IndexedDB']
const script = await bundle('test/client/pages/storage.ts')
const browser = await launchBrowser(t)

interface Scene extends Person {
  readonly url: string
  /** Contents of the room's messages, as another member got them. */
  readonly received: unknown[]
  /** Resolves when that member has got this content. */
  until (content: unknown): Promise<unknown>
  start (options: Omit<Start, 'token'> & { readonly user?: string }, page?: Page): Promise<void>
}

async function createScene (t: Test, { after, path = '/page' }: { after?: (app: FastifyInstance) => void, path?: string } = {}): Promise<Scene> {
  const app = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
    origins: () => true,
    after (app) {
      servePage(app, '/page', script)
      after?.(app)
    }
  })
  const person = await createPerson(t, browser)
  const url = app.url + path
  await person.page.goto(url)
  const { client } = createSdk(t, app, 'bob')
  const received: unknown[] = []
  const room = await client.joinRoom('chat:1')
  room.on('message', ({ content }) => received.push(content))
  return {
    ...person,
    url,
    received,
    until: (content) => received.includes(content) ? Promise.resolve() : heard(client, 'message', (message: { content: unknown }) => message.content === content),
    start: ({ user = 'ann', ...options }, page = person.page) =>
      page.evaluate((start) => globalThis.startStorage(start), { token: app.token(user), ...options })
  }
}

function send (page: Page, contents: readonly unknown[]): Promise<void> {
  return page.evaluate((contents) => { for (const content of contents) void globalThis.storagePage.room.send(content) }, contents)
}

function stored (page: Page): Promise<readonly StoredMessage[]> {
  return page.evaluate(async () => await globalThis.storagePage.storage.load())
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

for (const kind of kinds) {
  await t.test(`${kind}: a reload in the middle, online and offline, loses nothing, repeats nothing and keeps the order`, async (t) => {
    const { page, context, start, until, received, complaints } = await createScene(t)
    await start({ kind })
    await send(page, range(0, 10))
    await page.reload()
    await context.setOffline(true)
    await start({ kind, connect: false })
    await send(page, range(10, 20))
    await context.setOffline(false)
    await page.reload()
    await start({ kind })
    await send(page, range(20, 30))
    await until(29)
    await page.evaluate(() => globalThis.storagePage.room.send('end'))
    t.strictSame(received, [...range(0, 30), 'end'])
    t.strictSame(await stored(page), [], 'what arrived is kept no longer')
    t.strictSame(await page.evaluate(() => [globalThis.storagePage.errors, globalThis.storagePage.storageErrors]), [[], []])
    t.strictSame(complaints, [])
  })

  await t.test(`${kind}: what is sent while the page goes away arrives after it`, async (t) => {
    const { page, start, until, received, url } = await createScene(t)
    await start({ kind })
    await page.evaluate(() => {
      Reflect.get(globalThis, 'addEventListener')('pagehide', () => { void globalThis.storagePage.room.send('last words') })
    })
    await page.goto('about:blank')
    await page.goto(url)
    await start({ kind })
    await until('last words')
    await page.evaluate(() => globalThis.storagePage.room.send('end'))
    t.strictSame(received, ['last words', 'end'])
  })

  await t.test(`${kind}: garbage among the items is removed and told, and what is whole is sent`, async (t) => {
    const { page, start, until, received } = await createScene(t)
    await start({ kind, connect: false })
    await send(page, ['whole'])
    t.equal((await stored(page)).length, 1)
    if (kind === 'localStorage') {
      await page.evaluate(() => {
        const localStorage = Reflect.get(globalThis, 'localStorage')
        const prefix = localStorage.key(0)?.replace(/"chat:1".*$/, '') ?? ''
        localStorage.setItem('of somebody else', '{')
        localStorage.setItem(`${prefix}"chat:1","broken"]`, '{"key":')
        localStorage.setItem(`${prefix}"chat:1","null"]`, 'null')
        localStorage.setItem(`${prefix}"chat:1","old"]`, '{"id":"old","room":"chat:1","text":"version 0"}')
        localStorage.setItem(`${prefix}"chat:1","moved"]`, '{"key":"other","roomId":"chat:1","event":"message","content":1,"at":1}')
      })
    } else {
      await page.evaluate(() => new Promise<void>((resolve, reject) => {
        const request = Reflect.get(globalThis, 'indexedDB').open('fastify-realtime ann', 1)
        request.onsuccess = () => {
          const transaction = request.result.transaction('messages', 'readwrite')
          const store = transaction.objectStore('messages')
          store.put({ roomId: 'chat:1', key: 'old', text: 'version 0' })
          store.put({ roomId: 'chat:1', key: 'late', event: 'message', content: 1, at: NaN })
          store.put({ roomId: 7, key: ['x'], event: 'message', content: 1, at: 1 })
          store.put({ roomId: 'chat:1', key: 'sent', event: 'message', content: 1, at: 1, sentAt: 'yesterday' })
          transaction.oncomplete = () => resolve()
          transaction.onabort = () => reject(transaction.error)
        }
      }))
    }
    await page.reload()
    await start({ kind })
    await until('whole')
    t.strictSame(received, ['whole'])
    t.strictSame(await page.evaluate(() => globalThis.storagePage.storageErrors), Array.from({ length: 4 }, () =>
      'Error: An item of the stored queue "ann" was no message and has been removed'))
    await page.evaluate(() => globalThis.storagePage.room.send('end'))
    t.strictSame(await stored(page), [])
    t.equal((await page.evaluate(() => globalThis.storagePage.storageErrors)).length, 4, 'once')
    if (kind === 'localStorage') t.strictSame(await page.evaluate(() => Object.keys(Reflect.get(globalThis, 'localStorage'))), ['of somebody else'])
  })

  await t.test(`${kind}: a store that is full is told, and what it does not take is sent all the same`, async (t) => {
    const { page, context, start, until, received, url } = await createScene(t)
    const session = await context.newCDPSession(page)
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(url).origin, quotaSize: 300_000 })
    await start({ kind, connect: false })
    await send(page, ['small'])
    t.equal((await stored(page)).length, 1)
    // Its limit is another one, which no test can set.
    if (kind === 'localStorage') await page.evaluate(() => Reflect.get(globalThis, 'localStorage').setItem('fill', 'x'.repeat(5_000_000)))
    const large = range(0, 60).map((n) => `${n} ${'x'.repeat(60_000)}`)
    await send(page, large)
    // Behind the writes, which tell of their failure first.
    t.ok((await stored(page)).length < 61)
    const told = await page.evaluate(() => globalThis.storagePage.storageErrors)
    t.ok(told.length > 0)
    for (const error of told) t.match(error, /Quota/)
    await page.evaluate(() => globalThis.storagePage.client.connect())
    await page.evaluate(() => globalThis.storagePage.room.send('end'))
    await until('end')
    t.strictSame(received, ['small', ...large, 'end'])
    t.strictSame(await stored(page), [])
    t.strictSame(await page.evaluate(() => globalThis.storagePage.errors), [])
  })

  await t.test(`${kind}: a message whose mark that it was sent cannot be kept is not taken for one that never was`, async (t) => {
    const { page, context, start, url } = await createScene(t)
    const session = await context.newCDPSession(page)
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(url).origin, quotaSize: 300_000 })
    await start({ kind, connect: false })
    const put = (length: number, sentAt?: number): Promise<void> => page.evaluate(({ length, sentAt }) => {
      const message = { roomId: 'chat:1', key: 'k', event: 'message', content: 'x'.repeat(length), at: 1 }
      void globalThis.storagePage.storage.put({ ...message, ...(sentAt !== undefined && { sentAt }) })
    }, { length, sentAt })
    await put(10)
    t.match(await stored(page), [{ content: 'xxxxxxxxxx' }])
    await put(6_000_000)
    await stored(page)
    t.match(await stored(page), [{ content: 'xxxxxxxxxx' }], 'a replacement that says nothing new leaves what stands there')
    await put(6_000_000, 2)
    await stored(page)
    t.strictSame(await stored(page), [])
    t.match(await page.evaluate(() => globalThis.storagePage.storageErrors), [/Quota/, /Quota/])
  })

  await t.test(`${kind}: a page that may keep nothing sends what it has in memory`, async (t) => {
    const { page, start, until, received } = await createScene(t, {
      path: '/sandbox',
      after (app) {
        // A document without an origin: Chromium refuses it every store.
        app.get('/sandbox', (_request, reply) => reply.type('text/html').header('content-security-policy', 'sandbox allow-scripts')
          .send(`<!doctype html><title>test</title><link rel="icon" href="data:,"><script type="module">${script}</script>`))
      }
    })
    await start({ kind })
    await send(page, ['a', 'b'])
    await until('b')
    t.strictSame(received, ['a', 'b'])
    const { storageErrors, errors } = await page.evaluate(() => ({ ...globalThis.storagePage, client: null, room: null, storage: null }))
    t.match(storageErrors, [/SecurityError/], 'told once')
    t.equal(storageErrors.length, 1)
    t.strictSame(errors, [])
  })

  await t.test(`${kind}: two tabs with one name send what is stored once`, async (t) => {
    const { page, tab, start, until, received, url } = await createScene(t)
    await start({ kind, connect: false })
    await send(page, range(0, 20))
    t.equal((await stored(page)).length, 20)
    await page.reload()
    const other = await tab()
    await other.goto(url)
    await Promise.all([start({ kind }), start({ kind }, other)])
    await until(19)
    for (const tab of [page, other]) await tab.evaluate(() => globalThis.storagePage.room.send('end'))
    t.strictSame(received, [...range(0, 20), 'end', 'end'])
    t.strictSame(await stored(page), [])
  })

  await t.test(`${kind}: names are apart`, async (t) => {
    const { page, start } = await createScene(t)
    await start({ kind, connect: false, name: 'ann' })
    await send(page, ['from ann'])
    await start({ kind, connect: false, name: 'an' })
    await send(page, ['from an'])
    await start({ kind, connect: false, name: 'ann","chat:1' })
    t.strictSame(await stored(page), [])
    await start({ kind, connect: false, name: 'ann' })
    t.match(await stored(page), [{ content: 'from ann', roomId: 'chat:1', event: 'message' }])
    t.strictSame(await page.evaluate(() => globalThis.storagePage.storageErrors), [])
  })
}

await t.test('IndexedDB: whoever upgrades or deletes the database does not wait for this page', async (t) => {
  const { page, tab, start, until, received, url } = await createScene(t)
  await start({ kind: 'IndexedDB' })
  await page.evaluate(() => globalThis.storagePage.room.send('before'))
  const other = await tab()
  await other.goto(url)
  const change = (how: 'delete' | 'upgrade'): Promise<string> => other.evaluate((how) => new Promise<string>((resolve) => {
    const indexedDB = Reflect.get(globalThis, 'indexedDB')
    const request = how === 'delete' ? indexedDB.deleteDatabase('fastify-realtime ann') : indexedDB.open('fastify-realtime ann', 2)
    request.onblocked = () => resolve('blocked')
    request.onerror = () => resolve('error')
    request.onsuccess = () => resolve('done')
  }), how)
  t.equal(await change('delete'), 'done')
  await page.evaluate(() => globalThis.storagePage.client.close())
  t.strictSame(await stored(page), [], 'it is made anew')
  t.equal(await change('upgrade'), 'done')
  await page.evaluate(() => globalThis.storagePage.client.connect())
  await page.evaluate(() => globalThis.storagePage.room.send('after'))
  await until('after')
  t.strictSame(received, ['before', 'after'])
  t.match(await page.evaluate(() => globalThis.storagePage.storageErrors), [/VersionError/])
  t.strictSame(await page.evaluate(() => globalThis.storagePage.errors), [])
})

await t.test('IndexedDB: a database that does not open keeps the client waiting for its timeout and no longer, and is used when it opens', async (t) => {
  const { page, tab, start, until, received, url } = await createScene(t)
  await start({ kind: 'IndexedDB', connect: false })
  await send(page, ['stored'])
  t.equal((await stored(page)).length, 1)
  const other = await tab()
  await other.goto(url)
  // Holds on to the database while somebody waits to delete it: until then nobody else can open it.
  await other.evaluate(() => new Promise<void>((resolve) => {
    const indexedDB = Reflect.get(globalThis, 'indexedDB')
    const request = indexedDB.open('fastify-realtime ann', 1)
    request.onsuccess = () => {
      Reflect.set(globalThis, 'held', request.result)
      resolve()
    }
  }))
  await page.reload()
  await page.evaluate(() => new Promise<void>((resolve) => {
    Reflect.get(globalThis, 'indexedDB').deleteDatabase('fastify-realtime ann').onblocked = () => resolve()
  }))
  await start({ kind: 'IndexedDB', timeout: 300 })
  await page.evaluate(() => globalThis.storagePage.room.send('fresh'))
  await until('fresh')
  t.match(await page.evaluate(() => globalThis.storagePage.errors), [/timeout|storage/])
  t.strictSame(received, ['fresh'])
  await other.evaluate(() => Reflect.get(globalThis, 'held').close())
  t.strictSame(await stored(page), [])
  t.strictSame(await page.evaluate(() => globalThis.storagePage.storageErrors), [])
})
