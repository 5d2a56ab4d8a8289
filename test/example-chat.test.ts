import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { connectTo } from './helpers/client.js'
import type { TestClient } from './helpers/client.js'
import manifest from '../package.json' with { type: 'json' }

const root = fileURLToPath(new URL('..', import.meta.url))
const tsx = createRequire(import.meta.url).resolve('tsx/cli')

interface Example {
  readonly url: string
  readonly child: ChildProcess
  post (path: string, body: object): Promise<Response>
  /** Signs in by HTTP, connects, and resumes from the start of the inbox, as the page does. */
  enter (name: string): Promise<TestClient>
}

/** What `npm start` starts, on a free port. */
async function startExample (t: Test): Promise<Example> {
  const [command, ...args] = manifest.scripts.start.split(' ')
  t.equal(command, 'tsx')
  // tap's own loaders must not come along.
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [tsx, ...args], {
    cwd: root, env: { ...env, PORT: '0', LOG_LEVEL: 'warn' }, stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /Chat on (http:\S+)/.exec(line)
      if (found?.[1] !== undefined) resolve(found[1])
    })
    child.once('exit', (code) => reject(new Error(`the example ended with ${code}`)))
  })
  const post = (path: string, body: object): Promise<Response> => fetch(`${url}${path}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  return {
    url,
    child,
    post,
    async enter (name) {
      const response = await post('/login', { name })
      t.equal(response.status, 200)
      const { userId, token } = await response.json() as { userId: string, token: string }
      t.equal(userId, name)
      const client = await connectTo(t, `${url.replace('http', 'ws')}/realtime`, { token, origin: url })
      t.match(await client.next('welcome'), { userId: name })
      return client
    }
  }
}

const GENERAL = 'chat:general'

await t.test('the chat example', async (t) => {
  const { url, child, post, enter } = await startExample(t)

  await t.test('serves its page and everything the page asks for, and lets it ask for nothing else', async (t) => {
    const seen = new Set<string>()
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return
      seen.add(path)
      const response = await fetch(new URL(path, url))
      t.equal(response.status, 200, path)
      const policy = response.headers.get('content-security-policy')
      t.match(policy, "default-src 'none'")
      t.notMatch(policy, 'unsafe')
      t.equal(response.headers.get('x-content-type-options'), 'nosniff')
      const text = await response.text()
      const wanted = path === '/' ? /(?:src|href)="([^#"]+)"/g : path.endsWith('.js') ? /from '([^']+)'/g : /url\(([^)]+)\)/g
      for (const [, reference = ''] of text.matchAll(wanted)) {
        t.notMatch(reference, /^(?:[a-z]+:|\/\/)/, 'nothing from elsewhere')
        await visit(new URL(reference, new URL(path, url)).pathname)
      }
      // Inline scripts, styles and handlers would not run under that policy, and markup is never made of text.
      if (path === '/') t.notMatch(text, /<script>|<style|\sstyle=|\son[a-z]+=/)
      if (path.endsWith('.js')) t.notMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/)
    }
    await visit('/')
    t.strictSame([...seen].sort(), ['/', '/app.js', '/connection.js', '/dom.js', '/favicon.svg', '/style.css'])
    t.equal((await fetch(`${url}/../app.ts`)).status, 404)
    t.equal((await fetch(`${url}/%2e%2e/app.ts`)).status, 404)
  })

  await t.test('takes no name that is none', async (t) => {
    for (const name of ['', ' ', '-', ' ann', 'a'.repeat(25), '<b>', 'a\u0000', 'user:{id}']) {
      t.equal((await post('/login', { name })).status, 400, JSON.stringify(name))
    }
    t.equal((await post('/login', {})).status, 400)
  })

  await t.test('pages of other origins stay out', async (t) => {
    const { token } = await (await post('/login', { name: 'ann' })).json() as { token: string }
    const attempt = connectTo(t, `${url.replace('http', 'ws')}/realtime`, { token, origin: 'http://127.0.0.1:1' })
    t.match(await attempt.catch((err: unknown) => err), { status: 403 })
  })

  const ann = await enter('ann')
  const bob = await enter('bob')
  const resume = {
    type: 'resume',
    inbox: 'start',
    rooms: [{ roomId: GENERAL, history: 50, presence: true }, { roomId: 'orders:live', history: 50 }]
  }

  await t.test('two people see each other come, change and type', async (t) => {
    t.match(await ann.request(resume), { type: 'ack', rooms: [{ roomId: GENERAL, presence: { count: 1 } }, { roomId: 'orders:live' }] })
    const answer = await bob.request(resume)
    t.match(answer.rooms[0].presence.members, [{ userId: 'ann', status: 'online' }, { userId: 'bob', status: 'online' }])
    t.match(await ann.next('presence'), { roomId: GENERAL, userId: 'bob', change: 'joined' })

    bob.send({ type: 'status', roomId: GENERAL, status: 'away' })
    t.match(await ann.next('presence'), { userId: 'bob', change: 'updated', status: 'away' })
    ann.send({ type: 'typing', roomId: GENERAL, typing: true })
    t.match(await bob.next('typing'), { roomId: GENERAL, userId: 'ann', typing: true })
  })

  await t.test('what one writes both get, once, and history keeps it', async (t) => {
    const message = { type: 'message', roomId: GENERAL, content: { text: '  hello <b>bob</b> ' }, key: 'k1' }
    t.match(await ann.request(message), { type: 'ack', key: 'k1' })
    t.match(await ann.request(message), { type: 'ack', key: 'k1', duplicate: true })
    const expected = { roomId: GENERAL, userId: 'ann', content: { text: 'hello <b>bob</b>' }, key: 'k1' }
    t.match(await bob.next('message'), expected)
    t.match(await ann.next('message'), expected)
    t.match(await bob.request({ type: 'history', roomId: GENERAL, limit: 50 }), { messages: [expected] })
  })

  await t.test('policies hold', async (t) => {
    const publish = (roomId: string, content: object): object => ({ type: 'message', roomId, content })
    t.match(await ann.request(publish(GENERAL, { text: '   ' })), { code: 'invalid_content' })
    t.match(await ann.request(publish('orders:live', { item: 'Tea' })), { code: 'forbidden' })
    t.match(await ann.request({ type: 'join', roomId: 'chat:!!' }), { code: 'forbidden' })
    t.match(await ann.request({ type: 'join', roomId: 'chat:café-2' }), { type: 'ack' })
    t.match(await ann.request(publish('chat:café-2', { text: 'hi', admin: true })), { type: 'ack' })
    t.strictSame((await ann.next('message')).content, { text: 'hi' })
  })

  await t.test('people write to each other, also to those who are away', async (t) => {
    const call = (to: string, text: string): object => ({ type: 'call', event: 'direct-message', content: { to, text } })
    t.match(await ann.request(call('bob', ' lunch? ')), { type: 'ack' })
    const expected = { event: 'message', userId: 'ann', content: { to: 'bob', text: 'lunch?' } }
    t.match(await bob.next('direct'), expected)
    t.match(await ann.next('direct'), expected)
    t.match(await ann.request(call('bob', ' ')), { code: 'invalid_content' })

    await ann.request(call('cleo', 'for later'))
    const cleo = await enter('cleo')
    const { inbox } = await cleo.request({ ...resume, rooms: [] })
    t.match(inbox, { messages: [{ userId: 'ann', content: { to: 'cleo', text: 'for later' } }] })
    await cleo.close()
  })

  await t.test('an HTTP route speaks to a room and to a user', async (t) => {
    const response = await post('/orders', { item: 'Espresso', user: 'bob' })
    t.equal(response.status, 201)
    const order = await response.json() as object
    t.match(order, { item: 'Espresso', user: 'bob', id: String })
    for (const client of [ann, bob]) {
      t.match(await client.next('message'), { roomId: 'orders:live', event: 'placed', userId: null, content: order })
    }
    t.match(await bob.next('direct'), { event: 'order-placed', userId: null, content: order })
    t.equal((await post('/orders', { item: ' ' })).status, 400)
    t.equal((await post('/orders', { item: 'Tea' })).status, 201)
    t.match(await ann.next('message'), { content: { item: 'Tea' } })
  })

  await t.test('SIGTERM sends everybody away and ends with 0', async (t) => {
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    for (const client of [ann, bob]) {
      t.type((await client.next('goaway')).reconnectIn, 'number')
    }
    // Ctrl-C under npm comes more than once, and must not cut the drain short.
    child.kill('SIGTERM')
    for (const client of [ann, bob]) {
      t.match(await client.closed, { code: 1012 })
    }
    t.strictSame(await exit, [0, null])
  })
})
