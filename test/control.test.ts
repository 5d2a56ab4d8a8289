import t from 'tap'
import { createApp } from './helpers/app.js'
import { disconnected } from './helpers/events.js'

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const },
  'closed:{id}': { join: () => false, publish: 'members' as const },
  'live:{id}': { join: () => true, publish: 'members' as const, history: false as const, presence: true }
}

await t.test('joinUser puts every connection of a user into a room, whatever its policy says', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const joined: string[] = []
  app.realtime.addHook('onJoin', (ctx) => { joined.push(`${ctx.user.id} ${ctx.roomId} ${ctx.params.id}`) })
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  const { position } = await app.realtime.notifyRoom('closed:1', 'before', 0)
  t.same(await app.realtime.joinUser('ann', 'closed:1'), { connections: 2, unreachable: [] })
  t.strictSame(await phone.next('joined'), { type: 'joined', roomId: 'closed:1', position })
  await laptop.next('joined')
  t.same(joined, ['ann closed:1 1', 'ann closed:1 1'])
  await app.realtime.notifyRoom('closed:1', 'after', 1)
  t.match(await phone.next('message'), { roomId: 'closed:1', event: 'after' })
  t.match(await phone.request({ type: 'message', roomId: 'closed:1', content: 'hi' }), { type: 'ack' }, 'a member like any other')
  t.match(await laptop.next((frame) => frame.userId === 'ann'), { content: 'hi' })
  await bob.settled()
  t.same(bob.all('message'), [])

  t.same(await app.realtime.joinUser('ann', 'closed:1'), { connections: 2, unreachable: [] }, 'again: nothing changes')
  await phone.settled()
  t.equal(phone.all('joined').length, 1)
  t.equal(joined.length, 2)
})

await t.test('joinUser lasts while connected, and asks nobody who is not there', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  t.same(await app.realtime.joinUser('ann', 'closed:1'), { connections: 0, unreachable: [] })
  const ann = await connect('ann')
  await ann.settled()
  t.same(ann.all('joined'), [], 'it was said when nobody was there')
  await app.realtime.joinUser('ann', 'closed:1')
  await ann.close()
  const back = await connect('ann')
  const answer = await back.request({ type: 'resume', rooms: [{ roomId: 'closed:1', since: 'start' }] })
  t.match(answer.rooms, [{ roomId: 'closed:1', error: { code: 'forbidden' } }], 'a resume runs the policy')
  await t.rejects(app.realtime.joinUser('ann', 'nothing:1'), { code: 'RT_ERR_UNKNOWN_ROOM' })
  await t.rejects(app.realtime.joinUser('', 'closed:1'), { code: 'RT_ERR_BAD_ARGUMENT' })
})

await t.test('joinUser into a volatile room has no position, and shows presence', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  await bob.request({ type: 'join', roomId: 'live:1', presence: true })
  await app.realtime.joinUser('ann', 'live:1')
  const joined = await ann.next('joined')
  t.match(joined, { roomId: 'live:1', presence: { members: [{ userId: 'ann' }, { userId: 'bob' }], count: 2 } })
  t.notOk('position' in joined)
  t.match(await bob.next('presence'), { userId: 'ann', change: 'joined' })
  t.match(await ann.request({ type: 'leave', roomId: 'live:1' }), { type: 'ack' })
  t.match(await bob.next('presence'), { userId: 'ann', change: 'left' })
})

await t.test('a hook may refuse whom the server puts in', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  app.realtime.addHook('onJoin', (ctx) => { if (ctx.user.id === 'mallory') throw new Error('no') })
  const mallory = await connect('mallory')
  t.same(await app.realtime.joinUser('mallory', 'chat:1'), { connections: 0, unreachable: [] })
  await mallory.settled()
  t.same(mallory.all('joined'), [])
  t.match(await mallory.request({ type: 'leave', roomId: 'chat:1' }), { code: 'not_member' })
})

await t.test('disconnectUser closes every connection with 4403', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  const gone = disconnected(app, 'ann')
  t.same(await app.realtime.disconnectUser('ann', 'unpaid'), { connections: 2, unreachable: [] })
  t.same(await phone.closed, { code: 4403, reason: 'unpaid' })
  t.same(await laptop.closed, { code: 4403, reason: 'unpaid' })
  t.same(await gone, { code: 4403, reason: 'unpaid' })
  await bob.settled()
  t.same(await app.realtime.disconnectUser('ann'), { connections: 0, unreachable: [] })
  await app.realtime.disconnectUser('bob')
  t.same(await bob.closed, { code: 4403, reason: 'access withdrawn' })
  const umlauts = await connect('carol')
  await app.realtime.disconnectUser('carol', 'ü'.repeat(123))
  t.match(await umlauts.closed, { code: 4403, reason: 'ü'.repeat(61) })
  await t.rejects(app.realtime.disconnectUser('ann', 'x'.repeat(124)), { code: 'RT_ERR_BAD_ARGUMENT' })
})

await t.test('removeUser takes a user out of one room', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  for (const client of [ann, bob]) {
    for (const roomId of ['chat:1', 'chat:2']) await client.request({ type: 'join', roomId })
  }
  const removed = await app.realtime.removeUser('ann', 'chat:1')
  t.type(removed.position, 'string')
  await app.realtime.notifyRoom('chat:1', 'n', 1)
  await app.realtime.notifyRoom('chat:2', 'n', 2)
  t.match(await ann.next('left'), { roomId: 'chat:1', reason: 'removed' })
  t.match(await ann.next('message'), { roomId: 'chat:2' })
  t.match(await bob.next('message'), { roomId: 'chat:1' })
  t.strictSame(await app.realtime.removeUser('nobody', 'live:1'), {})
  t.equal((await app.realtime.connections({ roomId: 'chat:1' })).connections.length, 1)
})

