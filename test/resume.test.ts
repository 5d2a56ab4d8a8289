import t from 'tap'
import { roomChannel } from '../lib/bridge/bridge.js'
import { Refusal } from '../lib/index.js'
import { MAX_SERVER_FRAME } from '../lib/protocol/frames.js'
import { createApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { createNode, turns } from './helpers/node.js'
import { RoomFollower } from './helpers/follower.js'

const wide = {
  joins: { max: 100_000, timeWindow: '10s' }, messages: { max: 100_000, timeWindow: '10s' }, messagesPerUser: { max: 100_000, timeWindow: '10s' }
} as const
const rooms = { 'chat:{id}': { join: () => true } }
const contents = (answer: ServerFrame): unknown[] | undefined => answer.messages?.map((message: ServerFrame) => message.content)

await t.test('a join from a position brings what was missed, and says so', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, history: { size: 5 } } } })
  const positions: string[] = []
  for (let n = 1; n <= 10; n++) positions.push((await app.realtime.notifyRoom('chat:1', 'n', n)).position ?? '')
  const { position: foreign = '' } = await app.realtime.notifyRoom('chat:2', 'n', 0)
  const ann = await connect('ann')
  const join = (since: string, more: object = {}) => ann.request({ type: 'join', roomId: 'chat:1', since, ...more })
  const head = positions[9] ?? ''

  t.match(await join(head), { recovered: true, messages: { length: 0 }, position: head }, 'nothing missed')
  const missed = await join(positions[6] ?? '')
  t.match(missed, { recovered: true, position: head })
  t.same(contents(missed), [8, 9, 10])
  t.notOk('reason' in missed || 'more' in missed)
  t.match(missed.messages[0], { type: 'message', roomId: 'chat:1', event: 'n', userId: null, timestamp: Number, position: positions[7] })
  t.same(contents(await join('start')), [6, 7, 8, 9, 10], 'everything kept')
  t.same(contents(await join(positions[4] ?? '')), [6, 7, 8, 9, 10], 'the very last position that can be continued')

  const [epoch = '', , chain = ''] = head.split('.')
  for (const [since, reason] of [
    [positions[3], 'trimmed'], ['nonsense', 'expired'], ['', 'expired'], ['x'.repeat(10_000), 'expired'], [foreign, 'expired'],
    [`${epoch}.11.${chain}`, 'diverged'], [`${epoch}.10.000000000000`, 'diverged'], [`${epoch}.9007199254740993.${chain}`, 'expired'],
    ['\u0000', 'expired'], ['{"$gt":""}', 'expired']
  ] as const) {
    const answer = await join(since ?? '')
    t.match(answer, { type: 'ack', recovered: false, reason, position: head }, `${since?.slice(0, 30)}`)
    t.notOk('messages' in answer, 'only a verdict, unless history was asked for')
    const filled = await join(since ?? '', { history: 2 })
    t.match(filled, { recovered: false, reason, position: head })
    t.same(contents(filled), [9, 10])
  }
  t.same(contents(await join(positions[7] ?? '', { history: 5 })), [9, 10], 'history is not looked at where the position holds')
  t.equal(ann.all('message').length, 0)
})

await t.test('the position before the first message can be continued', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const { position } = await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.close(1001)
  await app.realtime.notifyRoom('chat:1', 'n', 1)
  const again = await connect('ann')
  const answer = await again.request({ type: 'join', roomId: 'chat:1', since: position })
  t.match(answer, { recovered: true })
  t.same(contents(answer), [1])
})

await t.test('large backlogs come page by page, and nothing live in between', async (t) => {
  const { app, connect } = await createApp(t, { rooms, limits: wide })
  const big = 'x'.repeat(200_000)
  for (let n = 0; n < 6; n++) await app.realtime.notifyRoom('chat:1', 'n', [n, big])
  const ann = await connect('ann')
  let since = 'start'
  const seen: number[] = []
  let published = 6
  for (;;) {
    const answer = await ann.request({ type: 'join', roomId: 'chat:1', since })
    t.equal(answer.recovered, true)
    t.ok(Buffer.byteLength(JSON.stringify(answer)) < 512 * 1024)
    for (const message of answer.messages) seen.push(message.content[0])
    since = answer.position
    if (answer.more !== true) break
    t.equal(answer.messages.length, 1, 'one of this size fits')
    // More while the client reads, and one that would fit.
    if (published < 9) await app.realtime.notifyRoom('chat:1', 'n', [published++, published === 9 ? '' : big])
    await ann.settled()
    t.equal(ann.all('message').length, 0, 'nothing live while more is true')
  }
  t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  await app.realtime.notifyRoom('chat:1', 'n', [9])
  t.match(await ann.next('message'), { content: [9] })
})

