import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import { z } from 'zod'
import { defineRooms, Refusal } from '../lib/index.js'
import type { RoomMap } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { captureLog } from './helpers/log.js'

const limits = { messages: { max: 10_000, timeWindow: '10s' }, messagesPerUser: { max: 10_000, timeWindow: '10s' } } as const
const member = { join: () => true, publish: 'members' as const }

await t.test('a message reaches every member, the sender included, with the identity the server knows', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': member } })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  const ack = await ann.request({
    type: 'message', roomId: 'chat:1', content: { text: 'hi' }, key: 'k1', userId: 'bob', timestamp: 1, position: 'x', sender: 'bob'
  })
  t.match(ack, { type: 'ack', roomId: 'chat:1', position: String, timestamp: Number, key: 'k1' })
  t.notOk('duplicate' in ack)
  for (const client of [ann, bob]) {
    const { timestamp, position } = ack
    t.same(await client.next('message'), {
      type: 'message', roomId: 'chat:1', event: 'message', userId: 'ann', content: { text: 'hi' }, key: 'k1', timestamp, position
    })
  }
})

await t.test('without an id there is no ack, and errors come all the same', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': member } })
  const ann = await connect('ann')
  ann.send({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  t.same(await ann.next('error'), { type: 'error', code: 'not_member', message: String(ann.all('error')[0]?.message), retryable: false, roomId: 'chat:1', key: 'k' })
  await ann.request({ type: 'join', roomId: 'chat:1' })
  ann.send({ type: 'message', roomId: 'chat:1', content: 1 })
  await ann.next('message')
  await ann.settled()
  t.equal(ann.all('ack').length, 1, 'that of the join')
})

await t.test('any JSON value is content, and its own odd keys stay data', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': member } })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (const content of ['null', '0', '""', '[]', '{"__proto__":{"admin":true},"constructor":1}', '"$&$1\\u2028"', '[[{"a":[1e300,-0.5]}]]']) {
    ann.send(`{"type":"message","roomId":"chat:1","content":${content}}`)
    const frame = await ann.next('message')
    t.equal(JSON.stringify(frame.content), JSON.stringify(JSON.parse(content)))
  }
  t.notOk('admin' in {})
})

await t.test('who may publish', async (t) => {
  const calls: unknown[] = []
  const { app, connect } = await createApp(t, {
    rooms: {
      'members:{id}': member,
      'default:{id}': { join: () => true },
      'server:{id}': { join: () => true, publish: 'server' },
      'asked:{id}': {
        join: () => true,
        publish: async (ctx, message) => {
          calls.push([ctx.user.id, ctx.params, message.event, message.content, message.userId])
          return message.content === 'yes' ? true : JSON.parse('1')
        }
      },
      'throws:{id}': { join: () => true, publish: () => { throw new Refusal('closed', { content: { until: 5 } }) } },
      'breaks:{id}': { join: () => true, publish: () => { throw new Error('secret') } },
      '{any*}': member
    }
  })
  const ann = await connect('ann')
  for (const room of ['members:1', 'default:1', 'server:1', 'asked:1', 'throws:1', 'breaks:1', 'user:ann']) {
    t.equal((await ann.request({ type: 'join', roomId: room })).type, 'ack', room)
  }
  const code = async (roomId: string, content: unknown = 1): Promise<string> => {
    const { type, code: answered } = await ann.request({ type: 'message', roomId, content })
    return answered ?? type
  }
  t.equal(await code('members:1'), 'ack')
  t.equal(await code('members:2'), 'not_member')
  t.equal(await code('nothing'), 'not_member')
  t.equal(await code('default:1'), 'forbidden', 'only the server, by default')
  t.equal(await code('server:1'), 'forbidden')
  t.equal(await code('user:ann'), 'forbidden', 'a user room never takes messages of clients, whatever pattern matches it')
  t.equal(await code('asked:1', 'yes'), 'ack')
  t.equal(await code('asked:1', 'no'), 'forbidden', 'only true is a yes')
  t.same(calls, [['ann', { id: '1' }, 'message', 'yes', 'ann'], ['ann', { id: '1' }, 'message', 'no', 'ann']])
  t.match(await ann.request({ type: 'message', roomId: 'throws:1', content: 1 }), { code: 'refused', message: 'closed', content: { until: 5 } })
  t.equal(await code('breaks:1'), 'internal')
  await app.realtime.notifyRoom('server:1', 'x', 1)
  await app.realtime.broadcastUserUpdate('ann', { n: 1 })
  t.match(await ann.next((frame) => frame.type === 'message' && frame.roomId === 'user:ann'), { event: 'user-update', userId: null, content: { n: 1 } })
})

