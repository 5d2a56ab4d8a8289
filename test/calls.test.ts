import t from 'tap'
import { Type } from '@sinclair/typebox'
import { z } from 'zod'
import { defineCall, Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { captureLog } from './helpers/log.js'

await t.test('a call is answered with what its handler returns', async (t) => {
  const { connect } = await createApp(t, {
    after (app) {
      app.realtime.handle('echo', {}, (ctx, content) => ({ user: ctx.user.id, event: ctx.event, connection: ctx.connectionId, content }))
      app.realtime.handle('later', {}, async () => await Promise.resolve([1]))
      app.realtime.handle('nothing', {}, () => {})
      app.realtime.handle(defineCall('defined', { schema: { content: Type.Object({ n: Type.Integer() }) } }, (_ctx, { n }) => n + 1))
    }
  })
  const ann = await connect('ann')
  const connectionId = ann.all('welcome')[0]?.connectionId
  const answer = await ann.request({ type: 'call', event: 'echo', content: { a: [1] }, userId: 'bob' })
  t.same(answer, { type: 'ack', id: answer.id, content: { user: 'ann', event: 'echo', connection: connectionId, content: { a: [1] } } })
  t.same((await ann.request({ type: 'call', event: 'later', content: null })).content, [1])
  t.same((await ann.request({ type: 'call', event: 'nothing', content: null })).content, null)
  t.same((await ann.request({ type: 'call', event: 'defined', content: { n: 1 } })).content, 2)
  for (const event of ['unknown', '__proto__', 'constructor']) {
    t.match(await ann.request({ type: 'call', event, content: 1 }), { type: 'error', code: 'unknown_event' })
  }
})

await t.test('content and response have schemas', async (t) => {
  const { lines, logger } = captureLog()
  const { connect } = await createApp(t, {
    fastify: { logger },
    after (app) {
      const content = Type.Object({ n: Type.Integer(), d: Type.Integer({ default: 9 }) })
      app.realtime.handle('double', { schema: { content, response: Type.Object({ n: Type.Integer() }) } }, (_ctx, { n, d }) =>
        Object.assign({ n: n * 2 + d }, { secret: 'hidden' }))
      app.realtime.handle('zod', { schema: { content: z.object({ n: z.coerce.number() }), response: z.object({ ok: z.boolean() }) } }, (_ctx, { n }) =>
        Object.assign({ ok: n === 1 }, { secret: 'hidden' }))
      app.realtime.handle('wrong', { schema: { response: z.object({ ok: z.boolean() }) } }, () => JSON.parse('{"ok":"secret"}'))
    }
  })
  const ann = await connect('ann')
  const call = (event: string, content: unknown) => ann.request({ type: 'call', event, content })
  t.same((await call('double', { n: '2' })).content, { n: 13 }, 'coerced, completed, and only what the schema names')
  t.match(await call('double', { n: 'x' }), { type: 'error', code: 'invalid_content', message: /\/n.*integer/ })
  t.match(await call('double', null), { code: 'invalid_content' })
  t.same((await call('zod', { n: '1' })).content, { ok: true })
  t.match(await call('zod', { n: 'x' }), { code: 'invalid_content', message: /\/n/ })
  t.match(await call('wrong', null), { code: 'internal' })
  t.match(lines.filter(({ level }) => level === 50), [{ err: { message: String } }])
})

await t.test('handlers that throw', async (t) => {
  const { lines, logger } = captureLog()
  const { connect } = await createApp(t, {
    fastify: { logger },
    after (app) {
      app.realtime.handle('refuse', {}, async () => { throw new Refusal('not today', { content: { day: 1 } }) })
      app.realtime.handle('break', {}, () => { throw new Error('hunter2') })
      app.realtime.handle('bigint', {}, () => 1n)
      app.realtime.handle('cycle', {}, () => { const cycle: unknown[] = []; cycle.push(cycle); return cycle })
      app.realtime.handle('large', {}, () => 'x'.repeat(600_000))
      app.realtime.handle('serialized', { schema: { response: Type.String() } }, () => 'x'.repeat(600_000))
      app.realtime.handle('deep', {}, () => { let deep: unknown = 1; for (let i = 0; i < 5_000; i++) deep = [deep]; return deep })
    }
  })
  const ann = await connect('ann')
  t.match(await ann.request({ type: 'call', event: 'refuse', content: null }), { type: 'error', code: 'refused', message: 'not today', content: { day: 1 } })
  const broken = ['break', 'bigint', 'cycle', 'large', 'serialized', 'deep']
  for (const event of broken) {
    const answer = await ann.request({ type: 'call', event, content: null })
    t.match(answer, { code: 'internal', retryable: false }, event)
    t.notMatch(JSON.stringify(answer), /hunter2/)
  }
  t.equal(lines.filter(({ level }) => level === 50).length, broken.length, 'each in the log')
})

await t.test('a serializer of the application is not trusted to make text', async (t) => {
  const { lines, logger } = captureLog()
  let made: unknown
  const { connect } = await createApp(t, {
    fastify: { logger },
    after (app) {
      app.setSerializerCompiler(() => () => JSON.parse(JSON.stringify(made)))
      app.realtime.handle('any', { schema: { response: { type: 'object' } } }, () => ({}))
    }
  })
  const ann = await connect('ann')
  const call = () => ann.request({ type: 'call', event: 'any', content: null })
  made = '{"n":1}'
  t.same((await call()).content, { n: 1 })
  const wrong = [5, null, { n: 1 }, 'x'.repeat(600_000), '['.repeat(5_000)]
  for (made of wrong) t.match(await call(), { type: 'error', code: 'internal' })
  t.equal(lines.filter(({ level }) => level === 50).length, wrong.length, 'each in the log')
})

await t.test('pending calls are bounded, and answered in any order', async (t) => {
  const waiting = new Map<unknown, (value: unknown) => void>()
  const { connect } = await createApp(t, {
    limits: { calls: 3 },
    after: (app) => app.realtime.handle('wait', {}, (_ctx, content) => new Promise((resolve) => { waiting.set(content, resolve) }))
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  const calls = [1, 2, 3].map((n) => ann.request({ type: 'call', event: 'wait', content: n }))
  t.match(await ann.request({ type: 'call', event: 'wait', content: 4 }), { code: 'limit_reached', retryable: true })
  const bobs = bob.request({ type: 'call', event: 'wait', content: 'b' })
  await bob.settled()
  t.same([...waiting.keys()], [1, 2, 3, 'b'], 'the limit is of each connection')
  waiting.get(2)?.('second')
  t.same((await calls[1])?.content, 'second')
  const next = ann.request({ type: 'call', event: 'wait', content: 5 })
  await ann.settled()
  for (const [n, resolve] of waiting) resolve(n)
  t.same((await next).content, 5)
  await Promise.all([...calls, bobs])
})

await t.test('a connection that is gone before the answer harms nobody', async (t) => {
  let go = (_value: unknown): void => {}
  let entered = (): void => {}
  const inside = new Promise<void>((resolve) => { entered = resolve })
  const { connect } = await createApp(t, {
    after: (app) => app.realtime.handle('wait', {}, () => { entered(); return new Promise((resolve) => { go = resolve }) })
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  ann.request({ type: 'call', event: 'wait', content: 1 }).catch(() => {})
  await inside
  await ann.close(1000)
  go('late')
  await bob.settled()
  t.same(bob.frames.map(({ type }) => type), ['welcome', 'error'])
})

await t.test('declarations: what a handler may be, and once', async (t) => {
  const { app } = await createApp(t)
  const handler = () => 1
  app.realtime.handle('a', {}, handler)
  t.throws(() => app.realtime.handle('a', {}, handler), { code: 'RT_ERR_CALL_EXISTS' })
  for (const args of [
    ['error', {}, handler], ['', {}, handler], ['x'.repeat(65), {}, handler], [5, {}, handler], [null], ['b'], ['b', {}], ['b', handler],
    ['b', {}, 'x'], ['b', 5, handler], [{ event: 'b', handler: 5 }], [{ event: '', handler }], [{ event: 'b' }],
    ['b', { schemas: {} }, handler], ['b', { schema: 5 }, handler], ['b', { schema: { body: {} } }, handler], ['b', { schema: { content: 'x' } }, handler]
  ]) {
    t.throws(() => Reflect.apply(app.realtime.handle, app.realtime, args), { code: 'RT_ERR_BAD_ARGUMENT' }, JSON.stringify(args))
  }
})