await t.test('the largest message there may be fits into every answer', async (t) => {
  const roomId = `chat:${'"'.repeat(195)}`
  const { app, connect } = await createApp(t, { rooms, limits: wide })
  const room = await connect('ann')
  const largest = { key: '"'.repeat(64), userId: '\\'.repeat(200) }
  await app.realtime.notifyRoom(roomId, '"'.repeat(64), '"'.repeat(126_000 - 1), largest)
  const joined = await room.request({ type: 'join', roomId, since: 'start' })
  t.equal(joined.messages.length, 1)
  t.notOk('more' in joined)
  const resumed = await (await connect('ann')).request({ type: 'resume', rooms: [{ roomId, since: 'start' }] })
  t.equal(resumed.rooms[0].messages.length, 1)
})

await t.test('a resume brings back every room, each for itself', async (t) => {
  const { app, connect } = await createApp(t, {
    fastify: { logger: false },
    rooms: {
      'chat:{id}': { join: ({ params }) => params.id !== 'no' },
      'broken:{id}': { join: () => { throw new Error('secret') } },
      'volatile:{id}': { join: () => true, history: false },
      'present:{id}': { join: () => true, presence: true },
      'full:{id}': { join: () => true, members: 1 }
    }
  })
  const first = await connect('ann')
  const { position } = await first.request({ type: 'join', roomId: 'chat:1' })
  const bob = await connect('bob')
  await bob.request({ type: 'join', roomId: 'full:1' })
  await first.close(1001)
  for (let n = 1; n <= 3; n++) await app.realtime.notifyRoom('chat:1', 'n', n)
  await app.realtime.sendDirect('ann', 'note', 'direct')

  const ann = await connect('ann')
  const { inbox } = first.all('welcome')[0] ?? { inbox: '' }
  const answer = await ann.request({
    type: 'resume',
    inbox,
    rooms: [
      { roomId: 'chat:1', since: position }, { roomId: 'chat:no', since: position }, { roomId: 'broken:1' }, { roomId: 'nothing:1' },
      { roomId: 'volatile:1', since: 'x', history: 5 }, { roomId: 'present:1', presence: true }, { roomId: 'full:1' },
      { roomId: 'chat:2', since: 'bad', history: 1 }
    ]
  })
  t.match(answer.inbox, { position: String, recovered: true, messages: [{ type: 'direct', event: 'note', content: 'direct' }] })
  t.same(answer.rooms.map((room: ServerFrame) => room.error?.code ?? 'ok'),
    ['ok', 'forbidden', 'internal', 'forbidden', 'ok', 'ok', 'limit_reached', 'ok'])
  t.match(answer.rooms[2].error, { code: 'internal', retryable: true }, 'a join may be tried again')
  t.match(answer.rooms[0], { roomId: 'chat:1', recovered: true, position: String })
  t.same(contents(answer.rooms[0]), [1, 2, 3])
  t.same(Object.keys(answer.rooms[4]), ['roomId'])
  t.match(answer.rooms[5].presence, { members: [{ userId: 'ann', status: 'online', devices: 1 }], count: 1 })
  t.notMatch(JSON.stringify(answer), /secret/)
  t.match(answer.rooms[7], { recovered: false, reason: 'expired', messages: { length: 0 } })
})

await t.test('rooms beyond the limit are refused one by one, and refused ones take no place', async (t) => {
  const { connect } = await createApp(t, { limits: { rooms: 3 }, rooms: { 'chat:{id}': { join: ({ params }) => params.id !== 'no' } } })
  const ann = await connect('ann')
  const names = ['chat:1', 'chat:2', 'chat:3', 'chat:4', 'chat:5']
  const answer = await ann.request({ type: 'resume', rooms: names.map((roomId) => ({ roomId })) })
  t.same(answer.rooms.map((room: ServerFrame) => room.error?.code ?? room.roomId), ['chat:1', 'chat:2', 'chat:3', 'limit_reached', 'limit_reached'])
  t.equal(answer.inbox.error, undefined)
  const again = await ann.request({ type: 'resume', rooms: names.map((roomId) => ({ roomId })) })
  t.same(again.rooms.map((room: ServerFrame) => room.error?.code ?? room.roomId), ['chat:1', 'chat:2', 'chat:3', 'limit_reached', 'limit_reached'])
  await ann.request({ type: 'leave', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'join', roomId: 'chat:no' }), { code: 'forbidden' })
  t.match(await ann.request({ type: 'join', roomId: 'chat:4' }), { type: 'ack' })
})

