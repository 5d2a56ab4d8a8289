import t from 'tap'
import type { Member } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import type { Peer } from '../helpers/scripted-server.js'
import { admit, createSdk, heard, untilStatus } from '../helpers/sdk.js'

const open = { join: () => true, publish: 'members' as const }
const rooms = { 'chat:{id}': { ...open, presence: { grace: '1s' as const }, typing: true }, 'plain:{id}': open }

const member = (userId: string, more: Partial<Member> = {}): Member => ({ userId, status: 'online', devices: 1, ...more })
const ids = (n: number): string[] => Array.from({ length: n }, (_, i) => `u${String(i).padStart(4, '0')}`)

/** Resolves when the client has read everything the peer sent so far. */
async function read (peer: Peer, client: { on (event: 'broadcast', handler: () => unknown): () => void }): Promise<void> {
  await new Promise<void>((resolve) => {
    const off = client.on('broadcast', () => { off(); resolve() })
    peer.send({ type: 'broadcast', event: 'read', content: null, timestamp: 1 })
  })
}

await t.test('members are live: snapshot, frames, and nothing left of those who went while one was away', async (t) => {
  const app = await createApp(t, { rooms })
  const ann = createSdk(t, app, 'ann')
  const bob = createSdk(t, app, 'bob')
  const room = await ann.client.joinRoom('chat:1')
  const events: unknown[] = []
  room.on('presence', ({ userId, change, status }) => events.push([userId, change, status]))
  let changes = 0
  room.onChange(() => changes++)
  const came = heard(room, 'presence')
  const bobRoom = await bob.client.joinRoom('chat:1')
  await came
  t.same([...room.members.keys()].sort(), ['ann', 'bob'])
  const updated = heard(room, 'presence')
  bobRoom.setPresence({ status: 'busy', meta: { in: 'a call' } })
  await updated
  t.same(room.members.get('bob'), { userId: 'bob', status: 'busy', meta: { in: 'a call' }, devices: 1 })
  ann.sockets.last.terminate()
  await untilStatus(ann.client, 'waiting')
  bob.client.close()
  await untilStatus(ann.client, 'connected')
  if (room.members.has('bob')) await heard(room, 'presence', ({ change }: { change: string }) => change === 'left')
  t.same([...room.members.keys()], ['ann'])
  t.strictSame(events.slice(0, 2), [['bob', 'joined', 'online'], ['bob', 'updated', 'busy']])
  t.ok(changes > 0)
})

await t.test('a snapshot of many pages, with changes between them', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const all = ids(250)
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed({ 'chat:1': { presence: { members: all.slice(0, 100).map((id) => member(id)), count: 250, more: true } } })
  const second = await peer.next('presence')
  t.match(second, { roomId: 'chat:1', after: 'u0099' })
  // Shown already, not yet shown, and both gone and new before their page.
  peer.send({ type: 'presence', roomId: 'chat:1', change: 'left', ...member('u0001'), timestamp: 1 })
  peer.send({ type: 'presence', roomId: 'chat:1', change: 'left', ...member('u0150'), timestamp: 1 })
  peer.send({ type: 'presence', roomId: 'chat:1', change: 'joined', ...member('zoe'), timestamp: 1 })
  peer.send({ type: 'ack', id: second.id, roomId: 'chat:1', members: all.slice(100, 200).filter((id) => id !== 'u0150').map((id) => member(id)), count: 250, more: true })
  peer.send({ type: 'presence', roomId: 'chat:1', change: 'left', ...member('u0151'), timestamp: 1 })
  const third = await peer.next('presence')
  peer.send({ type: 'error', id: third.id, code: 'rate_limited', message: 'slow', retryable: true, retryAfter: 1 })
  const again = await peer.next('presence')
  t.equal(again.after, third.after)
  peer.send({ type: 'ack', id: again.id, roomId: 'chat:1', members: [...all.slice(200), 'zoe'].map((id) => member(id)), count: 249 })
  await read(peer, client)
  t.strictSame([...room.members.keys()].sort(), [...all.filter((id) => !['u0001', 'u0150', 'u0151'].includes(id)), 'zoe'])

  peer.ws.terminate()
  const next = await server.peer()
  next.welcome()
  await next.resumed({ 'chat:1': { presence: { members: all.slice(10, 110).map((id) => member(id)), count: 140, more: true } } })
  const rest = await next.next('presence')
  t.ok(room.members.has('u0000'), 'who has not been shown yet is not taken away either')
  next.send({ type: 'ack', id: rest.id, roomId: 'chat:1', members: all.slice(110, 150).map((id) => member(id)), count: 140 })
  await read(next, client)
  t.strictSame([...room.members.keys()].sort(), all.slice(10, 150))
})

