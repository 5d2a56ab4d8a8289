import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { createEmitter } from '../lib/emitter.js'
import type { Emitter, EmitterOptions } from '../lib/emitter.js'
import type { RealtimeOptions } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { installPackage, runNode } from './helpers/package.js'
import { startCluster } from './helpers/redis-cluster.js'
import { freePort } from './helpers/free-port.js'
import { startRedis } from './helpers/redis.js'
import { until } from './helpers/until.js'
import { compile, everyCompiler, loadedFiles, PATIENCE, writeProgram } from './types/compile.js'

t.setTimeout(PATIENCE)

const rooms: NonNullable<RealtimeOptions['rooms']> = {
  'chat:{id}': { join: () => true, publish: 'members', presence: true },
  'long:{id}': { join: () => true, history: { size: 1_000, ttl: '1h' } },
  'live:{id}': { join: () => true, publish: 'members', history: false },
  'user:{id}': { join: () => true }
}

function emitterFor (t: Test, options: EmitterOptions): Emitter<unknown> {
  const emitter = createEmitter<unknown>(options)
  t.teardown(() => emitter.close())
  return emitter
}

interface Scene extends TestApp {
  readonly redis: { host: string, port: number }
}

const server = await startRedis(t)
let scenes = 0

/** A node of its own application. */
async function scene (t: Test): Promise<Scene & { prefix: string, options: EmitterOptions }> {
  const prefix = `app${++scenes}`
  const redis = { host: '127.0.0.1', port: server.port, prefix }
  return { ...await createApp(t, { rooms, redis }), redis, prefix, options: { redis } }
}

await t.test('what it publishes reaches members as if a server had', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, node.options)
  const alice = await node.connect('alice')
  await alice.request({ type: 'join', roomId: 'chat:1' })

  const first = await emitter.notifyRoom('chat:1', 'order', { id: 5 })
  const { type, position, timestamp, ...rest } = await alice.next('message')
  t.same({ position, timestamp }, first)
  t.same(rest, { roomId: 'chat:1', event: 'order', userId: null, content: { id: 5 } })

  await emitter.notifyRoom('chat:1', 'message', 'hello', { userId: 'bob', key: 'k1' })
  t.match(await alice.next('message'), { userId: 'bob', content: 'hello', key: 'k1' })

  await alice.close(1012)
  const last = await emitter.notifyRoom('chat:1', 'order', 'while away')
  const again = await node.connect('alice')
  const resumed = await again.request({ type: 'join', roomId: 'chat:1', since: position })
  t.match(resumed, { recovered: true, position: last.position, messages: [{ content: 'hello' }, { content: 'while away' }] })
})

await t.test('a key publishes once, whoever of the servers uses it', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, node.options)
  const first = await emitter.notifyRoom('chat:1', 'order', { id: 5 }, { key: 'order-5' })
  t.same(await emitter.notifyRoom('chat:1', 'order', { id: 5 }, { key: 'order-5' }), { ...first, duplicate: true })
  t.same(await node.app.realtime.notifyRoom('chat:1', 'order', { id: 5 }, { key: 'order-5' }), { ...first, duplicate: true })
  await t.rejects(emitter.notifyRoom('chat:1', 'order', { id: 6 }, { key: 'order-5' }), { code: 'RT_ERR_CONFLICT' })
  const direct = await emitter.sendDirect('ann', 'shipped', 1, { key: 'k' })
  t.same(await node.app.realtime.sendDirect('ann', 'shipped', 1, { key: 'k' }), { ...direct, duplicate: true })
  t.equal((await node.app.realtime.history('chat:1')).messages.length, 1)
})

await t.test('calls take effect in their order', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, node.options)
  const numbers = Array.from({ length: 500 }, (_, number) => number)
  await Promise.all(numbers.map((number) => emitter.notifyRoom(`long:${number % 2}`, 'n', number)))
  for (const room of [0, 1]) {
    const { messages } = await node.app.realtime.history(`long:${room}`, { limit: 100 })
    t.same(messages.map(({ content }) => content), numbers.filter((number) => number % 2 === room).slice(-100))
  }
})