await t.test('the rooms of a resume share one answer, and what does not fit comes later', async (t) => {
  const { app, connect } = await createApp(t, { rooms, limits: wide })
  const names = Array.from({ length: 20 }, (_, n) => `chat:${n}`)
  for (const name of names) for (let n = 0; n < 3; n++) await app.realtime.notifyRoom(name, 'n', [n, 'x'.repeat(10_000)])
  const ann = await connect('ann')
  const followers = names.map((name) => new RoomFollower(name))
  const answer = await ann.request({ type: 'resume', rooms: names.map((roomId) => ({ roomId, since: 'start' })) })
  t.ok(Buffer.byteLength(JSON.stringify(answer)) < 512 * 1024)
  const empty = answer.rooms.filter((room: ServerFrame) => room.messages.length === 0)
  t.ok(empty.length > 0, 'some had no place at all')
  t.ok(empty.every((room: ServerFrame) => room.more === true && room.position === 'start'))
  t.ok(answer.rooms.some((room: ServerFrame) => room.more !== true))
  for (const follower of followers) {
    follower.read(ann)
    await follower.join(ann)
    t.same(follower.complaints, [])
    t.equal(follower.seen.length, 3, follower.roomId)
  }
})

await t.test('even a resume of a thousand long names stays below the largest frame', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { '{any*}': { join: () => true, presence: true } }, limits: { ...wide, rooms: 1000, payload: 256 * 1024, outbound: 4 * 1024 * 1024 } })
  // Quotes are two bytes each in JSON. Twenty members fill 200 KiB, in the rooms that come first.
  for (const [count, name] of [[480, (n: number) => `${n}:`.padEnd(195, '"')], [1000, (n: number) => `${n}:`.padEnd(110, '"')]] as const) {
    const names = Array.from({ length: count }, (_, n) => name(n))
    for (const roomId of names.slice(0, 40)) await app.realtime.notifyRoom(roomId, 'n', 'x'.repeat(8_000))
    const ann = await connect('ann')
    let largest = 0
    ann.ws.on('message', (data) => { largest = Math.max(largest, Buffer.byteLength(data.toString())) })
    const answer = await ann.request({ type: 'resume', rooms: names.map((roomId) => ({ roomId, since: 'start', presence: true })) })
    t.equal(answer.rooms?.length, count, answer.message)
    t.ok(largest <= 512 * 1024, `${largest} bytes`)
    t.ok(answer.rooms.every((room: ServerFrame) => room.more === true || room.recovered === true))
  }
})

/** A resume of rooms with long names, large metas, history and refusals, after `prepare` made them; the size of its answer. */
async function sizeOf (ann: TestClient, request: object): Promise<{ answer: ServerFrame, size: number }> {
  let size = 0
  ann.ws.on('message', (data) => { size = Math.max(size, Buffer.byteLength(data.toString())) })
  const answer = await ann.request({ type: 'resume', ...request })
  return { answer, size }
}

