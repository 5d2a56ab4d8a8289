import t from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import realtime from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { SECRET } from './helpers/server.js'

const rooms = {
  'chat:{id}': { join: () => true, presence: true, publish: 'members' as const },
  'live:{id}': { join: () => true, history: false as const },
  'order:{id}': { join: () => true, events: { status: Type.Object({ n: Type.Integer(), d: Type.Integer({ default: 3 }) }, { additionalProperties: false }) } }
}

await t.test('every method works from an HTTP handler, with nobody connected', async (t) => {
  const { app } = await createApp(t, {
    rooms,
    after (app) {
      app.post('/all', async () => {
        const { realtime } = app
        return {
          notifyRoom: await realtime.notifyRoom('chat:1', 'n', { a: 1 }),
          volatile: await realtime.notifyRoom('live:1', 'n', 1),
          sendDirect: await realtime.sendDirect('ann', 'note', 1),
          receipt: await realtime.sendDirect('ann', 'note', 1, { receipt: true, timeout: '1m' }),
          update: await realtime.broadcastUserUpdate('ann', { n: 1 }),
          broadcast: await realtime.broadcast('news', 1),
          presence: await realtime.presence('chat:1'),
          history: await realtime.history('chat:1'),
          connections: await realtime.connections(),
          stats: await realtime.stats(),
          joinUser: await realtime.joinUser('ann', 'chat:1'),
          removeUser: await realtime.removeUser('ann', 'chat:1'),
          disconnectUser: await realtime.disconnectUser('ann')
        }
      })
    }
  })
  const answer = await app.inject({ method: 'POST', url: '/all' })
  t.equal(answer.statusCode, 200, answer.body)
  t.match(answer.json(), {
    notifyRoom: { position: String, timestamp: Number },
    volatile: { timestamp: Number },
    sendDirect: { position: String, timestamp: Number },
    receipt: { receipts: { received: { length: 0 }, missing: { length: 0 } } },
    update: { position: String },
    broadcast: { timestamp: Number },
    presence: { members: { length: 0 }, count: 0 },
    history: { messages: [{ event: 'n', userId: null, content: { a: 1 }, timestamp: Number, position: String }], position: String },
    connections: { connections: { length: 0 }, unreachable: { length: 0 } },
    stats: { activeConnections: 0, rooms: 0, users: 0, messagesIn: 0, messagesOut: 0, outboxBytes: 0, unreachable: { length: 0 } },
    joinUser: { connections: 0, unreachable: { length: 0 } },
    removeUser: { position: String },
    disconnectUser: { connections: 0, unreachable: { length: 0 } }
  })
})

await t.test('it works as soon as register resolves, before the app is ready', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(realtime, { auth: { secret: SECRET }, rooms })
  t.match(await app.realtime.notifyRoom('chat:1', 'n', 1), { position: String })
  t.match(await app.realtime.notifyRoom('order:1', 'status', { n: 1 }), { position: String })
  t.match((await app.realtime.history('order:1')).messages, [{ content: { n: 1, d: 3 } }])
})

await t.test('the server publishes for somebody, and under a key', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const first = await app.realtime.notifyRoom('chat:1', 'n', 1, { userId: 'bob', key: 'k' })
  t.match(await ann.next('message'), { userId: 'bob', key: 'k', content: 1, position: first.position })
  t.same(await app.realtime.notifyRoom('chat:1', 'n', 1, { userId: 'bob', key: 'k' }), { ...first, duplicate: true })
})

await t.test('who is where', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await bob.request({ type: 'join', roomId: 'chat:2' })
  t.match(await app.realtime.presence('chat:1'), { members: [{ userId: 'ann', status: 'online', devices: 1 }], count: 1 })
  t.match(await app.realtime.connections(), { connections: [{ userId: 'ann', rooms: ['chat:1'] }, { userId: 'bob', rooms: ['chat:2'] }] })
  t.match((await app.realtime.connections({ userId: 'bob' })).connections, [{ connectionId: String, userId: 'bob', nodeId: String, connectedAt: Number }])
  t.same((await app.realtime.connections({ roomId: 'chat:1' })).connections.map(({ userId }) => userId), ['ann'])
  t.equal((await app.realtime.connections({ limit: 1 })).connections.length, 1)
  t.match(await app.realtime.stats(), { activeConnections: 2, rooms: 2, users: 2 })
  t.same(await app.realtime.joinUser('ann', 'chat:3'), { connections: 1, unreachable: [] })
  t.match(await ann.next('joined'), { roomId: 'chat:3', position: String })
  await app.realtime.notifyRoom('chat:3', 'n', 1)
  t.match(await ann.next('message'), { roomId: 'chat:3' })
  t.same(await app.realtime.disconnectUser('ann', 'banned'), { connections: 1, unreachable: [] })
  t.same(await ann.closed, { code: 4403, reason: 'banned' })
})

