import t from 'tap'
import { createApp } from './helpers/app.js'
import { createNode, turns } from './helpers/node.js'

await t.test('who left gets nothing more, and can come back', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  const left = await ann.request({ type: 'leave', roomId: 'chat:1' })
  t.same(left, { type: 'ack', id: left.id, roomId: 'chat:1' })
  const { position } = await app.realtime.notifyRoom('chat:1', 'n', 1)
  await bob.next('message')
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 1 }), { code: 'not_member' })
  for (const frame of [{ type: 'leave' }, { type: 'presence' }, { type: 'history', limit: 1 }, { type: 'typing', typing: true }, { type: 'status', status: 'x' }]) {
    t.match(await ann.request({ roomId: 'chat:1', ...frame }), { type: 'error', code: 'not_member', roomId: 'chat:1' }, frame.type)
  }
  await ann.settled()
  t.equal(ann.all('message').length, 0)
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack', position })
  await app.realtime.notifyRoom('chat:1', 'n', 2)
  t.match(await ann.next('message'), { content: 2 })
})

await t.test('one device leaves, the others stay', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => true } } })
  const [one, two] = [await connect('ann'), await connect('ann')]
  for (const client of [one, two]) await client.request({ type: 'join', roomId: 'chat:1' })
  await one.request({ type: 'leave', roomId: 'chat:1' })
  await app.realtime.notifyRoom('chat:1', 'n', 1)
  t.match(await two.next('message'), { content: 1 })
  await one.settled()
  t.equal(one.all('message').length, 0)
})

await t.test('onJoin and onLeave come in pairs, with the reason', async (t) => {
  const log: string[] = []
  const room = (name: string) => ({
    join: () => name !== 'no',
    onJoin: (ctx: { connectionId: string, user: { id: string }, roomId: string }) => { log.push(`join ${ctx.user.id} ${ctx.roomId}`) },
    onLeave: (ctx: { user: { id: string }, roomId: string }, reason: string) => { log.push(`leave ${ctx.user.id} ${ctx.roomId} ${reason}`) }
  })
  const { app, connect } = await createApp(t, {
    rooms: { 'chat:{id}': room('chat'), 'no:{id}': room('no'), 'volatile:{id}': { ...room('volatile'), history: false } }
  })
  const take = (): string[] => log.splice(0).sort()
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'no:1' })
  t.same(take(), [])
  for (const roomId of ['chat:1', 'chat:1', 'volatile:1']) await ann.request({ type: 'join', roomId })
  t.same(take(), ['join ann chat:1', 'join ann volatile:1'], 'joining twice is one join')
  for (const roomId of ['chat:1', 'chat:1']) await ann.request({ type: 'leave', roomId })
  t.same(take(), ['leave ann chat:1 left'])
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await app.realtime.removeUser('ann', 'chat:1')
  await app.realtime.removeUser('ann', 'volatile:1')
  await ann.settled()
  t.same(take(), ['join ann chat:1', 'leave ann chat:1 removed', 'leave ann volatile:1 removed'])
  await app.realtime.joinUser('ann', 'chat:2')
  await ann.request({ type: 'join', roomId: 'chat:3' })
  t.same(take(), ['join ann chat:2', 'join ann chat:3'])
  await ann.close(1000)
  const bob = await connect('bob')
  t.same(take(), ['leave ann chat:2 disconnected', 'leave ann chat:3 disconnected'])
  await bob.request({ type: 'join', roomId: 'chat:1' })
  await app.realtime.disconnectUser('bob')
  await bob.closed
  t.same(take(), ['join bob chat:1', 'leave bob chat:1 disconnected'])
})

await t.test('one onLeave that throws does not keep the others from running', async (t) => {
  const log: string[] = []
  const { connect } = await createApp(t, {
    fastify: { logger: false },
    rooms: { 'chat:{id}': { join: () => true, onLeave: () => { log.push('room') } } },
    after (app) {
      app.realtime.addHook('onLeave', async () => { throw new Error('first') })
      app.realtime.addHook('onLeave', () => { log.push('second') })
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'leave', roomId: 'chat:1' }), { type: 'ack' })
  await ann.settled()
  t.same(log, ['second', 'room'])
})

await t.test('the subscription of a room outlives its last member a little, and ends then', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } } })
  const ann = await made.connect('ann')
  for (let i = 0; i < 3; i++) {
    await ann.request({ type: 'join', roomId: 'chat:1' })
    await ann.request({ type: 'leave', roomId: 'chat:1' })
    made.clock.advance(1_500)
    await turns()
    t.ok(made.bridge.subscribed.has('r:chat:1'), 'counted from the last one who left')
  }
  made.clock.advance(600)
  await turns()
  t.notOk(made.bridge.subscribed.has('r:chat:1'))
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack' })
  t.ok(made.bridge.subscribed.has('r:chat:1'))
})

await t.test('a join while the last subscription is being ended waits for that', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true } } })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.request({ type: 'leave', roomId: 'chat:1' })
  made.clock.advance(2_100)
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack' })
  await made.bridge.publish({ channel: 'r:chat:1', head: '{"type":"message","roomId":"chat:1","content":1', retention: { size: 1, ttl: 1000 } })
  await turns()
  t.equal(ann.all('message').length, 1)
})