await t.test('the largest answers there are: presence pages, history, inbox and refusals together', async (t) => {
  const content = '"'.repeat(30_000)
  const { app, connect } = await createApp(t, {
    limits: { ...wide, connectionsPerUser: 1000, outbound: 4 * 1024 * 1024 },
    rooms: {
      'r:{any*}': { join: () => true, presence: true },
      'no:{any*}': { join: () => { throw new Refusal('\u0001'.repeat(1_000), { content }) } }
    }
  })
  const name = (kind: string, n: number): string => `${kind}:${n}:`.padEnd(200, '"')
  const open = Array.from({ length: 50 }, (_, n) => name('r', n))
  const closed = Array.from({ length: 50 }, (_, n) => name('no', n))
  const crowd = await Promise.all(Array.from({ length: 5 }, (_, n) => connect(name('user', n))))
  for (const roomId of open) {
    await Promise.all(crowd.map(async (client) => {
      await client.request({ type: 'join', roomId })
      await client.request({ type: 'status', roomId, meta: 'é'.repeat(1_000) })
    }))
    await app.realtime.notifyRoom(roomId, 'n', 'x'.repeat(10_000))
  }
  for (let n = 0; n < 10; n++) await app.realtime.sendDirect('ann', 'n', 'x'.repeat(10_000))
  const ask = (roomId: string): object => ({ roomId, since: 'start', presence: true })
  const mixed = open.flatMap((roomId, n) => [roomId, closed[n] ?? ''])
  for (const names of [mixed, [...closed, ...open], [...open, ...closed]]) {
    const { answer, size } = await sizeOf(await connect('ann'), { inbox: 'start', rooms: names.map(ask) })
    t.ok(size > 300 * 1024, `${size} bytes are a large answer`)
    t.ok(size <= MAX_SERVER_FRAME, `${size} bytes are not too many`)
    t.equal(answer.inbox.messages.length, 10)
    for (const { roomId, error, position } of answer.rooms) {
      if (open.includes(roomId)) t.type(position, 'string')
      else t.match(error, { code: 'refused', message: String, retryable: false })
    }
  }
  const alone = await sizeOf(await connect('ann'), { rooms: [closed[0] ?? ''].map(ask) })
  t.same(alone.answer.rooms[0].error, { code: 'refused', message: '\u0001'.repeat(1_000), retryable: false, content }, 'whole where it fits')
})

await t.test('a thousand rooms that the application refuses at length', async (t) => {
  const { connect } = await createApp(t, {
    limits: { ...wide, rooms: 1000, payload: 256 * 1024, outbound: 4 * 1024 * 1024 },
    rooms: { '{any*}': { join: () => { throw new Refusal('"'.repeat(1_000), { content: 'x'.repeat(60_000) }) } } }
  })
  for (const bytes of [20, 200]) {
    const rooms = Array.from({ length: 1000 }, (_, n) => ({ roomId: `${n}:`.padEnd(bytes, 'x') }))
    const { answer, size } = await sizeOf(await connect('ann'), { rooms })
    t.ok(size <= MAX_SERVER_FRAME, `${size} bytes`)
    t.equal(answer.rooms.length, 1000)
    t.ok(answer.rooms.every((room: ServerFrame) => room.error.code === 'refused'))
  }
})

await t.test('rooms that no connection has a place for are not even asked for', async (t) => {
  let asked = 0
  const { connect } = await createApp(t, { limits: { ...wide, rooms: 2 }, rooms: { 'chat:{id}': { join: () => { asked++; return false } } } })
  const ann = await connect('ann')
  const answer = await ann.request({ type: 'resume', rooms: Array.from({ length: 500 }, (_, n) => ({ roomId: `chat:${n}` })) })
  t.same(answer.rooms.slice(0, 4).map((room: ServerFrame) => room.error.code), ['forbidden', 'forbidden', 'limit_reached', 'limit_reached'])
  t.equal(asked, 2)
})

await t.test('one resume at a time', async (t) => {
  let go: Array<() => void> = []
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => new Promise((resolve) => go.push(() => resolve(true))) } } })
  const ann = await connect('ann')
  const first = ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1' }] })
  t.match(await ann.request({ type: 'resume', rooms: [{ roomId: 'chat:2' }] }), { type: 'error', code: 'limit_reached', retryable: true })
  for (const each of go) each()
  t.match(await first, { rooms: [{ roomId: 'chat:1', position: String }] })
  go = []
  t.match(await ann.request({ type: 'resume', rooms: [] }), { type: 'ack', rooms: { length: 0 } })
})

await t.test('frames that follow a resume find its rooms joined', async (t) => {
  const { connect } = await createApp(t, {
    rooms: { 'chat:{id}': { join: async () => await Promise.resolve(true), publish: 'members' }, 'slow:{id}': { join: () => new Promise((resolve) => setImmediate(resolve, true)) } }
  })
  const ann = await connect('ann')
  const resumed = ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1' }, { roomId: 'slow:1' }] })
  const published = ann.request({ type: 'message', roomId: 'chat:1', content: 1 })
  const left = ann.request({ type: 'leave', roomId: 'slow:1' })
  t.same((await Promise.all([resumed, published, left])).map(({ type }) => type), ['ack', 'ack', 'ack'])
  const order = ann.frames.map((frame) => frame.type === 'message' ? 'message' : frame.rooms !== undefined ? 'resumed' : frame.type)
  t.ok(order.indexOf('resumed') < order.indexOf('message'))
})

