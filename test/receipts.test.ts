import t from 'tap'
import type { Bridge } from '../lib/bridge/bridge.js'
import { MAX_RECEIPT_TIMEOUT } from '../lib/core/receipts.js'
import { directHead } from '../lib/protocol/encode.js'
import { createApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { gate } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient } from './helpers/node.js'

/** Longer than any test: whoever waits for it fails. */
const LONG = { receipt: true, timeout: '60s' } as const

const idOf = (client: TestClient): string => client.frames[0]?.connectionId

/** Says that everything which asks for it was handled, as soon as it comes. */
async function handle (client: TestClient, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    const frame = await client.next('direct')
    if (frame.receipt === true) client.send({ type: 'received', positions: [frame.position] })
  }
}

await t.test('resolves with the connections that handled it', async (t) => {
  const { app, connect } = await createApp(t)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await Promise.all([phone.settled(), laptop.settled()])
  const [result] = await Promise.all([app.realtime.sendDirect('ann', 'n', 1, LONG), handle(phone), handle(laptop)])
  t.same(new Set(result.receipts?.received), new Set([idOf(phone), idOf(laptop)]))
  t.same(result.receipts?.missing, [])
  t.equal(phone.all('direct')[0]?.receipt, true)
  t.equal(phone.all('direct')[0]?.position, result.position)
  const plain = await app.realtime.sendDirect('ann', 'n', 2)
  t.notOk('receipts' in plain)
  t.notOk('receipt' in await phone.next('direct'))
})

await t.test('resolves at once when nobody is online', async (t) => {
  const { app, connect } = await createApp(t)
  t.same((await app.realtime.sendDirect('ann', 'n', 1, LONG)).receipts, { received: [], missing: [] })
  const ann = await connect('ann')
  await ann.close()
  t.same((await app.realtime.sendDirect('ann', 'n', 1, LONG)).receipts, { received: [], missing: [] })
  // What is read from the inbox later was not sent to this connection: its answer means nothing.
  const back = await connect('ann')
  const { inbox } = await back.request({ type: 'resume', inbox: 'start', rooms: [] })
  t.same(inbox.messages.map((message: ServerFrame) => message.receipt), [true, true])
  t.match(await back.request({ type: 'received', positions: inbox.messages.map((message: ServerFrame) => message.position) }), { type: 'ack' })
})

await t.test('who has not answered in time is missing', async (t) => {
  const { app, connect } = await createApp(t)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await Promise.all([phone.settled(), laptop.settled()])
  const [{ receipts }] = await Promise.all([app.realtime.sendDirect('ann', 'n', 1, { receipt: true, timeout: '200ms' }), handle(phone)])
  t.same(receipts, { received: [idOf(phone)], missing: [idOf(laptop)] })
})

await t.test('who goes before answering is missing, without waiting', async (t) => {
  const { app, connect } = await createApp(t)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await Promise.all([phone.settled(), laptop.settled()])
  const sent = app.realtime.sendDirect('ann', 'n', 1, LONG)
  await handle(phone)
  await laptop.next('direct')
  laptop.ws.terminate()
  t.same((await sent).receipts, { received: [idOf(phone)], missing: [idOf(laptop)] })
})

await t.test('who comes later is not asked', async (t) => {
  const { app, connect } = await createApp(t)
  const phone = await connect('ann')
  await phone.settled()
  const sent = app.realtime.sendDirect('ann', 'n', 1, LONG)
  const { position } = await phone.next('direct')
  const late = await connect('ann')
  await late.request({ type: 'received', positions: [position] })
  phone.send({ type: 'received', positions: [position] })
  t.same((await sent).receipts, { received: [idOf(phone)], missing: [] })
})

await t.test('positions made up, of others and said twice change nothing', async (t) => {
  const { app, connect } = await createApp(t)
  const ann = await connect('ann')
  const mallory = await connect('mallory')
  await Promise.all([ann.settled(), mallory.settled()])
  const state = { done: false }
  const sent = app.realtime.sendDirect('ann', 'n', 1, LONG).finally(() => { state.done = true })
  const { position } = await ann.next('direct')
  await mallory.request({ type: 'received', positions: [position, `${position} ann`] })
  await ann.request({ type: 'received', positions: ['start', '', 'x'.repeat(5000), '__proto__', `${position}0`] })
  t.match(await ann.request({ type: 'received', positions: [] }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'received', positions: Array.from({ length: 101 }, () => position) }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'received', positions: [7] }), { type: 'error', code: 'bad_frame' })
  t.equal(state.done, false)
  await ann.request({ type: 'received', positions: [position, position] })
  await ann.request({ type: 'received', positions: [position] })
  t.same((await sent).receipts, { received: [idOf(ann)], missing: [] })
})