await t.test('users are reached on every device, or find it later', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, node.options)
  const [phone, desk] = [await node.connect('ann'), await node.connect('ann')]
  for (const device of [phone, desk]) await device.settled()
  const sent = await emitter.sendDirect('ann', 'shipped', { orderId: 5 }, { userId: 'shop' })
  for (const device of [phone, desk]) {
    t.match(await device.next('direct'), { event: 'shipped', userId: 'shop', content: { orderId: 5 }, position: sent.position, timestamp: sent.timestamp })
  }
  await emitter.sendDirect('bea', 'shipped', 6)
  const bea = await node.connect('bea')
  t.match(await bea.request({ type: 'resume', inbox: 'start', rooms: [] }), { inbox: { recovered: true, messages: [{ content: 6 }] } })

  await phone.request({ type: 'join', roomId: 'user:bea' })
  t.type((await emitter.broadcastUserUpdate('bea', { avatar: 1 })).position, 'string')
  t.match(await phone.next('message'), { roomId: 'user:bea', event: 'user-update', content: { avatar: 1 } })

  const { timestamp } = await emitter.broadcast('maintenance', { at: 'noon' })
  for (const device of [phone, desk, bea]) t.same(await device.next('broadcast'), { type: 'broadcast', event: 'maintenance', content: { at: 'noon' }, timestamp })
})

await t.test('it knows who is present, a page at a time', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, node.options)
  t.same(await emitter.presence('chat:1'), { members: [], count: 0 })
  for (const user of ['cy', 'ann', 'bob']) await (await node.connect(user)).request({ type: 'join', roomId: 'chat:1', presence: true })
  const bob = await node.connect('bob')
  await bob.request({ type: 'join', roomId: 'chat:1' })
  await bob.request({ type: 'status', roomId: 'chat:1', status: 'busy', meta: { until: 'noon' } })
  t.same(await emitter.presence('chat:1'), {
    members: [
      { userId: 'ann', status: 'online', devices: 1 },
      { userId: 'bob', status: 'busy', meta: { until: 'noon' }, devices: 2 },
      { userId: 'cy', status: 'online', devices: 1 }
    ],
    count: 3
  })
  t.match(await emitter.presence('chat:1', { limit: 1, after: 'ann' }), { members: [{ userId: 'bob' }], count: 3, more: true })
  t.same(await emitter.presence('chat:1'), await node.app.realtime.presence('chat:1'))
})

/** Offsets kept, by the log itself. */
async function kept (prefix: string, channel: string): Promise<number> {
  return await server.admin.xlen(`${prefix}:{${channel}}:log`)
}

await t.test("the bounds of a room's log are those of its policy, whoever publishes", async (t) => {
  const node = await scene(t)
  const { prefix, app } = node
  const emitter = emitterFor(t, node.options)
  const publish = async (by: Pick<Emitter<unknown>, 'notifyRoom'>, room: string, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, number) => by.notifyRoom(room, 'n', number)))
  }
  await publish(app.realtime, 'long:1', 150)
  await publish(emitter, 'long:1', 10)
  t.equal(await kept(prefix, 'r:long:1'), 160, 'nothing of what the policy keeps is lost')
  t.ok(await server.admin.pttl(`${prefix}:{r:long:1}:log`) > 300_000)

  await publish(emitter, 'long:2', 110)
  t.equal(await kept(prefix, 'r:long:2'), 100, 'the default ones where a log begins here')
  await publish(app.realtime, 'long:2', 1)
  await publish(emitter, 'long:2', 20)
  t.equal(await kept(prefix, 'r:long:2'), 121, 'until a server has published')

  const informed = emitterFor(t, { ...node.options, rooms })
  await publish(informed, 'long:3', 110)
  t.equal(await kept(prefix, 'r:long:3'), 110, 'those of the policy where it is given')
  await publish(informed, 'other:3', 1)
  t.equal(await kept(prefix, 'r:other:3'), 1, 'rooms of no pattern are no mistake')

  const read = await node.connect('reader')
  await read.request({ type: 'join', roomId: 'long:4' })
  await publish(emitter, 'long:4', 110)
  t.equal(await kept(prefix, 'r:long:4'), 100, 'a log that was only read has no bounds yet')
})