type Method = keyof FastifyInstance['realtime']
const bad: Array<[method: Method, args: unknown[], code: string]> = []
const names: unknown[] = [undefined, null, 5, '', {}, ['chat:1'], 'x'.repeat(201), 'chat:\u0000', 'chat:{1}', 'chat:\ud800', Symbol('x'), 1n]
for (const name of names) {
  const code = 'RT_ERR_BAD_ARGUMENT'
  bad.push(
    ['notifyRoom', [name, 'n', 1], code], ['notifyRoom', ['chat:1', 'n', 1, { userId: name ?? null }], code], ['sendDirect', [name, 'n', 1], code],
    ['broadcastUserUpdate', [name, 1], code], ['presence', [name], code], ['history', [name], code], ['joinUser', ['ann', name], code],
    ['joinUser', [name, 'chat:1'], code], ['removeUser', [name, 'chat:1'], code], ['removeUser', ['ann', name], code], ['disconnectUser', [name], code],
    ['connections', [{ userId: name ?? null }], code], ['connections', [{ roomId: name ?? null }], code], ['presence', ['chat:1', { after: name ?? null }], code]
  )
}
for (const event of [undefined, null, 5, '', 'x'.repeat(65), 'a{b}', '\u0007', 'presence', 'typing', 'reset', 'left', 'error', Symbol('x')]) {
  bad.push(['notifyRoom', ['chat:1', event, 1], 'RT_ERR_BAD_ARGUMENT'], ['sendDirect', ['ann', event, 1], 'RT_ERR_BAD_ARGUMENT'], ['broadcast', [event, 1], 'RT_ERR_BAD_ARGUMENT'])
}
for (const options of [null, 5, 'key', { kye: 'k' }, { key: '' }, { key: 5 }, { key: 'x'.repeat(65) }, { key: null }]) {
  bad.push(['notifyRoom', ['chat:1', 'n', 1, options], 'RT_ERR_BAD_ARGUMENT'], ['sendDirect', ['ann', 'n', 1, options], 'RT_ERR_BAD_ARGUMENT'])
}
for (const limit of [0, -1, 1.5, 101, NaN, Infinity, '5', null]) {
  bad.push(['history', ['chat:1', { limit }], 'RT_ERR_BAD_ARGUMENT'], ['presence', ['chat:1', { limit }], 'RT_ERR_BAD_ARGUMENT'])
  if (limit !== 101) bad.push(['connections', [{ limit }], 'RT_ERR_BAD_ARGUMENT'])
}
for (const timeout of [-1, NaN, 60_001, '2m', 'soon', null, {}]) bad.push(['sendDirect', ['ann', 'n', 1, { receipt: true, timeout }], 'RT_ERR_BAD_ARGUMENT'])
for (const receipt of ['yes', 1, null]) bad.push(['sendDirect', ['ann', 'n', 1, { receipt }], 'RT_ERR_BAD_ARGUMENT'])
bad.push(
  ['history', ['chat:1', { before: 'a', after: 'b' }], 'RT_ERR_BAD_ARGUMENT'],
  ['history', ['chat:1', { before: 5 }], 'RT_ERR_BAD_ARGUMENT'],
  ['history', ['chat:1', { befor: 'x' }], 'RT_ERR_BAD_ARGUMENT'],
  ['history', ['live:1'], 'RT_ERR_BAD_ARGUMENT'],
  ['connections', [5], 'RT_ERR_BAD_ARGUMENT'],
  ['connections', [{ user: 'ann' }], 'RT_ERR_BAD_ARGUMENT'],
  ['removeUser', ['ann', 'chat:1', 5], 'RT_ERR_BAD_ARGUMENT'],
  ['removeUser', ['ann', 'chat:1', 'x'.repeat(124)], 'RT_ERR_BAD_ARGUMENT'],
  ['disconnectUser', ['ann', 5], 'RT_ERR_BAD_ARGUMENT'],
  ['disconnectUser', ['ann', 'x'.repeat(124)], 'RT_ERR_BAD_ARGUMENT'],
  ['notifyRoom', ['unknown:1', 'n', 1], 'RT_ERR_UNKNOWN_ROOM'],
  ['presence', ['unknown:1'], 'RT_ERR_UNKNOWN_ROOM'],
  ['history', ['unknown:1'], 'RT_ERR_UNKNOWN_ROOM'],
  ['joinUser', ['ann', 'unknown:1'], 'RT_ERR_UNKNOWN_ROOM'],
  ['notifyRoom', ['order:1', 'unknown', {}], 'RT_ERR_UNKNOWN_EVENT'],
  ['notifyRoom', ['order:1', 'status', {}], 'RT_ERR_INVALID_CONTENT'],
  ['notifyRoom', ['order:1', 'status', null], 'RT_ERR_INVALID_CONTENT'],
  ['notifyRoom', ['order:1', 'status', { n: 'x' }], 'RT_ERR_INVALID_CONTENT']
)

