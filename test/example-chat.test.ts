import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { connectTo } from './helpers/client.js'
import type { TestClient } from './helpers/client.js'
import { endWithTests } from './helpers/leftovers.js'
import manifest from '../package.json' with { type: 'json' }

const root = fileURLToPath(new URL('..', import.meta.url))

interface Example {
  readonly url: string
  readonly child: ChildProcess
  post (path: string, body: object): Promise<Response>
  /** Signs in by HTTP, connects, and resumes from the start of the inbox, as the page does. */
  enter (name: string): Promise<TestClient>
}

/** What `npm start` starts, on a free port. */
async function startExample (t: Test): Promise<Example> {
  // `tsx` would put a process of its own in front of it, and be the one that is ended.
  const [command, ...args] = manifest.scripts.start.split(' ')
  t.equal(command, 'tsx')
  // tap's own loaders must not come along.
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    cwd: root, env: { ...env, PORT: '0', LOG_LEVEL: 'warn', TOKEN_TTL: '10m' }, stdio: ['ignore', 'pipe', 'inherit']
  })
  endWithTests(child)
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

  await t.test('serves its page, made from its sources, and lets it ask for nothing that is elsewhere', async (t) => {
    const page = await fetch(url)
    t.equal(page.status, 200)
    t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
    t.equal(page.headers.get('cache-control'), 'no-cache')
    const html = await page.text()
    // Inline scripts, styles and handlers would not run under the policy.
    t.notMatch(html, /<script>|<style|\sstyle=|\son[a-z]+=/)
    const names = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = '']) => name)
    t.match(names, [/^favicon-\w{8}\.svg$/, /^style-\w{8}\.css$/, /^main-\w{8}\.js$/])

    const sizes = new Map<string, number>()
    for (const name of ['', ...names]) {
      const response = await fetch(`${url}/${name}`)
      t.equal(response.status, 200, name)
      const policy = response.headers.get('content-security-policy')
      t.match(policy, "default-src 'none'; script-src 'self'; style-src 'self'")
      t.match(policy, "require-trusted-types-for 'script'")
      t.notMatch(policy, 'unsafe')
      t.equal(response.headers.get('x-content-type-options'), 'nosniff')
      if (name !== '') t.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable')
      const body = Buffer.from(await response.arrayBuffer())
      sizes.set(name.replace(/-\w{8}/, ''), gzipSync(body).length)
    }
    const { 'main.js': script = 0, 'style.css': style = 0 } = Object.fromEntries(sizes)
    t.ok(script > 40_000 && script < 120_000, `${script} bytes of script: React, the client and the page, nothing of the server`)
    t.ok(style > 1_000 && style < 10_000, `${style} bytes of style`)
    for (const path of ['/main.tsx', '/page/main.tsx', '/%2e%2e/app.ts']) t.equal((await fetch(url + path)).status, 404, path)
  })

  await t.test('makes no markup of text anywhere in its page', async (t) => {
    const folder = new URL('../examples/chat/page/', import.meta.url)
    const sources = (await readdir(folder, { recursive: true })).filter((name) => /\.tsx?$/.test(name))
    t.ok(sources.length > 20)
    for (const name of sources) {
      const source = await readFile(new URL(name, folder), 'utf8')
      t.notMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|eval\(/, name)
    }
  })

  await t.test('takes no name that is none', async (t) => {
    for (const name of ['', ' ', '-', ' ann', 'a'.repeat(25), '<b>', 'a\u0000', 'user:{id}']) {
      t.equal((await post('/login', { name })).status, 400, JSON.stringify(name))
    }
    t.equal((await post('/login', {})).status, 400)
  })

  await t.test('gives out tokens that end when TOKEN_TTL says so', async (t) => {
    const { token } = await (await post('/login', { name: 'ann' })).json() as { token: string }
    const { iat, exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { iat: number, exp: number }
    t.equal(exp - iat, 600)
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

  await t.test('people write to each other, also to those who are away, and once however often it is tried', async (t) => {
    const call = (to: string, text: string, key: string): object => ({ type: 'call', event: 'direct-message', content: { to, text, key } })
    t.match(await ann.request(call('bob', ' lunch? ', 'd1')), { type: 'ack' })
    t.match(await ann.request(call('bob', ' lunch? ', 'd1')), { type: 'ack' })
    const expected = { event: 'message', userId: 'ann', content: { to: 'bob', text: 'lunch?', key: 'd1' } }
    t.match(await bob.next('direct'), expected)
    t.match(await ann.next('direct'), expected)
    t.match(await ann.request(call('bob', ' ', 'd2')), { code: 'invalid_content' })

    // The keys of one are no obstacle to another.
    t.match(await bob.request(call('ann', 'at noon', 'd1')), { type: 'ack' })
    const answer = { event: 'message', userId: 'bob', content: { to: 'ann', text: 'at noon', key: 'd1' } }
    t.match(await ann.next('direct'), answer)
    t.match(await bob.next('direct'), answer)

    await ann.request(call('cleo', 'for later', 'd3'))
    const cleo = await enter('cleo')
    const { inbox } = await cleo.request({ ...resume, rooms: [] })
    t.match(inbox, { messages: [{ userId: 'ann', content: { to: 'cleo', text: 'for later' } }] })
    t.equal(inbox.messages.length, 1)
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