await t.test('the inbox likewise', async (t) => {
  const prefix = `app${++scenes}`
  const redis = { host: '127.0.0.1', port: server.port, prefix }
  const { app } = await createApp(t, { rooms, redis, inbox: { size: 3 } })
  const emitter = emitterFor(t, { redis })
  const send = async (by: Pick<Emitter<unknown>, 'sendDirect'>, userId: string): Promise<void> => {
    for (let number = 0; number < 5; number++) await by.sendDirect(userId, 'n', number)
  }
  await send(app.realtime, 'ann')
  await send(emitter, 'ann')
  t.equal(await kept(prefix, 'u:ann'), 3)
  await send(emitter, 'bob')
  t.equal(await kept(prefix, 'u:bob'), 5)
  await send(emitterFor(t, { redis, inbox: { size: 2 } }), 'bob')
  t.equal(await kept(prefix, 'u:bob'), 2)
})

await t.test('a volatile room that it is told of stays one', async (t) => {
  const node = await scene(t)
  const emitter = emitterFor(t, { ...node.options, rooms: { 'live:{id}': { history: false } } })
  const alice = await node.connect('alice')
  await alice.request({ type: 'join', roomId: 'live:1' })
  const result = await emitter.notifyRoom('live:1', 'cursor', { x: 1 }, { key: 'looked at by nobody' })
  t.same(Object.keys(result), ['timestamp'])
  t.same(await alice.next('message'), {
    type: 'message', roomId: 'live:1', event: 'cursor', userId: null, content: { x: 1 }, key: 'looked at by nobody', timestamp: result.timestamp
  })
  t.equal(await kept(node.prefix, 'r:live:1'), 0)
})

await t.test('arguments are checked as those of a server', async (t) => {
  const node = await scene(t)
  const emitter: Emitter<unknown> = emitterFor(t, node.options)
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const wrong: Array<[code: string, call: (by: Pick<Emitter<unknown>, 'notifyRoom' | 'sendDirect' | 'broadcast' | 'presence'>) => Promise<unknown>]> = [
    ['RT_ERR_BAD_ARGUMENT', (by) => by.notifyRoom('a{b}', 'n', 1)],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.notifyRoom('chat:1', 'presence', 1)],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.notifyRoom('chat:1', 'n', 1, { key: '' })],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.notifyRoom('chat:1', 'n', 1, { userId: '\n' })],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.notifyRoom('chat:1', 'n', 1, JSON.parse('{ "kee": "k" }'))],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.sendDirect('', 'n', 1)],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.broadcast('left', 1)],
    ['RT_ERR_BAD_ARGUMENT', (by) => by.presence('chat:1', { limit: 0 })],
    ['RT_ERR_CONTENT_NOT_SERIALIZABLE', (by) => by.notifyRoom('chat:1', 'n', cyclic)],
    ['RT_ERR_CONTENT_TOO_LARGE', (by) => by.notifyRoom('chat:1', 'n', 'x'.repeat(300_000))]
  ]
  for (const [code, call] of wrong) {
    const refusals = await Promise.all([emitter, node.app.realtime].map((by) => call(by).then(() => 'nothing', (error: unknown) => error)))
    t.match(refusals[0], { code })
    t.match(refusals[0], { message: Object(refusals[1]).message }, `${code}: in the same words`)
  }
  t.equal(await kept(node.prefix, 'r:chat:1'), 0)
})

