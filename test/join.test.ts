import t from 'tap'
import { Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { captureLog } from './helpers/log.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

await t.test('a member gets what is published in the room', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const joined = await ann.request({ type: 'join', roomId: 'chat:1' })
  t.equal(joined.type, 'ack')
  t.equal(joined.roomId, 'chat:1')
  t.type(joined.position, 'string')
  await app.realtime.notifyRoom('chat:1', 'order', { n: 1 })
  t.match(await ann.next('message'), { roomId: 'chat:1', event: 'order', userId: null, content: { n: 1 } })
})

await t.test('a forbidden room and one that does not exist get the same answer', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => false } } })
  const ann = await connect('ann')
  const forbidden = await ann.request({ type: 'join', roomId: 'chat:1' })
  const missing = await ann.request({ type: 'join', roomId: 'nothing:1' })
  t.match(forbidden, { type: 'error', code: 'forbidden' })
  t.same({ ...forbidden, id: 0, roomId: '' }, { ...missing, id: 0, roomId: '' })
})

await t.test('nobody may join where nothing says so', async (t) => {
  const { lines, logger } = captureLog()
  const answers: Record<string, unknown> = { truthy: 1, text: 'true', object: { ok: true }, nothing: undefined, no: false }
  const { connect } = await createApp(t, {
    fastify: { logger },
    rooms: {
      'nothing:{id}': {},
      'chat:{id}': { join: async ({ params }) => JSON.parse(JSON.stringify(answers[params.id ?? ''] ?? null)) },
      'throws:{id}': { join: () => { throw new Error('hunter2') } },
      'rejects:{id}': { join: async () => { throw new Refusal('members only', { content: { plan: 'pro' } }) } }
    }
  })
  const ann = await connect('ann')
  const join = (roomId: string) => ann.request({ type: 'join', roomId })
  const forbidden = ['nothing:1', 'unknown:1', 'user:ann', 'user:bob', 'chat', 'chat:', ...Object.keys(answers).map((name) => `chat:${name}`)]
  for (const roomId of forbidden) {
    const answer = await join(roomId)
    t.match(answer, { type: 'error', code: 'forbidden', retryable: false, roomId }, roomId)
    t.same(Object.keys(answer).sort(), ['code', 'id', 'message', 'retryable', 'roomId', 'type'])
  }
  t.equal(new Set(ann.all('error').map(({ message }) => message)).size, 1, 'whatever the reason')
  t.equal(lines.filter(({ level }) => Number(level) >= 40).length, 0)
  const failed = await join('throws:1')
  t.match(failed, { code: 'internal', retryable: true, roomId: 'throws:1' }, 'a join may be tried again')
  t.notMatch(JSON.stringify(failed), /hunter2/)
  t.match(lines.filter(({ level }) => level === 50), [{ err: { message: 'hunter2' } }])
  t.match(await join('rejects:1'), { code: 'refused', message: 'members only', content: { plan: 'pro' }, retryable: false, roomId: 'rejects:1' })
})

await t.test('policies know who asks, for which room, and from which instance', async (t) => {
  const seen: unknown[] = []
  const { app, connect, token } = await createApp(t, {
    async after (app) {
      await app.register(async (scope) => {
        scope.decorate('chats', 'the chats')
        scope.realtime.room('chat:{team}:{id}', {
          join (ctx) {
            seen.push([ctx.user, ctx.roomId, ctx.pattern, ctx.params, Reflect.get(ctx.server, 'chats'), typeof ctx.log.info])
            return true
          }
        })
      })
    }
  })
  t.notOk(app.hasDecorator('chats'))
  const ann = await connect('ann', { token: token('ann', { role: 'admin' }) })
  t.match(await ann.request({ type: 'join', roomId: 'chat:a:1' }), { type: 'ack' })
  t.match(seen, [[{ id: 'ann', role: 'admin' }, 'chat:a:1', 'chat:{team}:{id}', { team: 'a', id: '1' }, 'the chats', 'function']])
})

await t.test('joining twice is an ack, and asks no policy again', async (t) => {
  let asked = 0
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => { asked++; return true }, presence: true } } })
  const ann = await connect('ann')
  const [first, second] = await Promise.all([1, 2].map(() => ann.request({ type: 'join', roomId: 'chat:1' })))
  t.match(first, { type: 'ack', roomId: 'chat:1' })
  t.same({ ...second, id: 0 }, { ...first, id: 0 })
  t.equal(asked, 1)
  const { position } = await app.realtime.notifyRoom('chat:1', 'n', 1)
  t.match(await ann.request({ type: 'join', roomId: 'chat:1', presence: true }), { position, presence: { count: 1, members: [{ userId: 'ann', devices: 1 }] } })
  await ann.settled()
  t.equal(ann.all('message').length, 1)
})

await t.test('a connection is in no more than limits.rooms', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { rooms: 2 } })
  const ann = await connect('ann')
  const answers = await Promise.all([1, 2, 3].map((n) => ann.request({ type: 'join', roomId: `chat:${n}` })))
  t.same(answers.map(({ type, code }) => code ?? type), ['ack', 'ack', 'limit_reached'])
  t.match(answers[2], { roomId: 'chat:3', retryable: false })
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack' }, 'one it is in')
  const [left, joined] = await Promise.all([ann.request({ type: 'leave', roomId: 'chat:1' }), ann.request({ type: 'join', roomId: 'chat:3' })])
  t.same([left, joined].map(({ type }) => type), ['ack', 'ack'])
  const other = await connect('ann')
  t.match(await other.request({ type: 'join', roomId: 'chat:4' }), { type: 'ack' }, 'the limit is of each connection')
})

await t.test('a room takes no more than members users', async (t) => {
  for (const presence of [false, { grace: 0 }]) {
    const { connect } = await createApp(t, {
      limits: { members: 1 }, rooms: { 'pair:{id}': { join: () => true, members: 2, presence }, 'single:{id}': { join: () => true, presence } }
    })
    const [ann, anns, bob, cat] = [await connect('ann'), await connect('ann'), await connect('bob'), await connect('cat')]
    for (const client of [ann, anns, bob]) t.match(await client.request({ type: 'join', roomId: 'pair:1' }), { type: 'ack' })
    t.match(await cat.request({ type: 'join', roomId: 'pair:1' }), { code: 'limit_reached', roomId: 'pair:1' })
    await ann.request({ type: 'leave', roomId: 'pair:1' })
    t.match(await cat.request({ type: 'join', roomId: 'pair:1' }), { code: 'limit_reached' }, 'ann is still there with another device')
    await anns.close(1000)
    await cat.settled()
    t.match(await cat.request({ type: 'join', roomId: 'pair:1' }), { type: 'ack' })
    await ann.request({ type: 'join', roomId: 'single:1' })
    t.match(await bob.request({ type: 'join', roomId: 'single:1' }), { code: 'limit_reached' }, "the app's own limit where the policy has none")
  }
})

await t.test('joins are counted, refused ones and repeated ones too', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { joins: { max: 4, timeWindow: '1m' } } })
  const ann = await connect('ann')
  const codes: string[] = []
  for (const roomId of ['chat:1', 'chat:1', 'nothing', 'chat:2', 'chat:3']) {
    const { type, code } = await ann.request({ type: 'join', roomId })
    codes.push(code ?? type)
  }
  t.same(codes, ['ack', 'ack', 'forbidden', 'ack', 'rate_limited'])
  t.ok(ann.all('error').at(-1)?.retryAfter > 0)
  t.match(await ann.request({ type: 'leave', roomId: 'chat:1' }), { type: 'ack' }, 'leaving is free')
})
