import t from 'tap'
import type { FailedMessage, QueueStorage, StoredMessage } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { createFakeClock } from '../helpers/clock.js'
import { gate } from '../helpers/events.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, createSdk, heard, untilStatus } from '../helpers/sdk.js'

/** Storage in memory, that several clients can use one after the other. */
function createStorage (): QueueStorage & { readonly kept: Map<string, StoredMessage> } {
  const kept = new Map<string, StoredMessage>()
  return {
    kept,
    load: () => [...kept.values()].sort((a, b) => a.at - b.at),
    put (message) { kept.set(message.key, structuredClone(message)) },
    delete ({ key }) { kept.delete(key) }
  }
}

const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve))

await t.test('what is published offline goes in order after the resume, with the keys from the beginning', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const room = client.room('chat:1')
  const content = { text: 'a' }
  const sent = [room.send(content), room.publish('edit', 'b'), room.send('c', { key: 'mine' })]
  content.text = 'changed later'
  const pending = client.pending()
  t.match(pending, [{ event: 'message', content: { text: 'a' } }, { event: 'edit', content: 'b' }, { content: 'c', key: 'mine' }])
  void client.connect()
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  t.strictSame(peer.frames.map(({ type }) => type), ['resume'], 'nothing before the answer')
  for (const { key, content, event } of pending) t.match(await peer.acked(), { key, content, event, roomId: 'chat:1' })
  t.match(await Promise.all(sent), pending.map(({ key }) => ({ key, position: 'p1', timestamp: 1 })))
  t.strictSame(client.pending(), [])
})

await t.test('a full queue rejects, and nothing else suffers', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const room = client.room('chat:1')
  for (let i = 0; i < 1000; i++) void room.send(i)
  await t.rejects(room.send('too many'), { code: 'queue_full' })
  t.equal(client.pending().length, 1000)
})

await t.test('content that is no JSON, or is changed by it', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const room = client.room('chat:1')
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  await t.rejects(room.send(cycle), TypeError)
  await t.rejects(room.send(1n), TypeError)
  await t.rejects(room.send(() => {}), SyntaxError)
  void room.send(undefined)
  void room.send({ at: new Date(0) })
  t.match(client.pending(), [{ content: null }, { content: { at: '1970-01-01T00:00:00.000Z' } }])
})

await t.test('an ack that is lost: the same key on the next connection', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  const sent = [room.send(1), room.send(2), room.send(3)]
  const first = [await peer.next('message'), await peer.next('message'), await peer.next('message')]
  peer.ws.terminate()
  const next = await server.peer()
  next.welcome()
  await next.resumed()
  for (const { key, content } of first) t.match(await next.acked(), { key, content })
  await Promise.all(sent)
})

await t.test('a retryable refusal: one at a time until one got through, in the same order, after what the server asked for', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  const sent = [1, 2, 3].map((content) => room.send(content))
  for (let i = 0; i < 3; i++) {
    const { id, key } = await peer.next('message')
    peer.send({ type: 'error', id, key, code: 'rate_limited', message: 'slow down', retryable: true, retryAfter: 5_000 })
  }
  const settled = async (): Promise<void> => {
    const { id } = await new Promise<{ id: number }>((resolve) => { void peer.next('call').then(resolve); client.call('x', 1).catch(() => {}) })
    peer.send({ type: 'ack', id, content: 1 })
    await turn()
  }
  const messages = (): number => peer.frames.filter(({ type }) => type === 'message').length
  const sentAgain = async (count: number): Promise<void> => {
    while (messages() < count) {
      clock.advance(500)
      await settled()
    }
  }
  await settled()
  clock.advance(5_400)
  await settled()
  t.equal(messages(), 3, 'patience')
  await sentAgain(4)
  const refused = await peer.next('message')
  t.match(refused, { content: 1 })
  peer.send({ type: 'error', id: refused.id, code: 'unavailable', message: 'no', retryable: true })
  await sentAgain(5)
  t.equal(messages(), 5, 'one at a time')
  for (const content of [1, 2, 3]) t.match(await peer.acked(), { content })
  await Promise.all(sent)
})

await t.test('one in flight keeps the order even where a real server refuses for a moment', async (t) => {
  const app = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
    limits: { messages: { max: 1_000, timeWindow: '1s' }, messagesPerUser: { max: 50, timeWindow: '1s' } }
  })
  const { client } = createSdk(t, app, 'ann', { queue: { inFlight: 1 } })
  const room = await client.joinRoom('chat:1')
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  const all = Array.from({ length: 80 }, (_, i) => i)
  await Promise.all(all.map((i) => room.send(i)))
  t.strictSame(seen, all)
})

