import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { RealtimeOptions } from '../lib/index.js'
import { findProgram } from '../scripts/provision.js'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import type { ServerFrame } from './helpers/client.js'
import { deleteWithTests, endWithTests } from './helpers/leftovers.js'
import { startProxy } from './helpers/proxy.js'
import { freePort } from './helpers/free-port.js'
import { startRedis } from './helpers/redis.js'

const python = findProgram('python3') ?? ''
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'examples/python')
const scripts = join(root, 'lib/bridge/redis/scripts')

const rooms: NonNullable<RealtimeOptions['rooms']> = {
  'chat:{id}': { join: () => true, publish: 'members', history: { size: 1_000, ttl: '1h' } },
  'orders:live': { join: () => true }
}

const server = await startRedis(t)
const redisUrl = `redis://127.0.0.1:${server.port}/2`
const prefix = 'shop'
const node: TestApp = await createApp(t, { rooms, redis: { url: redisUrl, prefix } })

interface Program {
  readonly child: ChildProcessWithoutNullStreams
  /** Every line of JSON it printed. */
  readonly lines: ServerFrame[]
  /** The next line that fits. */
  next (wants: (line: ServerFrame) => boolean): Promise<ServerFrame>
  /** Resolves with its exit code when it ends. */
  readonly ended: Promise<number | null>
  readonly errors: () => string
}

function run (t: Test, args: readonly string[], env: Record<string, string> = {}, program = python, cwd = folder): Program {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env.PATH, REDIS_URL: redisUrl, REALTIME_PREFIX: prefix, PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1', ...env }
  })
  endWithTests(child)
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => { errors += String(data) })
  const lines: ServerFrame[] = []
  const waiting = new Set<() => void>()
  let read = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    // The log of a service.
    if (!line.startsWith('{')) return
    lines.push(JSON.parse(line))
    for (const look of [...waiting]) look()
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return {
    child,
    lines,
    ended,
    errors: () => errors,
    async next (wants) {
      return await new Promise((resolve, reject) => {
        const look = (): void => {
          for (; read < lines.length; read++) {
            const line = lines[read]
            if (line === undefined || !wants(line)) continue
            read++
            waiting.delete(look)
            resolve(line)
            return
          }
        }
        waiting.add(look)
        look()
        void ended.then((code) => reject(new Error(`${args.join(' ')} ended with ${code}: ${errors}`)))
      })
    }
  }
}

/** Resolves when a service listens. */
async function listening (service: Program): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    service.child.stderr.on('data', () => { if (service.errors().includes('Uvicorn running on')) resolve() })
    void service.ended.then((code) => reject(new Error(`it ended with ${code}: ${service.errors()}`)))
  })
}

await t.test('the commands of the README do what it says, from the root of the project', async (t) => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  const commands = [...readme.matchAll(/^```sh\n(.*?)\n```/gms)].map(([, command = '']) => command)
  // The Python that has the modules, under the name that it has there.
  const bin = t.testdir({ python3: `#!/bin/sh\nexec '${python}' "$@"\n` })
  chmodSync(join(bin, 'python3'), 0o755)

  /** The only command with these words, with something else where the README has an example. */
  function type (words: string, replace: ReadonlyArray<readonly [string, string]> = [], env: Record<string, string> = {}): Program {
    const [command = '', ...others] = commands.filter((command) => command.includes(words))
    t.strictSame([others, command === ''], [[], false], words)
    let line = command
    for (const [example, value] of replace) {
      t.ok(line.includes(example), `${words}: ${example}`)
      line = line.replace(example, value)
    }
    return run(t, ['-c', `exec ${line}`], { PATH: `${bin}:${process.env.PATH}`, ...env }, 'sh', root)
  }

  const publisher = type('publisher.py')
  t.equal(await publisher.ended, 0, publisher.errors())
  t.match(publisher.lines, [{ duplicate: false }, { duplicate: true }])

  const port = String(await freePort())
  const service = type('notify:app', [['8000', port]])
  await listening(service)
  const shipment = type('curl', [['8000', port]])
  t.equal(await shipment.ended, 0, shipment.errors())
  t.match(shipment.lines, [{ position: String, duplicate: false }])
  service.child.kill('SIGINT')
  await service.ended

  const client = type('client.py', [['TOKEN=... ', ''], ['ws://127.0.0.1:3000/realtime', node.wsUrl]], { TOKEN: node.token('reader') })
  await client.next(({ type, roomId }) => type === 'joined' && roomId === 'chat:42')
  const { messages } = await node.app.realtime.history('chat:42')
  t.same(messages.map(({ content }) => content), [{ text: 'Hello from Python' }])
  client.child.stdin.write('a line\n')
  t.match(await client.next(({ type }) => type === 'message'), { content: { text: 'a line' }, userId: 'reader' })
})