await t.test('content is held to the schema of its event', async (t) => {
  const received: unknown[] = []
  const rooms = defineRooms({
    'chat:{id}': {
      ...member,
      events: {
        message: Type.Object({ text: Type.String({ maxLength: 5 }), n: Type.Integer({ default: 7 }) }, { additionalProperties: false }),
        zod: z.object({ at: z.coerce.number(), tag: z.string().default('none') }),
        json: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] }
      },
      publish: (ctx, message) => { received.push(message.content); return true }
    }
  })
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const publish = (event: string, content: unknown) => ann.request({ type: 'message', roomId: 'chat:1', event, content, key: 'k' + Math.random() })

  t.match(await publish('message', { text: 'hello', extra: 1 }), { type: 'ack' })
  t.same((await ann.next('message')).content, { text: 'hello', n: 7 }, 'defaults and what is not declared')
  t.match(await publish('message', { text: 'hi', n: '12' }), { type: 'ack' })
  t.same((await ann.next('message')).content, { text: 'hi', n: 12 }, 'coercion, as in routes')
  t.match(await publish('zod', { at: '5' }), { type: 'ack' })
  t.same((await ann.next('message')).content, { at: 5, tag: 'none' })
  t.same(received, [{ text: 'hello', n: 7 }, { text: 'hi', n: 12 }, { at: 5, tag: 'none' }], 'publish decides about content that was checked')

  const refused = await publish('message', { text: 'much too long' })
  t.match(refused, { type: 'error', code: 'invalid_content', roomId: 'chat:1', key: String, retryable: false })
  t.match(refused.message, /\/text.*5/)
  t.match(await publish('message', null), { code: 'invalid_content' })
  t.match(await publish('message', []), { code: 'invalid_content' })
  t.match((await publish('zod', { at: 'x' })).message, /\/at/)
  t.match((await publish('json', {})).message, /ok.*required|required.*ok/)
  t.equal(received.length, 3, 'and about no other')
  t.match(await publish('unknown', {}), { code: 'unknown_event' })
  t.match(await publish('__proto__', {}), { code: 'unknown_event' })
  t.match(await publish('constructor', {}), { code: 'unknown_event' })
  await ann.settled()
  t.equal(ann.all('message').length, 3)
})

await t.test('events that client libraries use themselves are not published', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': member } })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (const event of ['presence', 'typing', 'reset', 'left', 'error']) {
    t.match(await ann.request({ type: 'message', roomId: 'chat:1', event, content: 1 }), { code: 'unknown_event' }, event)
  }
})