await t.test('bad arguments reject, each naming itself', async (t) => {
  const { app } = await createApp(t, { rooms })
  for (const [method, args, code] of bad) {
    let caught: unknown
    try {
      const called: unknown = Reflect.apply(app.realtime[method], app.realtime, args)
      t.ok(called instanceof Promise, 'it never throws in the caller\'s face')
      await called
    } catch (err) {
      caught = err
    }
    const what = `${method}(${args.map((arg) => typeof arg === 'object' && arg !== null ? `{ ${Object.entries(arg).map(([key, value]) => `${key}: ${String(value)}`).join()} }` : String(arg).slice(0, 20)).join(', ')})`
    t.match(caught, { code, statusCode: Number }, what)
    t.ok(String(caught).length < 500)
  }
  t.match(await app.realtime.history('chat:1'), { messages: { length: 0 } }, 'and nothing was published')
})

await t.test('content that cannot be sent rejects and harms nobody', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const cycle: unknown[] = []
  cycle.push(cycle)
  let deep: unknown = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  let levels: unknown = 1
  for (let i = 0; i < 33; i++) levels = { levels }
  const contents: Array<[content: unknown, code: string]> = [
    [1n, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'], [{ a: [1n] }, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'], [cycle, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'],
    [() => {}, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'], [Symbol('x'), 'RT_ERR_CONTENT_NOT_SERIALIZABLE'],
    [{ toJSON () { throw new Error('no') } }, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'],
    [{ get a () { throw new Error('no') } }, 'RT_ERR_CONTENT_NOT_SERIALIZABLE'],
    [deep, 'RT_ERR_CONTENT_TOO_DEEP'], [levels, 'RT_ERR_CONTENT_TOO_DEEP'], ['x'.repeat(300_000), 'RT_ERR_CONTENT_TOO_LARGE']
  ]
  for (const [content, code] of contents) {
    for (const call of [
      () => app.realtime.notifyRoom('chat:1', 'n', content), () => app.realtime.notifyRoom('order:1', 'status', content),
      () => app.realtime.sendDirect('ann', 'n', content), () => app.realtime.broadcast('n', content), () => app.realtime.broadcastUserUpdate('ann', content)
    ]) await t.rejects(call(), { code }, code)
  }
  await app.realtime.notifyRoom('chat:1', 'n', undefined)
  await app.realtime.notifyRoom('chat:1', 'n', new Date(0))
  t.match(await ann.next('message'), { content: null })
  t.match(await ann.next('message'), { content: '1970-01-01T00:00:00.000Z' })
  t.same(ann.frames.map(({ type }) => type), ['welcome', 'ack', 'message', 'message'])
})

await t.test('the content that was given stays as it was', async (t) => {
  const { app } = await createApp(t, { rooms })
  const content = Object.freeze({ n: 1 })
  await app.realtime.notifyRoom('order:1', 'status', content)
  t.same(content, { n: 1 })
  t.match((await app.realtime.history('order:1')).messages, [{ content: { n: 1, d: 3 } }], 'the copy has the defaults')
})

await t.test('an error in a handler is answered by Fastify, with its status', async (t) => {
  const { app } = await createApp(t, { rooms, after: (app) => { app.get('/bad', async () => await app.realtime.notifyRoom('unknown:1', 'n', 1)) } })
  const answer = await app.inject('/bad')
  t.equal(answer.statusCode, 500)
  t.equal(answer.json().code, 'RT_ERR_UNKNOWN_ROOM')
})

await t.test('after close everything rejects at once', async (t) => {
  const { app } = await createApp(t, { rooms })
  const { realtime } = app
  await app.close()
  const calls: Array<[Method, unknown[]]> = [
    ['notifyRoom', ['chat:1', 'n', 1]], ['sendDirect', ['ann', 'n', 1]], ['sendDirect', ['ann', 'n', 1, { receipt: true }]],
    ['broadcastUserUpdate', ['ann', 1]], ['broadcast', ['n', 1]], ['presence', ['chat:1']], ['history', ['chat:1']], ['connections', []], ['stats', []],
    ['joinUser', ['ann', 'chat:1']], ['removeUser', ['ann', 'chat:1']], ['disconnectUser', ['ann']]
  ]
  for (const [method, args] of calls) {
    await t.rejects(async () => await Reflect.apply(realtime[method], realtime, args), { code: /^RT_ERR_(UNAVAILABLE|CLOSED)$/, statusCode: 503 }, method)
  }
})

await t.test('the object is the same for the same instance, and cannot be changed', async (t) => {
  const { app } = await createApp(t, { rooms })
  t.equal(app.realtime, app.realtime)
  t.ok(Object.isFrozen(app.realtime))
  t.throws(() => Object.assign(app.realtime, { notifyRoom: null }))
})

await t.test('its methods work on their own', async (t) => {
  const { app } = await createApp(t, { rooms })
  const { addHook, handle, room, notifyRoom, sendDirect, broadcastUserUpdate, broadcast, ...looking } = app.realtime
  const { presence, history, connections, stats, joinUser, removeUser, disconnectUser } = looking
  addHook('onConnect', () => {})
  handle('ping', {}, () => 'pong')
  room('alone:{id}', { join: () => true, presence: true })
  t.match(await notifyRoom('alone:1', 'n', 1), { position: String })
  t.match(await sendDirect('ann', 'n', 1), { position: String })
  t.match(await broadcastUserUpdate('ann', 1), { position: String })
  t.match(await broadcast('n', 1), { timestamp: Number })
  t.match(await presence('alone:1'), { count: 0 })
  t.match(await history('alone:1'), { messages: [{ content: 1 }] })
  t.match(await connections(), { connections: { length: 0 } })
  t.match(await stats(), { activeConnections: 0 })
  t.match(await joinUser('ann', 'alone:1'), { connections: 0 })
  t.match(await removeUser('ann', 'alone:1'), { position: String })
  t.match(await disconnectUser('ann'), { connections: 0 })
  t.equal(notifyRoom, app.realtime.notifyRoom, 'each is the same every time')
})

await t.test('declarations that are wrong', async (t) => {
  const { app } = await createApp(t, { rooms })
  for (const [args, code] of [
    [[], 'RT_ERR_BAD_ARGUMENT'], [[5], 'RT_ERR_BAD_ARGUMENT'], [[null], 'RT_ERR_BAD_ARGUMENT'], [[{}, {}], 'RT_ERR_BAD_ARGUMENT'],
    [['x:{id}'], 'RT_ERR_OPTION'], [['x:{id}', null], 'RT_ERR_OPTION'], [['x:{id}', { joni: () => true }], 'RT_ERR_OPTION'],
    [['x:{id}', { join: true }], 'RT_ERR_OPTION'], [['user:{id}', { publish: 'members' }], 'RT_ERR_OPTION'], [['chat:{id}', {}], 'RT_ERR_PATTERN']
  ] as const) {
    t.throws(() => Reflect.apply(app.realtime.room, app.realtime, args), { code }, JSON.stringify(args))
  }
  t.doesNotThrow(() => app.realtime.room('late:{id}', { join: () => true }), 'also while the server listens')
  await app.realtime.notifyRoom('late:1', 'n', 1)
})