await t.test('the limits of the welcome are kept', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, autoConnect: false })
  const room = client.room('chat:1')
  for (let i = 0; i < 200; i++) void room.send(i)
  void client.connect()
  const peer = await server.peer()
  peer.welcome({ limits: { maxPayload: 65_536, rooms: 10, messages: { max: 50, window: 10_000 }, joins: { max: 10, window: 1 }, keyTtl: 600_000 } })
  await peer.resumed()
  await untilStatus(client, 'connected')
  let acked = 0
  const ack = (async () => {
    for (;;) {
      await peer.acked()
      acked++
    }
  })()
  ack.catch(() => {})
  const counts: number[] = []
  for (let second = 0; second <= 30; second++) {
    let before = -1
    while (before !== acked) {
      before = acked
      for (let i = 0; i < 5; i++) await turn()
    }
    counts.push(acked)
    clock.advance(1_000)
  }
  t.equal(counts[0], 40, 'a burst that leaves room for frames of other kinds')
  t.ok((counts[10] ?? 0) - (counts[0] ?? 0) <= 41, 'then no faster than the server refills')
  t.equal(counts[30], 160)
})

await t.test('an outcome that is not known within the time of keys is reported as unknown, and not sent again', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const failed: FailedMessage[] = []
  client.on('failed', (message) => failed.push(message))
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  const doubtful = t.rejects(room.send('doubtful'), { code: 'unknown' })
  await peer.next('message')
  peer.ws.terminate()
  await untilStatus(client, 'waiting')
  const fresh = room.send('never sent before')
  clock.setWall(clock.wall() + 600_000)
  clock.advance(30)
  const next = await server.peer()
  next.welcome()
  await next.resumed()
  t.match(await next.acked(), { content: 'never sent before' })
  await fresh
  await doubtful
  t.match(failed, [{ content: 'doubtful', roomId: 'chat:1', error: { code: 'unknown' } }])
})

await t.test('a volatile room forgets keys: what is in doubt there is unknown at once', async (t) => {
  const app = await createApp(t, { rooms: { 'live:{id}': { join: () => true, publish: 'members', history: false } } })
  const { client, sockets } = createSdk(t, app, 'ann')
  const room = await client.joinRoom('live:1')
  await untilStatus(client, 'connected')
  t.match(await room.send('handed over'), { position: undefined })
  const doubtful = t.rejects(room.send('perhaps'), { code: 'unknown' })
  sockets.last.terminate()
  await doubtful
  await room.send('goes on')
})

await t.test('a message over maxPayload fails alone, before it is sent', async (t) => {
  const app = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } })
  const { client, sockets } = createSdk(t, app, 'ann')
  const room = client.room('chat:1')
  const sent = [room.send('before'), room.send('ü'.repeat(33_000)), room.send('after')]
  t.match(await Promise.allSettled(sent), [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'too_large' } }, { status: 'fulfilled' }])
  t.equal(sockets.all.length, 1)
})

await t.test('refusals of the server reject with their code, and what the application said', async (t) => {
  const app = await createApp(t, {
    rooms: {
      'chat:{id}': {
        join: () => true,
        publish: 'members',
        onMessage (_ctx, { content }) {
          if (content === 'spam') throw Object.assign(new Error('You are muted'), { statusCode: 403 })
        }
      },
      'news:{id}': { join: () => true }
    }
  })
  const { client } = createSdk(t, app, 'ann')
  await t.rejects(client.room('news:1').send('x'), { code: 'forbidden', retryable: false })
  const room = client.room('chat:1')
  await room.send('one', { key: 'k' })
  t.match(await room.send('one', { key: 'k' }), { duplicate: true })
  await t.rejects(room.send('two', { key: 'k' }), { code: 'conflict', key: 'k', roomId: 'chat:1' })
})