await t.test('typing: repeated while it lasts, ended by false, by a message and by leaving', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  room.setTyping(true)
  const peer = await admit(server, client)
  t.match(await peer.next('typing'), { typing: true, roomId: 'chat:1' }, 'told as soon as there is somebody to tell')
  room.setTyping(true)
  clock.advance(3_000)
  await peer.next('typing')
  clock.advance(3_000)
  t.match(await peer.next('typing'), { typing: true })
  room.setTyping(false)
  t.match(await peer.next('typing'), { typing: false })
  room.setTyping(true)
  await peer.next('typing')
  const sent = room.send('hi')
  await peer.acked()
  await sent
  clock.advance(10_000)
  room.setTyping(true)
  await peer.next('typing')
  room.leave()
  clock.advance(10_000)
  await peer.next('leave')
  t.strictSame(peer.frames.filter(({ type }) => type === 'typing').map(({ typing }) => typing), [true, true, true, false, true, true])
})

await t.test('a message that is refused was no end of typing: that is told', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  room.setTyping(true)
  t.match(await peer.next('typing'), { typing: true })
  const sent = room.send('hi')
  const { id, key } = await peer.next('message')
  peer.send({ type: 'error', id, roomId: 'chat:1', key, code: 'refused', message: 'not now', retryable: false })
  await t.rejects(sent, { code: 'refused' })
  t.match(await peer.next('typing'), { typing: false })
})

await t.test('who types: forgotten after eight seconds, told once', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const events: unknown[] = []
  room.on('typing', ({ userId, typing }) => events.push([userId, typing]))
  const peer = await admit(server, client)
  const type = (userId: string, typing: boolean): void => peer.send({ type: 'typing', roomId: 'chat:1', userId, typing })
  type('bob', true)
  type('bob', true)
  type('cid', true)
  await read(peer, client)
  t.strictSame([...room.typing.keys()], ['bob', 'cid'])
  clock.advance(5_000)
  type('bob', true)
  type('cid', false)
  await read(peer, client)
  clock.advance(7_900)
  t.strictSame([...room.typing.keys()], ['bob'])
  clock.advance(200)
  t.equal(room.typing.size, 0)
  t.strictSame(events, [['bob', true], ['cid', true], ['cid', false], ['bob', false]])
})

await t.test('typing and presence are never queued: the latest state is told again after a reconnect', async (t) => {
  const server = await createScriptedServer(t)
  const { client, errors } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  room.setPresence({ status: 'away' })
  room.setPresence({ status: 'busy' })
  room.setPresence({ meta: { a: 1 } })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  t.match(await peer.next('status'), { roomId: 'chat:1', status: 'busy', meta: { a: 1 } })
  room.setTyping(true)
  await peer.next('typing')
  peer.ws.terminate()
  await untilStatus(client, 'waiting')
  room.setPresence({ status: 'away' })
  room.setPresence({ status: 'online', meta: null })
  room.setTyping(false)
  room.setTyping(true)
  const next = await server.peer()
  next.welcome()
  await next.resumed()
  t.match(await next.next('status'), { status: 'online', meta: null })
  await next.next('typing')
  await read(next, client)
  t.equal(next.frames.filter(({ type }) => type === 'status').length, 1)
  t.strictSame(errors, [])
})

