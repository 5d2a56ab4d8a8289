import Fastify from 'fastify'
import t from 'tap'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import { gate } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'

const roomId = 'chat:1'
const messages = { max: 10, timeWindow: '10s' }

await t.test('frames that arrive while onConnect runs wait, in order, and not without end', async (t) => {
  const decide = gate()
  const { app, wsUrl, token } = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
    limits: { messages },
    after: (app) => app.realtime.addHook('onConnect', async () => await decide.opened)
  })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  const answers = [ann.request({ type: 'join', roomId })]
  for (let n = 1; n <= 14; n++) answers.push(ann.request({ type: 'message', roomId, content: n }))
  // The eleventh frame and those behind it are over the limit of messages, which is the bound here too.
  const refused = await Promise.all(answers.slice(10))
  t.same(refused.map((answer) => answer.code), Array.from({ length: 5 }, () => 'rate_limited'))
  t.same(ann.all('ack'), [])
  decide.open()
  const done = await Promise.all(answers.slice(0, 10))
  t.ok(done.every((answer) => answer.type === 'ack'))
  t.equal(ann.frames.findIndex((frame) => frame.type === 'welcome'), 5, 'after the refusals, before everything that waited')
  t.same((await app.realtime.history(roomId)).messages.map((message) => message.content), [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

await t.test('frames that wait for a hook of their room are in order, while other rooms go on', async (t) => {
  const decide = gate()
  const { accept } = await createNode(t, {
    rooms: { 'slow:{id}': { join: () => decide.opened.then(() => true), publish: 'members' }, 'chat:{id}': { join: () => true } }
  })
  const ann = accept('ann')
  await turns()
  ann.send({ type: 'join', id: 1, roomId: 'slow:1' })
  for (let n = 2; n <= 5; n++) ann.send({ type: 'message', id: n, roomId: 'slow:1', content: n })
  t.match(await ann.ask({ type: 'join', roomId }), { type: 'ack' })
  t.equal(ann.all('ack').length, 1)
  decide.open()
  await turns()
  t.same(ann.all('ack').map(({ id }) => id).slice(1), [1, 2, 3, 4, 5])
  t.same(ann.all('message').map(({ content }) => content), [2, 3, 4, 5])
})

await t.test('frames behind a hook that hangs are bounded by number', async (t) => {
  const { clock, accept } = await createNode(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', onMessage: () => new Promise(() => {}) } },
    limits: { messages: { max: 10, timeWindow: '1s' } }
  })
  const ann = accept('ann')
  await turns()
  await ann.ask({ type: 'join', roomId })
  for (let n = 1; n <= 20; n++) {
    ann.send({ type: 'message', id: n, roomId, content: n })
    clock.advance(110)
  }
  await turns()
  const errors = ann.all('error')
  t.same(new Set(errors.map(({ code, retryable }) => `${code} ${retryable}`)), new Set(['limit_reached true']))
  t.equal(errors.length, 9, 'one runs, ten wait')
  t.equal(ann.closed, null)
  ann.drop()
})

await t.test('waiting bytes are bounded too, and what is refused for them does not count', async (t) => {
  const decide = gate()
  const { node, accept } = await createNode(t, {
    limits: { messages: { max: 1000, timeWindow: '10s' }, messagesPerUser: { max: 1000, timeWindow: '10s' }, outbound: 512 * 1024 }
  })
  node.hooks.onConnect.push({ server: Fastify(), fn: () => decide.opened })
  const ann = accept('ann')
  await turns()
  const content = 'x'.repeat(60 * 1024)
  for (let n = 1; n <= 20; n++) ann.send({ type: 'call', id: n, event: 'none', content })
  ann.send({ type: 'call', id: 21, event: 'none', content: null })
  await turns()
  t.same(ann.all('error').map(({ id }) => id), [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
  decide.open()
  await turns()
  t.same(ann.all('error').slice(12).map(({ id }) => id), [1, 2, 3, 4, 5, 6, 7, 8, 21])
})