await t.test('wrong options throw and name themselves', (t) => {
  const options: Array<[given: unknown, code: string, words: RegExp]> = [
    [undefined, 'RT_ERR_OPTION', /redis must be given/],
    [{}, 'RT_ERR_OPTION', /redis must be given/],
    [{ redis: 'http://x' }, 'RT_ERR_OPTION', /redis/],
    [{ redis: 'redis://x', prefix: 'shop' }, 'RT_ERR_OPTION', /prefix is unknown/],
    [{ redis: 'redis://x', rooms: { 'a:{id}': { history: { size: 0 } } } }, 'RT_ERR_OPTION', /rooms\["a:{id}"\]\.history\.size/],
    [{ redis: 'redis://x', rooms: { 'a:{id': {} } }, 'RT_ERR_PATTERN', /a:{id/],
    [{ redis: 'redis://x', inbox: { ttl: 'long' } }, 'RT_ERR_OPTION', /inbox\.ttl/]
  ]
  // As JavaScript would call it.
  for (const [given, code, words] of options) t.throws(() => Reflect.apply(createEmitter, undefined, [given]), { code, message: words })
  t.end()
})

await t.test('its methods work by themselves', async (t) => {
  const node = await scene(t)
  const { notifyRoom, close } = createEmitter<unknown>(node.options)
  await t.resolves(notifyRoom('chat:1', 'n', 1))
  await close()
})

await t.test('without Redis calls are refused in bounded time, told of, and taken again when it is there', async (t) => {
  const own = await startRedis(t)
  let tell = (_error: Error): void => {}
  const told = new Promise<Error>((resolve) => { tell = resolve })
  const emitter = emitterFor(t, { redis: { host: '127.0.0.1', port: own.port, timeout: 500, probe: 200 }, onError: (error) => tell(error) })
  await emitter.notifyRoom('chat:1', 'n', 1)
  await own.kill()
  const refused = await emitter.notifyRoom('chat:1', 'n', 2, { key: 'two' }).then(() => null, (error: unknown) => error)
  t.match(refused, { code: /^RT_ERR_(UNAVAILABLE|TIMEOUT)$/ })
  await t.rejects(emitter.presence('chat:1'), { code: 'RT_ERR_UNAVAILABLE' })
  await t.rejects(emitter.broadcast('n', 1), { code: 'RT_ERR_UNAVAILABLE' })
  t.match(await told, { message: /ECONNRE/ })
  await own.restart()
  let position: string | undefined
  await until('it is taken', async () => {
    ({ position } = await emitter.notifyRoom('chat:1', 'n', 2, { key: 'two' }))
    return true
  })
  t.type(position, 'string')
})

await t.test('a wrong address is told by the first call, in the time of a call', async (t) => {
  const port = await freePort()
  const emitter = emitterFor(t, { redis: { host: '127.0.0.1', port, timeout: 300 } })
  await t.rejects(emitter.notifyRoom('chat:1', 'n', 1), { code: 'RT_ERR_UNAVAILABLE', message: new RegExp(`ECONNREFUSED 127\\.0\\.0\\.1:${port}`) })
})

await t.test('close waits for calls under way, and takes no more', async (t) => {
  const node = await scene(t)
  const emitter = createEmitter<unknown>(node.options)
  const calls = Array.from({ length: 50 }, (_, number) => emitter.notifyRoom('chat:1', 'n', number))
  const closed = emitter.close()
  const late = emitter.notifyRoom('chat:1', 'n', 'late')
  await t.rejects(late, { code: 'RT_ERR_UNAVAILABLE', message: /closed/ })
  await closed
  t.equal((await Promise.all(calls)).length, 50)
  t.equal(await kept(node.prefix, 'r:chat:1'), 50)
  await t.resolves(emitter.close(), 'once more')
  t.notOk(String(await server.admin.client('LIST')).includes(`name=${node.prefix}:command\n`))
})

await t.test('rooms and users are where the servers look for them', async (t) => {
  const second = await startRedis(t)
  const [a, b] = [server, second].map(({ port }) => `redis://127.0.0.1:${port}`)
  const cluster = await startCluster(t)
  const places: Array<[name: string, ours: EmitterOptions['redis'], theirs: EmitterOptions['redis']]> = [
    ['shards, in whatever order', { shards: [String(a), String(b)], prefix: 'shards' }, { shards: [String(b), String(a)], prefix: 'shards' }],
    ['a cluster', { cluster: { nodes: cluster.nodes }, prefix: 'cluster' }, { cluster: { nodes: cluster.nodes }, prefix: 'cluster' }]
  ]
  for (const [name, ours, theirs] of places) {
    await t.test(name, async (t) => {
      const node = await createApp(t, { rooms, redis: ours })
      const emitter = emitterFor(t, { redis: theirs })
      const alice = await node.connect('alice')
      await alice.settled()
      for (let number = 0; number < 8; number++) {
        await alice.request({ type: 'join', roomId: `chat:${number}`, presence: true })
        const { position } = await emitter.notifyRoom(`chat:${number}`, 'n', number)
        t.match(await alice.next('message'), { roomId: `chat:${number}`, content: number, position })
        t.equal((await emitter.presence(`chat:${number}`)).count, 1)
      }
      await emitter.sendDirect('alice', 'n', 1)
      await alice.next('direct')
      await emitter.broadcast('n', 1)
      await alice.next('broadcast')
    })
  }
})

// A folder in which nothing but this package and what it says it needs can be found.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fastify-realtime-emitter-')))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
await installPackage(folder)
for (const name of ['ioredis', '@fastify/error', '@types/node']) {
  const to = join(folder, 'node_modules', name)
  mkdirSync(dirname(to), { recursive: true })
  symlinkSync(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)), to, 'dir')
}