await t.test('a status that is refused is reported where the room is', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  const room = client.room('plain:1')
  const error = heard(room, 'error')
  room.setPresence({ status: 'busy' })
  t.match(await error, { code: 'bad_request' })
})

await t.test('history, with a real server', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  const room = client.room('chat:1')
  for (let i = 0; i < 5; i++) await room.send(i)
  const newest = await room.history({ limit: 2 })
  t.match(newest, { messages: [{ content: 3, userId: 'ann', event: 'message' }, { content: 4 }], more: true })
  const { position } = room
  const before = await room.history({ before: newest.messages[0]?.position, limit: 100 })
  t.strictSame(before.messages.map(({ content }) => content), [0, 1, 2])
  t.equal(room.position, position, 'reading does not move the position')
  t.match(await room.history({ after: 'nonsense' }), { messages: [], reason: 'expired' })
  await t.rejects(room.history({ limit: 1000 }), { code: 'bad_request' })
})

await t.test('the last messages at the first join, and everything since a stored position', async (t) => {
  const app = await createApp(t, { rooms })
  for (let i = 0; i < 5; i++) await app.app.realtime.notifyRoom('chat:1', 'message', i)
  const first = createSdk(t, app, 'ann')
  const seen: unknown[] = []
  const room = first.client.room('chat:1', { history: 2 })
  room.on('message', ({ content }) => seen.push(content))
  await room.ready()
  t.strictSame(seen, [3, 4])
  const { position } = room
  first.client.close()
  for (let i = 5; i < 8; i++) await app.app.realtime.notifyRoom('chat:1', 'message', i)
  const second = createSdk(t, app, 'ann')
  const again = second.client.room('chat:1', { since: position })
  again.on('message', ({ content }) => seen.push(content))
  again.on('reset', (gap) => seen.push(gap))
  await again.ready()
  t.strictSame(seen, [3, 4, 5, 6, 7])
})

await t.test('a gap too large is one explicit event, whatever the room', async (t) => {
  const app = await createApp(t, { rooms: { 'short:{id}': { ...open, history: { size: 3, ttl: '1m' } } } })
  const { client, sockets } = createSdk(t, app, 'ann')
  const room = await client.joinRoom('short:1', { history: 2 })
  await untilStatus(client, 'connected')
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  room.on('reset', ({ reason, roomId, position }) => seen.push([reason, roomId, position === room.position]))
  await room.send(0)
  sockets.last.terminate()
  await untilStatus(client, 'waiting')
  for (let i = 1; i < 8; i++) await app.app.realtime.notifyRoom('short:1', 'message', i)
  await untilStatus(client, 'connected')
  await room.send(8)
  t.strictSame(seen, [0, ['trimmed', 'short:1', true], 6, 7, 8])
})

await t.test('a long gap comes page by page, live messages after it', async (t) => {
  const app = await createApp(t, {
    rooms: { 'log:{id}': { ...open, history: { size: 1000, ttl: '1m' } }, 'chat:{id}': open },
    inbox: { size: 100 }
  })
  const { client, sockets } = createSdk(t, app, 'ann')
  const seen = new Map<string, unknown[]>([['log:1', []], ['log:2', []], ['direct', []]])
  for (const id of ['log:1', 'log:2'] as const) {
    const room = await client.joinRoom(id)
    room.on('message', ({ content }) => seen.get(id)?.push(content))
  }
  client.on('direct', ({ content }) => seen.get('direct')?.push(content))
  await untilStatus(client, 'connected')
  sockets.last.terminate()
  await untilStatus(client, 'waiting')
  const filler = 'x'.repeat(20_000)
  for (let i = 0; i < 40; i++) {
    await app.app.realtime.notifyRoom('log:1', 'line', filler + i)
    await app.app.realtime.notifyRoom('log:2', 'line', filler + i)
    await app.app.realtime.sendDirect('ann', 'note', filler + i)
  }
  for (const id of ['log:1', 'log:2'] as const) client.room(id).on('line', ({ content }) => seen.get(id)?.push(content))
  const over = Promise.all(['log:1', 'log:2'].map((id) => heard(client.room(id), 'end')))
  await untilStatus(client, 'connected')
  await Promise.all(['log:1', 'log:2'].map((id) => app.app.realtime.notifyRoom(id, 'end', null)))
  await over
  const all = Array.from({ length: 40 }, (_, i) => filler + i)
  for (const [where, list] of seen) t.strictSame(list, all, where)
})

