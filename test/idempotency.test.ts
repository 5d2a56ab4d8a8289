import t from 'tap'
import { Type } from '@sinclair/typebox'
import { Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { createNode, turns } from './helpers/node.js'

const member = { join: () => true, publish: 'members' as const }

await t.test('a key used twice publishes once', async (t) => {
  let ran = 0
  const { connect } = await createApp(t, { rooms: { 'plain:{id}': member, 'hooked:{id}': { ...member, onMessage: (_ctx, message) => { message.content = ++ran } } } })
  const ann = await connect('ann')
  for (const roomId of ['plain:1', 'hooked:1']) {
    await ann.request({ type: 'join', roomId })
    const first = await ann.request({ type: 'message', roomId, content: { a: 1, b: 2 }, key: 'k' })
    t.notOk('duplicate' in first)
    const again = await ann.request({ type: 'message', roomId, content: { a: 1, b: 2 }, key: 'k' })
    t.same({ ...again, id: 0 }, { ...first, id: 0, duplicate: true }, 'the first result')
    t.match(await ann.request({ type: 'message', roomId, content: { a: 1, b: 3 }, key: 'k' }), { type: 'error', code: 'conflict', key: 'k', roomId, retryable: false })
    t.match(await ann.request({ type: 'message', roomId, event: 'other', content: { a: 1, b: 2 }, key: 'k' }), { code: 'conflict' })
    await ann.settled()
    t.equal(ann.all('message').filter((frame) => frame.roomId === roomId).length, 1)
  }
  t.equal(ran, 1, 'onMessage ran for the first only')
})

await t.test('the digest is over the content as it came, whatever validation and hooks make of it', async (t) => {
  let ran = 0
  const { connect } = await createApp(t, {
    rooms: {
      'chat:{id}': { ...member, events: { message: Type.Object({ n: Type.Integer(), d: Type.Number({ default: 1 }) }) }, onMessage: (_ctx, message) => { message.content = { at: ++ran } } }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: { n: '5' }, key: 'k' }), { type: 'ack' })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: { n: '5' }, key: 'k' }), { type: 'ack', duplicate: true })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: { n: 5 }, key: 'k' }), { code: 'conflict' })
  t.equal(ran, 1)
})

await t.test('two devices that send the same at once', async (t) => {
  let ran = 0
  let waiting: Array<() => void> = []
  const { connect } = await createApp(t, {
    rooms: { 'chat:{id}': { ...member, onMessage: () => { ran++; return new Promise<void>((resolve) => { waiting.push(resolve) }) } } }
  })
  const devices = [await connect('ann'), await connect('ann'), await connect('ann')]
  const bob = await connect('bob')
  for (const client of [...devices, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  const answers = devices.map((client) => client.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' }))
  for (const client of devices) await client.settled()
  t.equal(ran, 1)
  for (const go of waiting.splice(0)) go()
  const acks = await Promise.all(answers)
  t.same(acks.map(({ type }) => type), ['ack', 'ack', 'ack'])
  t.equal(acks.filter(({ duplicate }) => duplicate === true).length, 2)
  t.equal(new Set(acks.map(({ position }) => position)).size, 1)
  t.equal(ran, 1)
  waiting = []
  await bob.settled()
  t.equal(bob.all('message').length, 1)
})

await t.test('keys belong to one user in one room, and the server has its own', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': member } })
  // Names chosen so that user and key run into each other when they are merely joined.
  const users = [['ann', 'x:y'], ['ann:x', 'y'], ['ann:x:y', 'z'], ['bob', 'x:y']] as const
  const watcher = await connect('watcher')
  await watcher.request({ type: 'join', roomId: 'chat:1' })
  for (const [user, key] of users) {
    const client = await connect(user)
    for (const roomId of ['chat:1', 'chat:2']) {
      await client.request({ type: 'join', roomId })
      const ack = await client.request({ type: 'message', roomId, content: 1, key })
      t.match(ack, { type: 'ack' }, `${user} ${key}`)
      t.notOk('duplicate' in ack)
    }
  }
  for (const key of ['x:y', 'u:ann']) {
    const result = await app.realtime.notifyRoom('chat:1', 'message', 1, { key, userId: 'ann' })
    t.notOk('duplicate' in result)
    t.match(await app.realtime.notifyRoom('chat:1', 'message', 1, { key, userId: 'ann' }), { ...result, duplicate: true })
    await t.rejects(app.realtime.notifyRoom('chat:1', 'message', 2, { key }), { code: 'RT_ERR_CONFLICT', statusCode: 409 })
  }
  await watcher.settled()
  t.equal(watcher.all('message').length, users.length + 2)
})

await t.test('what was refused or failed does not use up its key', async (t) => {
  let mode = ''
  const { connect } = await createApp(t, {
    fastify: { logger: false },
    rooms: {
      'chat:{id}': {
        ...member,
        events: { message: Type.Union([Type.Integer(), Type.Boolean()]) },
        publish: () => mode !== 'forbidden',
        onMessage: (_ctx, message) => {
          if (mode === 'refused') throw new Refusal('no')
          if (mode === 'internal') throw new Error('oops')
          if (mode === 'bigint') Object.assign(message, { content: 1n })
        }
      }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const publish = (content: unknown) => ann.request({ type: 'message', roomId: 'chat:1', content, key: 'k' })
  for (const [name, code] of [['forbidden', 'forbidden'], ['refused', 'refused'], ['internal', 'internal'], ['bigint', 'internal']] as const) {
    mode = name
    t.match(await publish(1), { code })
  }
  t.match(await publish('text'), { code: 'invalid_content' })
  mode = ''
  const ack = await publish(2)
  t.match(ack, { type: 'ack' }, 'with other content even')
  t.notOk('duplicate' in ack)
  mode = 'forbidden'
  t.match(await publish(2), { type: 'ack', duplicate: true }, 'what was published stays published')
})

await t.test('volatile rooms know no duplicates', async (t) => {
  const { connect } = await createApp(t, { rooms: { 'chat:{id}': { ...member, history: false } } })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (let i = 0; i < 2; i++) {
    const ack = await ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
    t.match(ack, { type: 'ack', key: 'k' })
    t.notOk('duplicate' in ack || 'position' in ack)
  }
  await ann.settled()
  t.equal(ann.all('message').length, 2)
})

await t.test('a key is remembered as long as welcome says', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': member } })
  const ann = await made.connect('ann')
  const { keyTtl } = ann.all('welcome')[0]?.limits
  t.equal(keyTtl, 600_000)
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  for (let passed = 0; passed < keyTtl - 10_000; passed += 10_000) {
    made.clock.advance(10_000)
    ann.connection.pong()
  }
  made.clock.advance(9_990)
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' }), { duplicate: true })
  made.clock.advance(20)
  t.notOk('duplicate' in await ann.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' }))
})

await t.test('a repetition waits for the first one, also when that fails', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { ...member, onMessage: () => {} } } })
  const [one, two] = [await made.connect('ann'), await made.connect('ann')]
  for (const client of [one, two]) await client.request({ type: 'join', roomId: 'chat:1' })
  const gate = made.bridge.hold('publish')
  const first = one.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  await gate.arrived()
  const second = two.request({ type: 'message', roomId: 'chat:1', content: 1, key: 'k' })
  await turns()
  t.equal(gate.waiting, 1)
  gate.fail(new Error('boom'))
  t.match(await first, { code: 'internal' })
  gate.open()
  const ack = await second
  t.match(ack, { type: 'ack' })
  t.notOk('duplicate' in ack)
})