await t.test('connections are listed, by user and by room', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const before = Date.now()
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  await phone.request({ type: 'join', roomId: 'chat:1' })
  await phone.request({ type: 'join', roomId: 'chat:2' })
  await bob.request({ type: 'join', roomId: 'chat:1' })
  const idOf = (client: typeof phone): string => client.frames[0]?.connectionId
  const list = async (filter?: object): Promise<string[]> =>
    (await app.realtime.connections(filter)).connections.map((connection) => connection.connectionId)
  t.same(await list(), [idOf(phone), idOf(laptop), idOf(bob)])
  t.same(await list({ userId: 'ann' }), [idOf(phone), idOf(laptop)])
  t.same(await list({ roomId: 'chat:1' }), [idOf(phone), idOf(bob)])
  t.same(await list({ userId: 'ann', roomId: 'chat:1' }), [idOf(phone)])
  t.same(await list({ userId: 'nobody' }), [])
  t.same(await list({ limit: 1 }), [idOf(phone)])
  const [first] = (await app.realtime.connections({ userId: 'ann' })).connections
  t.match(first, { userId: 'ann', rooms: ['chat:1', 'chat:2'], nodeId: String })
  t.ok(first !== undefined && first.connectedAt >= before && first.connectedAt <= Date.now())
  await phone.close()
  t.same(await list(), [idOf(laptop), idOf(bob)])
  await t.rejects(list({ limit: 0 }), { code: 'RT_ERR_BAD_ARGUMENT' })
  await t.rejects(list({ user: 'ann' }), { code: 'RT_ERR_BAD_ARGUMENT', message: /options\.user/ })
})

await t.test('stats are right in the moment after joins and leaves', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const counts = async (): Promise<number[]> => {
    const { activeConnections, rooms, users } = await app.realtime.stats()
    return [activeConnections, rooms, users]
  }
  t.same(await counts(), [0, 0, 0])
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  t.same(await counts(), [3, 0, 2])
  await phone.request({ type: 'join', roomId: 'chat:1' })
  await bob.request({ type: 'join', roomId: 'chat:1' })
  await bob.request({ type: 'join', roomId: 'chat:2' })
  t.same(await counts(), [3, 2, 2])
  await bob.request({ type: 'leave', roomId: 'chat:2' })
  t.same(await counts(), [3, 1, 2])
  await bob.request({ type: 'leave', roomId: 'chat:1' })
  t.same(await counts(), [3, 1, 2])
  const gone = disconnected(app, 'ann')
  phone.ws.terminate()
  await gone
  t.same(await counts(), [2, 0, 2])
  await laptop.close()
  await bob.close()
  t.same(await counts(), [0, 0, 0])

  const stats = await app.realtime.stats()
  t.match(stats, { messagesIn: 5, messagesOut: 8, outboxBytes: 0, unreachable: { length: 0 } })
  for (const value of Object.values(stats.eventLoopDelay)) t.ok(value >= 0 && value < 10_000)
})

await t.test('broadcast reaches every connection that is there, and nobody later', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const clients = await Promise.all(Array.from({ length: 300 }, (_, index) => connect(`user-${index % 50}`)))
  const { timestamp } = await app.realtime.broadcast('news', { n: 1 })
  for (const client of clients) t.strictSame(await client.next('broadcast'), { type: 'broadcast', event: 'news', content: { n: 1 }, timestamp })
  const late = await connect('late')
  await late.settled()
  t.same(late.all('broadcast'), [])
  await t.rejects(app.realtime.broadcast('error', 1), { code: 'RT_ERR_BAD_ARGUMENT' })
  await t.rejects(app.realtime.broadcast('news', 1n), { code: 'RT_ERR_CONTENT_NOT_SERIALIZABLE' })
})

await t.test('a user\'s own updates go to whom the application lets watch', async (t) => {
  const { app, connect } = await createApp(t, {
    rooms: { 'user:{id}': { join: ({ user, params }) => user.id === params.id || user.id === 'friend', onMessage: () => { throw new Error('never') } } }
  })
  const ann = await connect('ann')
  const friend = await connect('friend')
  const other = await connect('other')
  t.match(await ann.request({ type: 'join', roomId: 'user:ann' }), { type: 'ack', position: String })
  await friend.request({ type: 'join', roomId: 'user:ann' })
  t.match(await other.request({ type: 'join', roomId: 'user:ann' }), { code: 'forbidden' })
  const { position } = await app.realtime.broadcastUserUpdate('ann', { name: 'Ann' })
  for (const client of [ann, friend]) {
    t.match(await client.next('message'), { roomId: 'user:ann', event: 'user-update', userId: null, content: { name: 'Ann' }, position })
  }
  t.match(await ann.request({ type: 'message', roomId: 'user:ann', event: 'user-update', content: 'forged' }), { code: 'forbidden' })
  await other.settled()
  t.same(other.all('message'), [])
})

await t.test('without a policy for it nobody watches, and updates are fine all the same', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  t.match(await ann.request({ type: 'join', roomId: 'user:ann' }), { code: 'forbidden' })
  t.match(await app.realtime.broadcastUserUpdate('ann', { n: 1 }), { position: String, timestamp: Number })
  t.match(await app.realtime.broadcastUserUpdate('a:b:c', { n: 1 }), { position: String })
  await app.realtime.joinUser('ann', 'user:ann')
  await ann.next('joined')
  await app.realtime.broadcastUserUpdate('ann', { n: 2 })
  t.match(await ann.next('message'), { content: { n: 2 } }, 'unless the server puts somebody there')
  await t.rejects(app.realtime.broadcastUserUpdate('', 1), { code: 'RT_ERR_BAD_ARGUMENT' })
})