await t.test('a script without Fastify publishes and ends', async (t) => {
  const prefix = `app${++scenes}`
  writeFileSync(join(folder, 'job.mjs'), `
    import { createEmitter } from 'fastify-realtime/emitter'
    const emitter = createEmitter({ redis: { port: ${server.port}, prefix: '${prefix}' } })
    const { position } = await emitter.notifyRoom('chat:1', 'done', true)
    console.log(typeof position)
    await emitter.close()
  `)
  t.same(await runNode(['job.mjs'], folder), { code: 0, output: 'string\n' })
  t.equal(await kept(prefix, 'r:chat:1'), 1)
  writeFileSync(join(folder, 'job.cjs'), "console.log(typeof require('fastify-realtime/emitter').createEmitter)")
  t.same(await runNode(['job.cjs'], folder), { code: 0, output: 'function\n' })
})

await t.test('it is typed by the Api, without the types of Fastify', { timeout: PATIENCE }, async (t) => {
  writeProgram(join(folder, 'worker'), ['worker.ts'], { skipLibCheck: true })
  writeFileSync(join(folder, 'worker', 'worker.ts'), `
    import { createEmitter } from 'fastify-realtime/emitter'
    import type { PublishResult } from 'fastify-realtime/emitter'

    interface Api {
      rooms: { 'chat:{id}': { order: { id: number } }, 'user:{id}': { 'user-update': { avatar: string } } }
      direct: { shipped: { orderId: number } }
      broadcast: { maintenance: { at: string } }
    }
    const emitter = createEmitter<Api>({ redis: 'redis://localhost' })
    const result: PublishResult = await emitter.notifyRoom('chat:1', 'order', { id: 1 }, { key: 'k' })
    const { position } = await emitter.sendDirect('ann', 'shipped', { orderId: 1 })
    const text: string = position
    await emitter.broadcastUserUpdate('ann', { avatar: 'x' })
    await emitter.broadcast('maintenance', { at: 'noon' })
    await emitter.presence('chat:1')
    // @ts-expect-error no such room
    await emitter.notifyRoom('chart:1', 'order', { id: 1 })
    // @ts-expect-error no such event
    await emitter.notifyRoom('chat:1', 'oder', { id: 1 })
    // @ts-expect-error not its content
    await emitter.notifyRoom('chat:1', 'order', { id: '1' })
    // @ts-expect-error not its content
    await emitter.sendDirect('ann', 'shipped', {})
    // @ts-expect-error not its content
    await emitter.broadcastUserUpdate('ann', 1)
    // @ts-expect-error an emitter cannot wait for receipts
    await emitter.sendDirect('ann', 'shipped', { orderId: 1 }, { receipt: true })
    const untyped = createEmitter({ redis: { port: 6379, prefix: 'shop' }, rooms: { 'live:{id}': { history: false, publish: 'members' } } })
    await untyped.notifyRoom('whatever', 'n', 1)
    export { result, text }
  `)
  for (const compiler of everyCompiler) {
    const { errors, output } = await compile(compiler, folder, ['-p', 'worker', '--listFiles'])
    t.same(errors, [], `compiles on TypeScript ${compiler}`)
    const files = loadedFiles(output, folder)
    t.ok(files.some((file) => file.endsWith('fastify-realtime/dist/lib/emitter.d.ts')))
    t.same(files.filter((file) => /node_modules\/(fastify|@fastify|ws|@types\/ws)\//.test(file)), [])
  }
})