await t.test('the rooms of a resume count toward limits.joins', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { joins: { max: 3, timeWindow: '1m' } } })
  const ann = await connect('ann')
  const answer = await ann.request({ type: 'resume', rooms: ['chat:1', 'chat:2', 'chat:3', 'chat:4'].map((roomId) => ({ roomId })) })
  t.match(answer.rooms[3], { error: { code: 'rate_limited', retryable: true, retryAfter: Number } })
  t.match(await ann.request({ type: 'join', roomId: 'chat:5' }), { code: 'rate_limited', retryAfter: Number, roomId: 'chat:5' })
})

await t.test('policies run again on a resume', async (t) => {
  let allowed = true
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => allowed } } })
  const ann = await connect('ann')
  const { position } = await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.close(1001)
  allowed = false
  const again = await connect('ann')
  t.match((await again.request({ type: 'resume', rooms: [{ roomId: 'chat:1', since: position }] })).rooms, [{ roomId: 'chat:1', error: { code: 'forbidden' } }])
})

await t.test('reset tells live members of a gap', async (t) => {
  const made = await createNode(t, { rooms })
  const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
  const channel = roomChannel('chat:1')
  const publish = (n: number, text = '') => made.bridge.publish({
    channel, head: `{"type":"message","roomId":"chat:1","event":"n","userId":null,"content":[${n},"${text}"]`, retention: { size: 100, ttl: 60_000 }
  })
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (let n = 1; n <= 2; n++) await publish(n, 'x'.repeat(200_000))
  t.equal((await bob.request({ type: 'join', roomId: 'chat:1', since: 'start' })).more, true, 'bob still reads')
  const position = { epoch: 'other', offset: 7, chain: 'abc' }
  made.bridge.inject(channel, { type: 'reset', reason: 'diverged', position })
  await turns()
  t.same(ann.all('reset'), [{ type: 'reset', roomId: 'chat:1', reason: 'diverged', position: 'other.7.abc' }])
  t.equal(bob.all('reset').length, 0, 'who reads finds out by reading')
  const entry = {
    kind: 'message' as const,
    position: { epoch: 'other', offset: 8, chain: 'abd' },
    payload: Buffer.from('{"type":"message","roomId":"chat:1","content":"after","position":"other.8.abd"}'),
    timestamp: 1,
    receipt: false
  }
  made.bridge.inject(channel, { type: 'entry', entry })
  await turns()
  t.match(ann.frames.at(-1), { type: 'message', content: 'after' })
  t.equal(bob.all('message').length, 0)
})

await t.test('a log that begins anew while a join reads it', async (t) => {
  for (const fields of [{ since: 'start' }, { history: 5 }, {}]) {
    const made = await createNode(t, { rooms })
    const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
    const channel = roomChannel('chat:1')
    await bob.request({ type: 'join', roomId: 'chat:1' })
    await made.bridge.publish({ channel, head: '{"type":"message","roomId":"chat:1","content":1', retention: { size: 100, ttl: 60_000 } })
    const gate = made.bridge.hold('read', 'after')
    const joined = ann.request({ type: 'join', roomId: 'chat:1', ...fields })
    if ('since' in fields || 'history' in fields) await gate.arrived()
    else await joined
    made.bridge.inject(channel, { type: 'reset', reason: 'expired', position: { epoch: 'new', offset: 3, chain: 'abc' } })
    gate.open()
    const answer = await joined
    await turns()
    if ('since' in fields) t.match(answer, { recovered: false, reason: String, position: 'new.3.abc' })
    else if ('history' in fields) t.match(answer, { messages: { length: 0 }, position: 'new.3.abc' })
    t.equal(ann.all('reset').length, Object.keys(fields).length === 0 ? 1 : 0)
  }
})

await t.test('more than can be kept at hand arrives while a join reads', async (t) => {
  for (const [count, size] of [[600, 10], [30, 60_000]] as const) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, history: { size: 1000 } } }, limits: wide })
    const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
    const channel = roomChannel('chat:1')
    const publish = (n: number) => made.bridge.publish({
      channel, head: `{"type":"message","roomId":"chat:1","event":"n","userId":null,"content":[${n},"${'x'.repeat(size)}"]`, retention: { size: 1000, ttl: 60_000 }
    })
    await bob.request({ type: 'join', roomId: 'chat:1' })
    await publish(0)
    const gate = made.bridge.hold('read', 'after')
    const follower = new RoomFollower('chat:1')
    follower.position = 'start'
    follower.connected()
    const joined = follower.join(ann)
    await gate.arrived()
    for (let n = 1; n < count; n++) await publish(n)
    gate.open()
    await joined
    await publish(count)
    await turns()
    follower.read(ann)
    t.same(follower.complaints, [])
    t.same(follower.gaps, [])
    t.same(follower.seen.map((content) => Object(content)[0]), Array.from({ length: count + 1 }, (_, n) => n))
    t.equal(bob.all('message').length, count + 1)
  }
})

