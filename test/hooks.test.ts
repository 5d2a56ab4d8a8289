import t from 'tap'
import { Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import { captureLog } from './helpers/log.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

await t.test('five hooks, in the order of their registration, each in its turn', async (t) => {
  const log: string[] = []
  const { connect } = await createApp(t, {
    rooms: {
      'chat:{id}': {
        ...rooms['chat:{id}'],
        onJoin: () => { log.push('room join') },
        onMessage: () => { log.push('room message') },
        onLeave: () => { log.push('room leave') }
      }
    },
    after (app) {
      const { realtime } = app
      for (const n of [1, 2]) {
        realtime.addHook('onConnect', async (ctx) => { await Promise.resolve(); log.push(`connect ${n} ${ctx.user.id}`) })
        realtime.addHook('onJoin', async (ctx) => { await Promise.resolve(); log.push(`join ${n} ${ctx.params.id}`) })
        realtime.addHook('onMessage', async (_ctx, message) => { await Promise.resolve(); log.push(`message ${n} ${message.content}`) })
        realtime.addHook('onLeave', async (_ctx, reason) => { await Promise.resolve(); log.push(`leave ${n} ${reason}`) })
        realtime.addHook('onDisconnect', async (ctx, { code, reason }) => { await Promise.resolve(); log.push(`disconnect ${n} ${ctx.user.id} ${code} ${reason}`) })
      }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.request({ type: 'message', roomId: 'chat:1', content: 'hi' })
  await ann.request({ type: 'leave', roomId: 'chat:1' })
  await ann.close(1000, 'bye')
  await connect('bob')
  t.same(log, [
    'connect 1 ann', 'connect 2 ann', 'join 1 1', 'join 2 1', 'room join', 'message 1 hi', 'message 2 hi', 'room message',
    'leave 1 left', 'leave 2 left', 'room leave', 'disconnect 1 ann 1000 bye', 'disconnect 2 ann 1000 bye', 'connect 1 bob', 'connect 2 bob'
  ])
})

await t.test('ctx.server is the instance that declared it, with its decorators', async (t) => {
  const log: string[] = []
  const { app, connect } = await createApp(t, {
    async after (app) {
      app.decorate('where', 'root')
      for (const name of ['one', 'two']) {
        await app.register(async (scope) => {
          scope.decorate('own', name)
          const say = (what: string) => (ctx: { server: object }) => {
            log.push(`${what}: ${Reflect.get(ctx.server, 'where')}/${Reflect.get(ctx.server, 'own')}`)
            return true
          }
          scope.realtime.room(`${name}:{id}`, { join: say(`${name} join`), publish: say(`${name} publish`), onMessage: say(`${name} message`) })
          scope.realtime.addHook('onJoin', say(`${name} hook`))
          scope.realtime.handle(`call-${name}`, {}, say(`${name} call`))
          t.equal(scope.realtime, scope.realtime, 'always the same object')
        })
      }
    }
  })
  t.equal(app.hasDecorator('own'), false)
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'two:1' })
  await ann.request({ type: 'message', roomId: 'two:1', content: 1 })
  await ann.request({ type: 'call', event: 'call-one', content: 1 })
  t.same(log, [
    'two join: root/two', 'one hook: root/one', 'two hook: root/two', 'two publish: root/two', 'two message: root/two', 'one call: root/one'
  ])
})

await t.test('a throwing onConnect closes that connection, and nothing else happens', async (t) => {
  const { lines, logger } = captureLog()
  const log: string[] = []
  const { app, wsUrl, token, connect } = await createApp(t, {
    fastify: { logger },
    rooms,
    after (app) {
      app.realtime.addHook('onConnect', async ({ user }) => {
        if (user.id === 'refused') throw new Refusal('no seats left, '.repeat(20))
        if (user.id === 'broken') throw new Error('hunter2')
      })
      app.realtime.addHook('onDisconnect', ({ user }, { code }) => { log.push(`${user.id} ${code}`) })
    }
  })
  for (const [user, code] of [['refused', 4403], ['broken', 1011]] as const) {
    const client = await connectTo(t, wsUrl, { token: token(user) })
    client.send({ type: 'join', id: 1, roomId: 'chat:1' })
    const closed = await client.closed
    t.equal(closed.code, code)
    t.notMatch(closed.reason, /hunter2/)
    t.same(client.frames, [], 'no welcome, no answer')
    if (user === 'refused') t.match(closed.reason, /^no seats left/)
  }
  t.match(lines.filter(({ level }) => level === 50), [{ err: { message: 'hunter2' }, connectionId: String }])
  const ann = await connect('ann')
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack' })
  t.same(log, ['refused 4403', 'broken 1011'], 'what was announced as a connection is announced as gone')
  t.equal((await app.realtime.stats()).activeConnections, 1)
})

await t.test('frames that come while onConnect runs wait, in order, behind the welcome', async (t) => {
  let go = (): void => {}
  const { wsUrl, token } = await createApp(t, {
    rooms, after: (app) => app.realtime.addHook('onConnect', () => new Promise<void>((resolve) => { go = resolve }))
  })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  ann.send({ type: 'join', id: 1, roomId: 'chat:1' })
  ann.send({ type: 'message', id: 2, roomId: 'chat:1', content: 'first' })
  ann.send('nonsense')
  ann.send({ type: 'leave', id: 3, roomId: 'chat:1' })
  ann.send({ type: 'message', id: 4, roomId: 'chat:1', content: 'too late' })
  await ann.next('error')
  go()
  await ann.next((frame) => frame.id === 4)
  const answers = ann.frames.map(({ type, id, code }) => [type, id, code].filter((part) => part !== undefined).join(' '))
  // The ack of a message waits for the store, and nothing else for that ack.
  t.same(answers.filter((answer) => answer !== 'ack 2'), ['error bad_frame', 'welcome', 'ack 1', 'message', 'ack 3', 'error 4 not_member'])
  t.ok(answers.includes('ack 2'))
})

await t.test('and they are bounded', async (t) => {
  let go = (): void => {}
  const { wsUrl, token } = await createApp(t, {
    rooms,
    limits: { messages: { max: 5, timeWindow: '10s' } },
    after: (app) => app.realtime.addHook('onConnect', () => new Promise<void>((resolve) => { go = resolve }))
  })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  for (let id = 1; id <= 8; id++) ann.send({ type: 'pong', id })
  await ann.next((frame) => frame.id === 8)
  go()
  await ann.next((frame) => frame.id === 5)
  t.equal(ann.all('error').length, 3)
  t.equal(ann.all('ack').length, 5)
})

await t.test('a connection that goes while onConnect runs is gone without a trace', async (t) => {
  let go = (): void => {}
  let entered = (): void => {}
  const log: string[] = []
  const { app, wsUrl, token } = await createApp(t, {
    rooms,
    after (app) {
      app.realtime.addHook('onConnect', () => { entered(); return new Promise<void>((resolve) => { go = resolve }) })
      app.realtime.addHook('onConnect', () => { log.push('second') })
      app.realtime.addHook('onDisconnect', () => { log.push('gone'); gone() })
    }
  })
  let gone = (): void => {}
  const inside = new Promise<void>((resolve) => { entered = resolve })
  const out = new Promise<void>((resolve) => { gone = resolve })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  ann.send({ type: 'join', id: 1, roomId: 'chat:1' })
  await inside
  ann.ws.terminate()
  await out
  go()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(log, ['gone'])
  t.match(await app.realtime.stats(), { activeConnections: 0, rooms: 0, users: 0 })
})

await t.test('hooks that throw elsewhere answer that frame, or go to the log', async (t) => {
  const { lines, logger } = captureLog()
  let fail = true
  const { connect } = await createApp(t, {
    fastify: { logger },
    rooms,
    after (app) {
      app.realtime.addHook('onJoin', () => { if (fail) throw new Error('join') })
      app.realtime.addHook('onLeave', async () => { throw new Error('leave') })
      app.realtime.addHook('onDisconnect', async () => { throw new Error('disconnect') })
    }
  })
  const ann = await connect('ann')
  t.match(await ann.request({ type: 'join', roomId: 'chat:1' }), { code: 'internal' })
  fail = false
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.close(1000)
  const bob = await connect('bob')
  await bob.settled()
  t.same(lines.filter(({ level }) => level === 50).map(({ err }) => Reflect.get(Object(err), 'message')).sort(), ['disconnect', 'join', 'leave'])
})

await t.test('what is no hook is refused where it is added', async (t) => {
  const { app } = await createApp(t)
  const { realtime } = app
  const nothing = () => {}
  for (const args of [['onSomething', nothing], ['onJoin'], ['onJoin', 'x'], [5, nothing], ['__proto__', nothing], ['constructor', nothing]]) {
    t.throws(() => Reflect.apply(realtime.addHook, realtime, args), { code: 'RT_ERR_HOOK' }, String(args[0]))
  }
})