await t.test('a reload loses nothing: the next client sends what the last one left, into rooms nobody has opened yet too', async (t) => {
  const server = await createScriptedServer(t)
  const storage = createStorage()
  const last = createSdk(t, server, 'ann', { queue: { storage } })
  const peer = await server.peer()
  peer.welcome()
  const room = last.client.room('chat:1')
  await peer.resumed()
  const lost = [t.rejects(room.send('under way'), { code: 'closed' })]
  const { key } = await peer.next('message')
  lost.push(t.rejects(room.send('waiting'), { code: 'closed' }))
  last.client.close()
  await Promise.all(lost)
  t.equal(storage.kept.size, 2)
  t.type(storage.kept.get(key)?.sentAt, 'number', 'that it was sent is known too')

  const { client } = createSdk(t, server, 'ann', { queue: { storage } })
  const next = await server.peer()
  t.match(client.pending(), [{ content: 'under way', key }, { content: 'waiting' }])
  next.welcome()
  t.match(await next.resumed(), { rooms: { length: 0 } })
  const { id } = await next.next('join')
  next.send({ type: 'ack', id, roomId: 'chat:1', position: 'p5' })
  t.match(await next.acked(), { key, content: 'under way' })
  t.match(await next.acked(), { content: 'waiting' })
  const asked = client.call('x', 1)
  next.send({ type: 'ack', id: (await next.next('call')).id, content: 1 })
  await asked
  t.strictSame(client.pending(), [])
  t.equal(storage.kept.size, 0)

  const seen: unknown[] = []
  const opened = client.room('chat:1', { history: 2 })
  opened.on('message', ({ content }) => seen.push(content))
  const join = await next.next('join')
  t.match(join, { roomId: 'chat:1', history: 2, presence: true, since: undefined }, 'who opens it now gets what it asks for')
  next.send({ type: 'ack', id: join.id, roomId: 'chat:1', position: 'p7', messages: [{ type: 'message', roomId: 'chat:1', event: 'message', userId: 'ann', content: 'under way', timestamp: 1, position: 'p6' }] })
  await opened.ready()
  t.strictSame(seen, ['under way'])
})

await t.test('what somebody else left in the storage is not sent in another name, and stays for them', async (t) => {
  const app = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } })
  const storage = createStorage()
  const ann = createSdk(t, app, 'ann', { queue: { storage } })
  await ann.client.joinRoom('chat:1')
  await untilStatus(ann.client, 'connected')
  ann.sockets.last.terminate()
  const left = t.rejects(ann.client.room('chat:1').send('from ann'), { code: 'closed' })
  ann.client.close()
  await left
  const bob = createSdk(t, app, 'bob', { queue: { storage } })
  const failed: FailedMessage[] = []
  bob.client.on('failed', (message) => failed.push(message))
  const room = await bob.client.joinRoom('chat:1')
  await room.send('from bob')
  t.match(failed, [{ content: 'from ann', error: { code: 'other_user' } }])
  t.match([...storage.kept.values()], [{ content: 'from ann', userId: 'ann' }])
})

await t.test('leaving a room, and being left by the client, give up what waits', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const room = client.room('chat:1')
  const left = t.rejects(room.send('a'), { code: 'left' })
  const other = client.room('chat:2')
  const closed = t.rejects(other.send('b'), { code: 'closed' })
  room.leave()
  await left
  await t.rejects(room.send('c'), { code: 'left' })
  client.close()
  await closed
  await t.rejects(other.send('d'), { code: 'closed' })
})

await t.test('a room that cannot be joined gives up its messages with the reason', async (t) => {
  const app = await createApp(t, { rooms: { 'secret:{id}': { join: () => false, publish: 'members' } } })
  const { client, errors } = createSdk(t, app, 'ann')
  const room = client.room('secret:1')
  const sent = t.rejects(room.send('x'), { code: 'forbidden' })
  await t.rejects(room.ready(), { code: 'forbidden' })
  await sent
  await t.rejects(room.send('y'), { code: 'forbidden' })
  t.equal(room.state, 'failed')
  t.match(errors, [{ code: 'forbidden' }])
})

await t.test('sizes that are no sizes: nothing without bounds, and nothing that never goes', async (t) => {
  const server = await createScriptedServer(t)
  for (const size of [NaN, -1, 0]) {
    const { client } = createSdk(t, server, 'ann', { autoConnect: false, queue: { size } })
    await t.rejects(client.room('chat:1').send('x'), { code: 'queue_full' }, `size ${size}`)
  }
  for (const inFlight of [NaN, -1, 0]) {
    const { client } = createSdk(t, server, 'ann', { queue: { inFlight } })
    const sent = [1, 2].map((content) => client.room('chat:1').send(content))
    const peer = await server.peer()
    peer.welcome()
    await peer.resumed()
    const { id } = await peer.next('message')
    await turn()
    t.equal(peer.frames.filter(({ type }) => type === 'message').length, 1, `inFlight ${inFlight} is 1`)
    peer.send({ type: 'ack', id, timestamp: 1, position: 'p1' })
    await peer.acked()
    await Promise.all(sent)
    client.close()
  }
})