// --- nothing lost, nothing twice ---

/** Publishes until told to stop; resolves with how many. */
function publisher (name: string, publish: (content: unknown) => Promise<unknown>): { stop (): Promise<number> } {
  const stopping = new AbortController()
  const done = (async () => {
    let n = 0
    for (; !stopping.signal.aborted; n++) await publish({ name, n })
    return n
  })()
  return { stop: async () => { stopping.abort(); return await done } }
}

await t.test('a client that drops and resumes a hundred times sees each message once, in order', async (t) => {
  const { app, connect } = await createApp(t, {
    limits: wide, rooms: { 'chat:{id}': { join: () => true, publish: 'members', history: { size: 10_000 } } }
  })
  const writer = await connect('writer')
  await writer.request({ type: 'join', roomId: 'chat:1' })
  const publishers = [
    publisher('server', async (content) => {
      await app.realtime.notifyRoom('chat:1', 'n', content)
      // Nothing of a bridge in memory waits for the event loop.
      await new Promise((resolve) => setImmediate(resolve))
    }),
    publisher('writer', (content) => writer.request({ type: 'message', roomId: 'chat:1', content: { ...Object(content), pad: 'x'.repeat(2000) } }))
  ]
  const follower = new RoomFollower('chat:1')
  follower.position = 'start'
  for (let life = 0; life < 100; life++) {
    const ann = await connect('ann')
    follower.connected()
    if (life % 2 === 0) {
      await follower.join(ann)
    } else {
      await ann.request({ type: 'resume', rooms: [{ roomId: 'chat:1', since: follower.position }] })
      follower.read(ann)
      if (follower.more) await follower.join(ann)
    }
    if (life % 3 === 0) await ann.next('message')
    // What arrived but was not looked at when the line broke was not seen: the position says so.
    follower.read(ann)
    ann.ws.terminate()
  }
  const counts = await Promise.all(publishers.map(({ stop }) => stop()))
  const last = await connect('ann')
  follower.connected()
  await follower.join(last)
  t.same(follower.complaints, [])
  t.same(follower.gaps, [])
  for (const [index, name] of ['server', 'writer'].entries()) {
    const numbers = follower.seen.map((content) => Object(content)).filter((content) => content.name === name).map(({ n }) => n)
    t.same(numbers, Array.from({ length: counts[index] ?? 0 }, (_, n) => n), `${name}: ${counts[index]} messages`)
  }
})

await t.test('joining and leaving under a publisher that never stops', async (t) => {
  const { app, connect } = await createApp(t, { limits: wide, rooms: { 'chat:{id}': { join: () => true, history: { size: 10_000 } } } })
  const publishing = publisher('server', async (content) => {
    await app.realtime.notifyRoom('chat:1', 'n', content)
    await new Promise((resolve) => setImmediate(resolve))
  })
  const ann = await connect('ann')
  let received = 0
  for (let round = 0; round < 200; round++) {
    const joined = ann.request({ type: 'join', roomId: 'chat:1' })
    if (round % 2 === 0) await joined
    if (round % 4 === 0) await ann.next('message')
    await ann.request({ type: 'leave', roomId: 'chat:1' })
  }
  await ann.settled()
  await publishing.stop()
  let position: string | null = null
  for (const frame of ann.frames) {
    if (frame.roomId !== 'chat:1') continue
    if (frame.type === 'ack' && 'position' in frame) position = frame.position
    else if (frame.type === 'ack') position = null
    else if (frame.type === 'message') {
      received++
      if (position === null) t.fail('a message of a room that was not joined')
      else if (offset(frame.position) !== offset(position) + 1) t.fail(`${frame.position} behind ${position}`)
      position = frame.position
    }
  }
  t.ok(received >= 50, `${received} messages`)
})

function offset (position: string): number {
  return Number(position.split('.')[1])
}