await t.test('messages() ends with the room, with the client, and with a reader that is too slow', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  const room = await client.joinRoom('plain:1')
  const messages = room.messages()
  const early = room.messages({ limit: 2 })
  for (let i = 0; i < 3; i++) await room.send(i)
  const seen: unknown[] = []
  for await (const { content } of messages) {
    seen.push(content)
    if (content === 2) break
  }
  t.strictSame(seen, [0, 1, 2])
  t.strictSame(await messages.next(), { done: true, value: undefined })
  await t.rejects(early.next(), { code: 'overflow' })
  t.strictSame(await early.next(), { done: true, value: undefined })

  const waiting = room.messages().next()
  room.leave()
  t.strictSame(await waiting, { done: true, value: undefined })
  const other = await client.joinRoom('plain:2')
  const last = other.messages().next()
  client.close()
  t.strictSame(await last, { done: true, value: undefined })
})

await t.test('leave, and come back: no frame of the membership before', async (t) => {
  const app = await createApp(t, { rooms })
  const ann = createSdk(t, app, 'ann')
  const bob = createSdk(t, app, 'bob')
  const room = await ann.client.joinRoom('plain:1')
  const bobRoom = await bob.client.joinRoom('plain:1')
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  await bobRoom.send(1)
  await room.send(2)
  room.leave()
  t.equal(room.state, 'left')
  await bobRoom.send(3)
  t.equal(ann.client.room('plain:1'), room, 'the same object')
  await room.ready()
  await bobRoom.send(4)
  await room.send(5)
  t.strictSame(seen, [1, 2, 4, 5])
})

await t.test('leaving while the resume is under way is told to the server, too', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const one = client.room('chat:1')
  const two = client.room('chat:2')
  const peer = await server.peer()
  peer.welcome()
  const { id } = await peer.next('resume')
  one.leave()
  two.leave()
  client.room('chat:2', { history: 3 })
  const late = client.room('chat:3')
  peer.send({ type: 'ack', id, inbox: { position: 'i0', recovered: true }, rooms: [{ roomId: 'chat:1', position: 'p1' }, { roomId: 'chat:2', position: 'q1' }] })
  t.match(await peer.next('leave'), { roomId: 'chat:1' })
  t.match(await peer.next('leave'), { roomId: 'chat:2' })
  const joins = [await peer.next('join'), await peer.next('join')]
  t.match(joins, [{ roomId: 'chat:2', history: 3 }, { roomId: 'chat:3' }])
  for (const { id, roomId } of joins) peer.send({ type: 'ack', id, roomId, position: 'r1' })
  await Promise.all([two.ready(), late.ready()])
  t.equal(one.state, 'left')
  t.equal(two.position, 'r1')
})

await t.test('taken out by the server, put in by the server', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  const room = await client.joinRoom('plain:1')
  await untilStatus(client, 'connected')
  const left = heard(room, 'left')
  await app.app.realtime.removeUser('ann', 'plain:1')
  t.match(await left, { roomId: 'plain:1', reason: 'removed' })
  t.equal(room.state, 'left')
  await t.rejects(room.send('x'), { code: 'left' })
  const joined = heard<{ roomId: string }>(client, 'joined')
  await app.app.realtime.joinUser('ann', 'plain:2')
  t.equal((await joined).roomId, 'plain:2')
  t.match(await client.room('plain:2').send('y'), { timestamp: Number })
})