await t.test('a clock that is set back does not hold up what waits', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await server.peer()
  peer.welcome({ limits: { maxPayload: 65_536, rooms: 10, messages: { max: 10, window: 1_000 }, joins: { max: 10, window: 1 }, keyTtl: 600_000 } })
  await peer.resumed()
  await untilStatus(client, 'connected')
  for (let i = 0; i < 4; i++) {
    const sent = room.send(i)
    await peer.acked()
    await sent
  }
  clock.setWall(clock.wall() - 86_400_000)
  const sent = room.send('after')
  for (let i = 0; i < 20; i++) {
    clock.advance(100)
    await turn()
  }
  t.match(client.pending(), [{ sentAt: Number }], 'it is on its way')
  await peer.acked()
  await sent
})

await t.test('a message that is not taken at all is told as failed, too', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { queue: { size: 0 } })
  const failed: unknown[] = []
  client.on('failed', ({ roomId, content, error }) => failed.push([roomId, content, error.code]))
  const room = client.room('chat:1')
  await t.rejects(room.send('one'), { code: 'queue_full' })
  room.leave()
  await t.rejects(room.send('two'), { code: 'left' })
  t.same(failed, [['chat:1', 'one', 'queue_full'], ['chat:1', 'two', 'left']])
})

await t.test('what an earlier page left is told as sent, with its place', async (t) => {
  const server = await createScriptedServer(t)
  const stored: StoredMessage = { key: 'k1', roomId: 'chat:1', event: 'message', content: 'left behind', at: 1 }
  const { client } = createSdk(t, server, 'ann', { queue: { storage: { load: () => [stored], put () {}, delete () {} } } })
  const sent = heard(client, 'sent')
  const peer = await admit(server, client)
  const { id } = await peer.next('join')
  peer.send({ type: 'ack', id, roomId: 'chat:1', position: 'p0' })
  await peer.acked('p7')
  t.match(await sent, { ...stored, position: 'p7', timestamp: 1 })
})

await t.test('one key in two rooms is two messages, also where one of them was stored', async (t) => {
  const server = await createScriptedServer(t)
  const stored: StoredMessage = { key: 'k1', roomId: 'chat:1', event: 'message', content: 'stored', at: 1 }
  const loaded = gate()
  const { client } = createSdk(t, server, 'ann', {
    queue: { storage: { load: async () => { await loaded.opened; return [stored] }, put () {}, delete () {} } }
  })
  client.room('chat:2').send('fresh', { key: 'k1' }).catch(() => {})
  loaded.open()
  const peer = await server.peer()
  t.same(client.pending().map(({ roomId, key }) => [roomId, key]), [['chat:1', 'k1'], ['chat:2', 'k1']])
  peer.ws.close()
})

await t.test('discarded: out of the queue and out of the storage, also what a client that ended has left there', async (t) => {
  const server = await createScriptedServer(t)
  const storage = createStorage()
  const { client } = createSdk(t, server, 'ann', { queue: { storage } })
  const room = client.room('chat:1')
  const failed: string[] = []
  client.on('failed', ({ key, error }) => failed.push(`${key} ${error.code}`))
  const peer = await admit(server, client)
  room.send('on its way', { key: 'k1' }).catch(() => {})
  await peer.next('message')
  room.send('regretted', { key: 'k2' }).catch(() => {})
  const offline = client.room('chat:2')
  offline.send('waits', { key: 'k3' }).catch(() => {})
  offline.send('stays', { key: 'k4' }).catch(() => {})
  client.discard({ roomId: 'chat:1', key: 'k1' })
  client.discard({ roomId: 'chat:2', key: 'k3' })
  t.same(failed, ['k3 discarded'])
  peer.ws.close(4403)
  await untilStatus(client, 'closed')
  t.ok(storage.kept.has('k4'), 'kept for the next client')
  client.discard({ roomId: 'chat:1', key: 'k2' })
  client.discard({ roomId: 'chat:2', key: 'k4' })
  t.same([...storage.kept.keys()], [])
})
