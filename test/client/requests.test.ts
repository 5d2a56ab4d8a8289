import t from 'tap'
import { RealtimeError } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { gate } from '../helpers/events.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, createSdk, heard, untilStatus } from '../helpers/sdk.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

await t.test('calls, with a real server', async (t) => {
  const app = await createApp(t, {
    rooms,
    after (app) {
      app.realtime.handle('double', { schema: { content: { type: 'object', required: ['n'], properties: { n: { type: 'number' } } } } }, (_ctx, content) => ({ n: Object(content).n * 2 }))
      app.realtime.handle('nothing', {}, () => {})
    }
  })
  const { client } = createSdk(t, app, 'ann')
  t.same(await client.call('double', { n: 21 }), { n: 42 }, 'also before there is a connection')
  t.equal(await client.call('nothing', undefined), null)
  await t.rejects(client.call('double', { n: 'x' }), { code: 'invalid_content' })
  const error = await client.call('unheard of', 1).catch((error: unknown) => error)
  t.ok(error instanceof RealtimeError)
  t.match(error, { name: 'RealtimeError', code: 'unknown_event', retryable: false })
  await t.rejects(client.call('double', 'x'.repeat(70_000)), { code: 'too_large' })
  t.equal(client.status.state, 'connected', 'which cost nothing but itself')
})

await t.test('a connection that breaks before the answer: never sent twice', async (t) => {
  const hold = gate()
  const called = gate()
  let calls = 0
  const app = await createApp(t, {
    rooms,
    after (app) {
      app.realtime.handle('slow', {}, async () => {
        calls++
        called.open()
        await hold.opened
      })
    }
  })
  const { client, sockets } = createSdk(t, app, 'ann')
  const call = t.rejects(client.call('slow', 1), { code: 'disconnected' })
  await untilStatus(client, 'connected')
  await called.opened
  sockets.last.terminate()
  await call
  hold.open()
  await untilStatus(client, 'connected')
  await client.joinRoom('chat:1')
  t.equal(calls, 1)
})

await t.test('timeout, signal and close', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  await t.rejects(client.call('x', 1, { timeout: 20 }), { code: 'timeout' }, 'while there is no connection')
  const peer = await admit(server, client)
  t.equal(peer.frames.filter(({ type }) => type === 'call').length, 0, 'what was given up is not sent later')
  await t.rejects(client.call('x', 1, { timeout: 20 }), { code: 'timeout' })
  const late = await peer.next('call')
  peer.send({ type: 'ack', id: late.id, content: 'too late' })
  await t.rejects(client.call('x', 1, { signal: AbortSignal.abort() }), { code: 'aborted' })
  const abort = new AbortController()
  const aborted = t.rejects(client.call('x', 1, { signal: abort.signal }), { code: 'aborted' })
  abort.abort()
  await aborted
  const closed = t.rejects(client.call('x', 1), { code: 'closed' })
  client.close()
  await closed
  await t.rejects(client.call('x', 1), { code: 'closed' })
})

await t.test('many requests, each with its own answer, in any order', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const peer = await admit(server, client)
  const calls = Array.from({ length: 20 }, (_, i) => client.call('echo', i))
  const asked = await Promise.all(calls.map(() => peer.next('call')))
  t.equal(new Set(asked.map(({ id }) => id)).size, 20)
  for (const { id, content } of asked.reverse()) peer.send({ type: 'ack', id, content: `echo ${content}` })
  t.strictSame(await Promise.all(calls), Array.from({ length: 20 }, (_, i) => `echo ${i}`))
})

await t.test('direct messages: receipts after the handlers ran, asynchronous ones too, and none for those that failed', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  await client.connect()
  const send = (content: string, timeout: string): ReturnType<typeof app.app.realtime.sendDirect> =>
    app.app.realtime.sendDirect('ann', 'note', content, { receipt: true, timeout })
  t.match((await send('nobody listens', '300ms')).receipts, { received: { length: 0 }, missing: { length: 1 } })
  const hold = gate()
  let handled = false
  client.on('direct', async ({ content }) => {
    if (content === 'bad') throw new Error('bad')
    await hold.opened
    handled = true
  })
  const receipt = send('good', '20s')
  await heard(client, 'direct')
  hold.open()
  t.match((await receipt).receipts, { received: { length: 1 }, missing: { length: 0 } })
  t.ok(handled)
  t.match((await send('bad', '300ms')).receipts, { received: { length: 0 }, missing: { length: 1 } })
})