await t.test('watchUser hears a user\'s updates until the last watcher goes', async (t) => {
  const app = await createApp(t, { rooms: { 'user:{id}': { join: () => true } } })
  const { client } = createSdk(t, app, 'ann')
  const seen: unknown[] = []
  const off = client.watchUser('bob', (content) => seen.push(['one', content]))
  const offOther = client.watchUser('bob', (content) => seen.push(['two', content]))
  await client.joinRoom('user:bob')
  await app.app.realtime.broadcastUserUpdate('bob', { name: 'Bob' })
  await heardCount(2)
  off()
  off()
  t.equal(client.room('user:bob').state, 'joined')
  await app.app.realtime.broadcastUserUpdate('bob', { name: 'Rob' })
  await heardCount(3)
  offOther()
  t.strictSame(seen, [['one', { name: 'Bob' }], ['two', { name: 'Bob' }], ['two', { name: 'Rob' }]])

  async function heardCount (count: number): Promise<void> {
    while (seen.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
})

await t.test('whoever stops watching twice stops nobody else who began meanwhile', async (t) => {
  const app = await createApp(t, { rooms: { 'user:{id}': { join: () => true } } })
  const { client } = createSdk(t, app, 'ann')
  const off = client.watchUser('bob', () => {})
  await client.joinRoom('user:bob')
  off()
  const name = new Promise((resolve) => client.watchUser('bob', resolve))
  off()
  await client.joinRoom('user:bob')
  await app.app.realtime.broadcastUserUpdate('bob', { name: 'Bob' })
  t.strictSame(await name, { name: 'Bob' })
})

await t.test('the classic three', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  const seen: unknown[] = []
  const off = client.onMessage(({ roomId, content }) => seen.push([roomId, content]))
  await client.joinRoom('plain:1')
  t.match(await client.send('plain:1', 'a'), { timestamp: Number })
  await client.send('plain:2', 'b')
  off()
  await client.send('plain:1', 'c')
  t.strictSame(seen, [['plain:1', 'a'], ['plain:2', 'b']])
})

await t.test('a join that is refused for a moment is tried again, one that is not answered needs a new connection', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed({ 'chat:1': { error: { code: 'rate_limited', message: 'slow', retryable: true, retryAfter: 2_000 } } })
  await untilStatus(client, 'connected')
  t.equal(room.state, 'joining')
  clock.advance(1_900)
  await read(peer, client)
  t.equal(peer.frames.filter(({ type }) => type === 'join').length, 0)
  clock.advance(2_000)
  await peer.next('join')
  clock.advance(10_100)
  t.match(await untilStatus(client, 'waiting'), { state: 'waiting', reason: 'timeout' })
  clock.advance(30)
  const next = await server.peer()
  next.welcome()
  await next.resumed()
  await room.ready()
})

await t.test('more rooms than one frame may hold', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  const names = ids(50)
  for (const name of names) client.room(name)
  const peer = await server.peer()
  peer.welcome({ limits: { maxPayload: 12_000, rooms: 1_000, messages: { max: 100, window: 1 }, joins: { max: 100, window: 1 }, keyTtl: 1 } })
  const parts = [await peer.resumed()]
  for (let i = 0; i < 3; i++) parts.push(await peer.resumed({}, { position: 'i0' }))
  await untilStatus(client, 'connected')
  t.strictSame(parts.flatMap(({ rooms }) => rooms.map(({ roomId }: { roomId: string }) => roomId)), names)
  t.strictSame(parts.map(({ inbox }) => inbox), ['i0', undefined, undefined, undefined])
})

await t.test('joined means connected', async (t) => {
  const app = await createApp(t, { rooms })
  const { client } = createSdk(t, app, 'ann')
  await client.joinRoom('plain:1')
  t.equal(client.status.state, 'connected')
})