await t.test('the scripts are found where the package is', async (t) => {
  // Outside of the project, which has them itself.
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'python-')))
  deleteWithTests(outside)
  t.teardown(() => rmSync(outside, { recursive: true }))
  const [app, other] = [join(outside, 'app'), join(outside, 'other')]
  const installed = join(app, 'node_modules/fastify-realtime/dist/lib/bridge/redis/scripts')
  cpSync(scripts, installed, { recursive: true })
  for (const place of [join(app, 'service'), other]) cpSync(join(folder, 'realtime.py'), join(place, 'realtime.py'))
  const find = (cwd: string, modules: string, env: Record<string, string> = {}): Program => {
    return run(t, ['-c', 'import json, realtime; print(json.dumps({"found": str(realtime.find_scripts())}))'], { PYTHONPATH: modules, ...env }, python, cwd)
  }
  for (const [what, { lines, ended, errors }, found] of [
    ['in the project', find(outside, folder), scripts],
    ['above the file', find(outside, join(app, 'service')), installed],
    ['above the folder in which it runs', find(join(app, 'node_modules'), other), installed],
    ['where a variable says', find(app, folder, { REALTIME_SCRIPTS: '/opt/scripts' }), '/opt/scripts']
  ] as const) {
    t.equal(await ended, 0, `${what} ${errors()}`)
    t.same(lines, [{ found }], what)
  }
  const nowhere = find(outside, other)
  t.equal(await nowhere.ended, 1)
  t.match(nowhere.errors(), /FileNotFoundError: .*REALTIME_SCRIPTS/)
})

await t.test('the publisher: twice under one key is once', async (t) => {
  const alice = await node.connect('alice')
  const { position: before } = await alice.request({ type: 'join', roomId: 'chat:1' })
  const { lines, ended, errors } = run(t, ['publisher.py', 'chat:1', 'Grüße aus Python 🐍'])
  t.equal(await ended, 0, errors())
  const [first, second] = lines
  t.match(first, { duplicate: false, position: /^\w+\.1\.\w+$/ })
  t.same(second, { ...first, duplicate: true })
  const message = await alice.next('message')
  t.match(message, { userId: null, event: 'message', content: { text: 'Grüße aus Python 🐍' }, position: first?.position, timestamp: first?.timestamp })
  t.type(message.key, 'string')
  await alice.settled()
  t.equal(alice.all('message').length, 1)
  const again = await node.connect('alice')
  t.match(await again.request({ type: 'join', roomId: 'chat:1', since: before }), { recovered: true, messages: [message] })
  // The very same message of a server: the key is shared, and the digest is the same.
  t.same(await node.app.realtime.notifyRoom('chat:1', 'message', { text: 'Grüße aus Python 🐍' }, { key: message.key }), {
    position: first?.position, timestamp: first?.timestamp, duplicate: true
  })
  await t.rejects(node.app.realtime.notifyRoom('chat:1', 'message', 'other', { key: message.key }), { code: 'RT_ERR_CONFLICT' })
})

await t.test("the publisher leaves the room's bounds as they are", async (t) => {
  for (let number = 0; number < 120; number++) await node.app.realtime.notifyRoom('chat:long', 'n', number)
  const { ended } = run(t, ['publisher.py', 'chat:long', 'one more'])
  t.equal(await ended, 0)
  await server.admin.select(2)
  t.equal(await server.admin.xlen(`${prefix}@2:{r:chat:long}:log`), 121)
})

await t.test('a name that could be mistaken for another is refused', async (t) => {
  const { ended, errors } = run(t, ['publisher.py', 'chat:{1}', 'x'])
  t.equal(await ended, 1)
  t.match(errors(), /ValueError/)
})