await t.test('onMessage comes before delivery and ack, and may replace the content', async (t) => {
  const log: string[] = []
  let go = (): void => {}
  const { connect } = await createApp(t, {
    rooms: {
      'chat:{id}': {
        ...member,
        async onMessage (ctx, message) {
          log.push(`${ctx.roomId} ${ctx.pattern} ${ctx.params.id} ${ctx.user.id} ${message.event} ${message.key}`)
          await new Promise<void>((resolve) => { go = resolve })
          message.content = { changed: message.content }
          return 'ignored'
        }
      }
    }
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  const ack = ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  await ann.settled()
  await bob.settled()
  t.equal(ann.all('ack').length, 1)
  t.equal(bob.all('message').length, 0)
  t.same(log, ['chat:1 chat:{id} 1 ann message k'])
  go()
  t.match(await ack, { type: 'ack' })
  t.same((await bob.next('message')).content, { changed: 1 })
  t.match((await ann.request({ type: 'history', roomId: 'chat:1', limit: 1 })).messages, [{ content: { changed: 1 } }])
})

await t.test('only the content of a message can be changed', async (t) => {
  const failures: string[] = []
  const { connect } = await createApp(t, {
    rooms: {
      'chat:{id}': {
        ...member,
        onMessage (_ctx, message) {
          for (const name of ['userId', 'event', 'key', 'added']) {
            try {
              Object.assign(message, { [name]: 'forged' })
            } catch {
              failures.push(name)
            }
          }
        }
      }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  ann.send({ type: 'message', roomId: 'chat:1', content: 1 })
  t.match(await ann.next('message'), { userId: 'ann', event: 'message', content: 1 })
  t.same(failures.slice(0, 2), ['userId', 'event'])
})

await t.test('a throwing onMessage: refusals in their own words, everything else internal and in the log only', async (t) => {
  const { lines, logger } = captureLog()
  const thrown: Record<string, unknown> = {
    refusal: new Refusal('You are muted', { content: { minutes: 5 } }),
    plain: new Refusal('no'),
    circular: new Refusal('odd', { content: 1n }),
    error: new Error('password=hunter2'),
    string: 'password=hunter2',
    nothing: undefined
  }
  const { connect } = await createApp(t, {
    fastify: { logger },
    rooms: { 'chat:{id}': { ...member, onMessage: async (_ctx, { content }) => { throw thrown[String(content)] } } }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const publish = (content: string) => ann.request({ type: 'message', roomId: 'chat:1', content, key: 'k' })
  t.match(await publish('refusal'), { code: 'refused', message: 'You are muted', content: { minutes: 5 }, retryable: false, roomId: 'chat:1', key: 'k' })
  const plain = await publish('plain')
  t.match(plain, { code: 'refused', message: 'no' })
  t.notOk('content' in plain)
  t.equal(lines.filter(({ level }) => level === 50).length, 0, 'a refusal is no error')
  t.match(await publish('circular'), { code: 'refused', message: 'odd' })
  for (const content of ['error', 'string', 'nothing']) {
    const answer = await publish(content)
    t.match(answer, { code: 'internal' }, content)
    t.notMatch(JSON.stringify(answer), /hunter2/)
  }
  const errors = lines.filter(({ level }) => level === 50)
  t.equal(errors.length, 4)
  t.match(errors[1], { err: { message: 'password=hunter2' }, connectionId: String })
  await ann.settled()
  t.equal(ann.all('message').length, 0)
})

await t.test('content that onMessage makes must be JSON', async (t) => {
  const { connect } = await createApp(t, {
    fastify: { logger: false },
    rooms: {
      'chat:{id}': {
        ...member,
        onMessage (_ctx, message) {
          const cycle: unknown[] = []
          cycle.push(cycle)
          let deep: unknown = 1
          for (let i = 0; i < 10_000; i++) deep = [deep]
          const made: Record<string, unknown> = { bigint: 1n, cycle, deep, large: 'x'.repeat(300_000), nothing: undefined }
          message.content = made[String(message.content)]
        }
      }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (const content of ['bigint', 'cycle', 'deep', 'large']) {
    t.match(await ann.request({ type: 'message', roomId: 'chat:1', content }), { code: 'internal' }, content)
  }
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 'nothing' }), { type: 'ack' })
  t.equal((await ann.next('message')).content, null)
  t.equal(ann.all('message').length, 1)
})

await t.test("the app's hooks come before the room's own, and hooks without a room's own work too", async (t) => {
  const log: string[] = []
  const { connect } = await createApp(t, {
    rooms: { 'chat:{id}': { ...member, onMessage: () => { log.push('room') } }, 'plain:{id}': member },
    after (app) {
      app.realtime.addHook('onMessage', async (_ctx, message) => { await Promise.resolve(); log.push('first'); message.content = [message.content] })
      app.realtime.addHook('onMessage', (ctx, message) => {
        log.push('second')
        if (ctx.roomId === 'plain:1') throw new Refusal('hook says no')
        message.content = [message.content]
      })
    }
  })
  const ann = await connect('ann')
  for (const roomId of ['chat:1', 'plain:1']) await ann.request({ type: 'join', roomId })
  await ann.request({ type: 'message', roomId: 'chat:1', content: 1 })
  t.same((await ann.next('message')).content, [[1]])
  t.same(log, ['first', 'second', 'room'])
  t.match(await ann.request({ type: 'message', roomId: 'plain:1', content: 1 }), { code: 'refused', message: 'hook says no' })
})

await t.test('messages of one connection keep their order, however long each hook takes', async (t) => {
  const { connect } = await createApp(t, {
    limits,
    rooms: {
      'chat:{id}': {
        ...member,
        events: { message: Type.Integer() },
        publish: async () => { if (Math.random() < 0.3) await delay(Math.random() * 3); return true },
        onMessage: async (_ctx, { content }) => {
          if (Math.random() < 0.3) await delay(Math.random() * 3)
          if (Number(content) % 10 === 3) throw new Refusal('three')
        }
      }
    }
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  const answers = Array.from({ length: 80 }, (_, n) => ann.request({
    type: 'message', roomId: 'chat:1', content: n % 10 === 7 ? 'wrong' : n, ...(n % 2 === 0 ? { key: `k${n}` } : {})
  }))
  const codes = (await Promise.all(answers)).map(({ type, code }) => code ?? type)
  t.same(codes, Array.from({ length: 80 }, (_, n) => n % 10 === 3 ? 'refused' : n % 10 === 7 ? 'invalid_content' : 'ack'))
  const expected = Array.from({ length: 80 }, (_, n) => n).filter((n) => n % 10 !== 3 && n % 10 !== 7)
  await bob.next((frame) => frame.content === 79)
  t.same(bob.all('message').map(({ content }) => content), expected)
})

await t.test('join, messages and leave may be pipelined', async (t) => {
  const { connect } = await createApp(t, {
    rooms: { 'chat:{id}': { ...member, join: async () => { await delay(5); return true }, onJoin: () => delay(5), onMessage: () => delay(2) } }
  })
  const ann = await connect('ann')
  const answers = [
    ann.request({ type: 'message', roomId: 'chat:1', content: 0 }),
    ann.request({ type: 'join', roomId: 'chat:1' }),
    ann.request({ type: 'message', roomId: 'chat:1', content: 1 }),
    ann.request({ type: 'join', roomId: 'chat:1' }),
    ann.request({ type: 'leave', roomId: 'chat:1' }),
    ann.request({ type: 'message', roomId: 'chat:1', content: 2 }),
    ann.request({ type: 'leave', roomId: 'chat:1' }),
    ann.request({ type: 'join', roomId: 'chat:1' }),
    ann.request({ type: 'message', roomId: 'chat:1', content: 3 })
  ]
  const codes = (await Promise.all(answers)).map(({ type, code }) => code ?? type)
  t.same(codes, ['not_member', 'ack', 'ack', 'ack', 'ack', 'not_member', 'not_member', 'ack', 'ack'])
  await ann.settled()
  t.same(ann.all('message').map(({ content }) => content), [1, 3])
})

await t.test('a hook that hangs holds up its room only', async (t) => {
  let go = (): void => {}
  const { connect } = await createApp(t, {
    rooms: { 'slow:{id}': { ...member, onMessage: () => new Promise<void>((resolve) => { go = resolve }) }, 'fast:{id}': member }
  })
  const ann = await connect('ann')
  for (const roomId of ['slow:1', 'fast:1']) await ann.request({ type: 'join', roomId })
  const slow = ann.request({ type: 'message', roomId: 'slow:1', content: 1 })
  t.match(await ann.request({ type: 'message', roomId: 'fast:1', content: 1 }), { type: 'ack' })
  t.equal(ann.all('ack').length, 3)
  go()
  t.match(await slow, { type: 'ack' })
})

await t.test('who leaves or goes while the hook runs has not published', async (t) => {
  const rooms: RoomMap = { 'chat:{id}': { ...member, onMessage: () => entered() } }
  let entered: () => Promise<void> = async () => {}
  const { app, connect } = await createApp(t, { rooms })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  for (const end of ['removed', 'gone'] as const) {
    let go = (): void => {}
    const inside = new Promise<void>((resolve) => {
      entered = () => { resolve(); return new Promise((_resolve) => { go = _resolve }) }
    })
    const answer = ann.request({ type: 'message', roomId: 'chat:1', content: end })
    answer.catch(() => {})
    await inside
    if (end === 'removed') await app.realtime.removeUser('ann', 'chat:1')
    else await ann.close(1000)
    go()
    if (end === 'removed') {
      t.match(await answer, { code: 'not_member' })
      await ann.request({ type: 'join', roomId: 'chat:1' })
    }
  }
  await app.realtime.notifyRoom('chat:1', 'end', 1)
  await bob.next((frame) => frame.event === 'end')
  t.equal(bob.all('message').length, 1)
})