await t.test('many at once, answered in batches and out of order', async (t) => {
  const { app, connect } = await createApp(t, { inbox: { size: 1000 } })
  const ann = await connect('ann')
  await ann.settled()
  const all = Array.from({ length: 200 }, (_, n) => app.realtime.sendDirect('ann', 'n', n, LONG))
  await ann.next((frame) => frame.content === 199)
  const positions = ann.all('direct').map((frame) => frame.position).reverse()
  ann.send({ type: 'received', positions: positions.slice(0, 100) })
  ann.send({ type: 'received', positions: positions.slice(100) })
  const results = await Promise.all(all)
  t.ok(results.every(({ receipts }) => receipts?.received[0] === idOf(ann) && receipts.missing.length === 0))
})

await t.test('a repetition under the same key has the answers of the first', async (t) => {
  const { app, connect } = await createApp(t)
  const ann = await connect('ann')
  await ann.settled()
  const [first] = await Promise.all([app.realtime.sendDirect('ann', 'n', 1, { ...LONG, key: 'k' }), handle(ann)])
  const again = await app.realtime.sendDirect('ann', 'n', 1, { ...LONG, key: 'k' })
  t.strictSame(again, { ...first, duplicate: true })
})

await t.test('a connection that is refused in the end is missing', async (t) => {
  const connecting = gate()
  const decide = gate()
  const { app, connect } = await createApp(t, {
    after: (app) => app.realtime.addHook('onConnect', async () => {
      connecting.open()
      await decide.opened
      throw new Error('no')
    })
  })
  const connected = connect('ann')
  await connecting.opened
  const sent = app.realtime.sendDirect('ann', 'n', 1, LONG)
  decide.open()
  await t.rejects(connected, { message: /1011/ })
  t.match((await sent).receipts, { received: { length: 0 }, missing: { length: 1 } })
})

// --- on a clock that the test moves ---

let count = 0
async function send (bridge: Bridge, userId = 'ann'): Promise<string> {
  const result = await bridge.publish({
    channel: `u:${userId}`,
    head: directHead({ event: 'n', userId: null, content: String(++count), receipt: true }),
    retention: { size: 100, ttl: 60_000 },
    receipt: true
  })
  if (result.status === 'conflict' || result.position === undefined) throw new Error('not sent')
  const { epoch, offset, chain } = result.position
  return `${epoch}.${offset}.${chain}`
}

const first = (client: FakeClient): Promise<unknown> => client.ask({ type: 'call', event: 'none', content: null })

await t.test('a publisher may ask before the message has arrived', async (t) => {
  const { node, bridge, clock, accept } = await createNode(t)
  const ann = accept('ann')
  await turns()
  await first(ann)
  const position = await send(bridge)
  const ahead = position.replace(/\.1\..*/, '.2.abc')
  t.same(await node.receipts.collect('ann', position.replace(/\.1\..*/, '.1.abc'), 5_000), { received: [], missing: [] }, 'this one is past')
  const asked = node.receipts.collect('ann', ahead, 5_000)
  await turns()
  node.receipts.expect('ann', ahead)
  ann.send({ type: 'received', positions: [ahead] })
  t.same(await asked, { received: [ann.connection.id], missing: [] })

  const never = node.receipts.collect('ann', ahead.replace('.2.', '.3.'), 5_000)
  await turns()
  clock.advance(5_050)
  t.same(await never, { received: [], missing: [] }, 'it never came')

  const gone = node.receipts.collect('ann', ahead.replace('.2.', '.4.'), 5_000)
  await turns()
  ann.drop()
  t.same(await gone, { received: [], missing: [] }, 'nobody is left whom it could come to')
})

await t.test('a connection whose inbox is not open yet is not asked, and not waited for', async (t) => {
  const subscribe = gate()
  const { node, bridge, accept } = await createNode(t, {
    bridge: (bridge) => ({
      ...bridge,
      async subscribe (...args) {
        await subscribe.opened
        return await bridge.subscribe(...args)
      }
    })
  })
  accept('ann')
  await turns()
  const position = await send(bridge)
  t.same(await node.receipts.collect('ann', position, 60_000), { received: [], missing: [] })
  subscribe.open()
  await turns()
})

await t.test('memory is bounded by number and time', async (t) => {
  const { node, bridge, clock, accept } = await createNode(t, { limits: { outbound: 64 * 1024 * 1024 } })
  const ann = accept('ann')
  accept('bob')
  await turns()
  await first(ann)
  const oldest = await send(bridge)
  const asked = node.receipts.collect('ann', oldest, 60_000)
  for (let i = 0; i < 10_500; i++) await send(bridge, i % 2 === 0 ? 'ann' : 'bob')
  t.equal(node.receipts.size, 10_000)
  t.same(await asked, { received: [], missing: [ann.connection.id] }, 'what is given up is missing')
  clock.advance(MAX_RECEIPT_TIMEOUT + 50)
  t.equal(node.receipts.size, 0)

  const back = accept('ann')
  await turns()
  await send(bridge)
  t.equal(node.receipts.size, 1)
  back.drop()
  t.equal(node.receipts.size, 1, 'the publisher may not have asked yet')
  clock.advance(MAX_RECEIPT_TIMEOUT + 50)
  t.equal(node.receipts.size, 0)
})