await t.test('the service tells the room and the user, once for each key', async (t) => {
  const port = await freePort()
  await listening(run(t, ['-m', 'uvicorn', 'notify:app', '--port', String(port), '--no-access-log']))
  const ship = async (key: string, carrier: string): Promise<{ status: number, body: ServerFrame }> => {
    const response = await fetch(`http://127.0.0.1:${port}/shipments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ order_id: 5, user_id: 'ann', carrier })
    })
    return { status: response.status, body: await response.json() as ServerFrame }
  }
  const [ann, bob] = [await node.connect('ann'), await node.connect('bob')]
  await bob.request({ type: 'join', roomId: 'orders:live' })
  await ann.settled()
  const first = await ship('s-2', 'pigeon')
  t.equal(first.status, 201)
  t.match(await bob.next('message'), { event: 'shipped', userId: null, content: { orderId: 5, carrier: 'pigeon' }, position: first.body.position })
  t.match(await ann.next('direct'), { event: 'shipped', userId: null, content: { orderId: 5, carrier: 'pigeon' } })
  t.same(await ship('s-2', 'pigeon'), { status: 201, body: { ...first.body, duplicate: true } })
  t.equal((await ship('s-2', 'snail')).status, 409)
  t.equal((await ship('', 'pigeon')).status, 422)
  for (const client of [ann, bob]) await client.settled()
  t.equal(bob.all('message').length, 1)
  t.equal(ann.all('direct').length, 1)
})

await t.test('the client misses nothing over dropped connections, in either direction', async (t) => {
  const proxy = await startProxy(t, Number(new URL(node.url).port))
  const url = `ws://127.0.0.1:${proxy.port}/realtime`
  const client = run(t, ['client.py', url, 'chat:2', 'orders:live'], { TOKEN: node.token('py') })
  const welcome = await client.next(({ type }) => type === 'welcome')
  for (const roomId of ['chat:2', 'orders:live']) await client.next((line) => line.type === 'joined' && line.roomId === roomId)
  const alice = await node.connect('alice')
  await alice.request({ type: 'join', roomId: 'chat:2' })

  await node.app.realtime.notifyRoom('chat:2', 'n', 0)
  t.match(await client.next(({ type }) => type === 'message'), { roomId: 'chat:2', event: 'n', content: 0 })
  client.child.stdin.write('from Python\n')
  t.match(await alice.next((frame) => frame.userId === 'py'), { content: { text: 'from Python' } })

  const sent = await node.app.realtime.sendDirect('py', 'hello', 'in person', { receipt: true, timeout: '20s' })
  t.same(sent.receipts, { received: [welcome.connectionId], missing: [] })
  t.match(await client.next(({ type }) => type === 'direct'), { event: 'hello', content: 'in person', position: sent.position })

  const spoken: string[] = ['from Python']
  let number = 1
  for (let round = 0; round < 3; round++) {
    // A line that may be on its way when everything goes, or waits until it is back.
    client.child.stdin.write(`line ${round}\n`)
    spoken.push(`line ${round}`)
    proxy.reset()
    for (let count = 0; count < 150; count++) await node.app.realtime.notifyRoom('chat:2', 'n', number++)
    await node.app.realtime.sendDirect('py', 'hello', round)
    await client.next((line) => line.type === 'joined' && line.roomId === 'chat:2' && line.recovered === true)
  }
  await node.app.realtime.notifyRoom('chat:2', 'n', number)
  await client.next((line) => line.content === number && line.event === 'n')
  t.same(client.lines.filter(({ event }) => event === 'n').map(({ content }) => content), Array.from({ length: number + 1 }, (_, index) => index))
  t.same(client.lines.filter(({ type }) => type === 'direct').map(({ content }) => content), ['in person', 0, 1, 2])
  t.same(client.lines.filter(({ type }) => type === 'reset' || type === 'error' || type === 'unknown'), [])

  while (alice.frames.filter(({ userId }) => userId === 'py').length < spoken.length) await alice.next((frame) => frame.userId === 'py')
  await alice.settled()
  t.same(alice.frames.filter(({ userId }) => userId === 'py').map(({ content }) => content.text), spoken, 'each once, in order')

  const back = client.lines.filter(({ type }) => type === 'welcome').at(-1)
  const last = await node.app.realtime.sendDirect('py', 'hello', 'once more', { receipt: true, timeout: '20s' })
  t.same(last.receipts, { received: [back?.connectionId], missing: [] })

  await node.app.realtime.disconnectUser('py', 'enough')
  t.equal(await client.ended, 1)
  t.match(client.errors(), /closed with 4403/)
})

await t.test('the client is told of a gap, and goes on behind it', async (t) => {
  const proxy = await startProxy(t, Number(new URL(node.url).port))
  const client = run(t, ['client.py', `ws://127.0.0.1:${proxy.port}/realtime`, 'orders:live'], { TOKEN: node.token('py2') })
  await client.next(({ type }) => type === 'joined')
  await node.app.realtime.notifyRoom('orders:live', 'n', 0)
  await client.next(({ content }) => content === 0)
  // More than the room keeps, before it is back: it waits at least 200 ms.
  const published = Promise.all(Array.from({ length: 150 }, (_, number) => node.app.realtime.notifyRoom('orders:live', 'n', number + 1)))
  proxy.reset()
  await published
  t.match(await client.next(({ type }) => type === 'reset'), { roomId: 'orders:live', reason: 'trimmed' })
  await node.app.realtime.notifyRoom('orders:live', 'n', 'behind it')
  t.match(await client.next(({ content }) => content === 'behind it'), { roomId: 'orders:live' })
})

await t.test('a room that may not be joined is told of, and the client goes on', async (t) => {
  const client = run(t, ['client.py', `${node.wsUrl}`, 'secret', 'orders:live'], { TOKEN: node.token('py') })
  t.match(await client.next(({ type }) => type === 'error'), { roomId: 'secret', code: 'forbidden' })
  t.match(await client.next(({ type }) => type === 'joined'), { roomId: 'orders:live' })
})