await t.test('direct messages: what came while away, once, and an explicit event for what is gone', async (t) => {
  const app = await createApp(t, { rooms, inbox: { size: 5, ttl: '1m' } })
  const first = createSdk(t, app, 'ann')
  await first.client.connect()
  const { inbox } = first.client
  first.client.close()
  for (let i = 0; i < 3; i++) await app.app.realtime.sendDirect('ann', 'note', i)
  const seen: unknown[] = []
  const second = createSdk(t, app, 'ann', { inbox })
  second.client.on('direct', ({ content, event }) => seen.push([event, content]))
  second.client.on('reset', ({ reason, roomId }) => seen.push([reason, roomId]))
  await second.client.connect()
  t.strictSame(seen, [['note', 0], ['note', 1], ['note', 2]])
  second.client.close()
  for (let i = 3; i < 10; i++) await app.app.realtime.sendDirect('ann', 'note', i)
  t.strictSame(seen.length, 3, 'nothing after close')
  await second.client.connect()
  await app.app.realtime.sendDirect('ann', 'note', 10)
  await heard(second.client, 'direct')
  t.strictSame(seen.slice(3), [['trimmed', undefined], ...[5, 6, 7, 8, 9, 10].map((content) => ['note', content])])
  const everything = createSdk(t, app, 'ann', { inbox: 'start' })
  const all: unknown[] = []
  everything.client.on('direct', ({ content }) => all.push(content))
  await everything.client.connect()
  t.strictSame(all, [6, 7, 8, 9, 10])
})

await t.test('broadcasts reach everybody, unknown frames nobody', async (t) => {
  const server = await createScriptedServer(t)
  const { client, errors } = createSdk(t, server, 'ann')
  const seen: unknown[] = []
  client.on('broadcast', ({ event, content }) => seen.push([event, content]))
  const room = client.room('chat:1')
  room.on('message', () => seen.push('message'))
  const peer = await server.peer()
  peer.send({ type: 'confetti', everywhere: true })
  peer.welcome()
  await peer.resumed()
  peer.send({ type: 'confetti', roomId: 'chat:1' })
  peer.send({ type: 'message', roomId: 'not:joined', event: 'message', userId: null, content: 1, timestamp: 1 })
  peer.ws.send('not json')
  const told = heard(client, 'broadcast')
  peer.send({ type: 'broadcast', event: 'maintenance', content: { at: 'noon' }, timestamp: 1 })
  await told
  t.strictSame(seen, [['maintenance', { at: 'noon' }]])
  t.match(errors, [{ name: 'SyntaxError' }])
})

await t.test('content that is no JSON rejects at once, also before there is a connection, and hurts nothing else', async (t) => {
  const app = await createApp(t, { rooms })
  const { client, sockets, errors } = createSdk(t, app, 'ann', { autoConnect: false })
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  await t.rejects(client.call('x', cycle), TypeError)
  await t.rejects(client.call('x', 1n), TypeError)
  t.throws(() => client.room('chat:1').setPresence({ meta: cycle }), TypeError)
  await client.connect()
  t.equal(sockets.all.length, 1)
  t.strictSame(errors, [])
})

await t.test('a receipt that is due between two connections is none, and hurts nothing', async (t) => {
  const server = await createScriptedServer(t)
  const { client, sockets, errors } = createSdk(t, server, 'ann')
  let handled = (): void => {}
  client.on('direct', () => new Promise<void>((resolve) => { handled = resolve }))
  const peer = await admit(server, client)
  peer.send({ type: 'direct', event: 'hello', userId: null, content: 1, timestamp: 1, position: 'i1', receipt: true })
  await heard(client, 'direct')
  sockets.last.terminate()
  while (sockets.all.length < 2) await new Promise((resolve) => setImmediate(resolve))
  t.equal(sockets.last.readyState, sockets.last.CONNECTING)
  handled()
  const next = await admit(server, client)
  client.call('x', 1).catch(() => {})
  await next.next('call')
  t.equal(next.frames[0]?.type, 'resume', 'nothing goes before it')
  t.same(errors, [])
})

await t.test('what is no frame is reported, and the stream goes on', async (t) => {
  const server = await createScriptedServer(t)
  const { client, errors } = createSdk(t, server, 'ann')
  const peer = await admit(server, client)
  const texts = ['', 'null', '5', '"text"', '[]', '{}', '{"type":"ack"}', '{"type":"direct"}', '{"type":5}']
  const heardOf = heard<{ content: unknown }>(client, 'broadcast')
  for (const text of texts) peer.ws.send(text)
  peer.send({ type: 'broadcast', event: 'still', content: 'here', timestamp: 1 })
  t.match(await heardOf, { content: 'here' })
  t.equal(client.status.state, 'connected')
  t.ok(errors.length >= 3, String(errors.length))
})
