import t from 'tap'
import { BridgeError, userChannel } from '../lib/bridge/bridge.js'
import type { Bridge } from '../lib/bridge/bridge.js'
import { directHead } from '../lib/protocol/encode.js'
import { createApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { gate, seeded } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'

const contents = (frames: ServerFrame[]): unknown[] => frames.map((frame) => frame.content)
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

await t.test('what came while the user was away is in the answer to resume', async (t) => {
  const { app, connect } = await createApp(t)
  const sent = []
  for (const n of numbers(1, 3)) sent.push(await app.realtime.sendDirect('ann', 'n', n))
  const ann = await connect('ann')
  const { inbox } = await ann.request({ type: 'resume', inbox: 'start', rooms: [] })
  t.match(inbox, { recovered: true, position: sent[2]?.position })
  t.notOk('more' in inbox)
  t.match(inbox.messages, sent.map(({ position, timestamp }, index) =>
    ({ type: 'direct', event: 'n', userId: null, content: index + 1, position, timestamp })))
  await app.realtime.sendDirect('ann', 'n', 4)
  t.equal((await ann.next('direct')).content, 4)
  t.same(contents(ann.all('direct')), [4], 'what was in the answer does not come again')

  const later = await connect('ann')
  const again = await later.request({ type: 'resume', inbox: sent[1]?.position, rooms: [] })
  t.same(contents(again.inbox.messages), [3, 4], 'reading removes nothing, and a position is the device\'s own')
  t.same(again.inbox.recovered, true)
})

await t.test('who does not resume gets what comes after the welcome', async (t) => {
  const { app, connect } = await createApp(t)
  await app.realtime.sendDirect('ann', 'n', 1)
  const ann = await connect('ann')
  const { position } = await app.realtime.sendDirect('ann', 'n', 2)
  t.equal((await ann.next('direct')).content, 2)
  t.same(contents(ann.all('direct')), [2])
  t.equal(ann.all('direct')[0]?.position, position)
  const other = await connect('ann')
  const { inbox } = await other.request({ type: 'resume', rooms: [] })
  t.equal(inbox.position, position)
  t.notOk('recovered' in inbox, 'no position was given')
  t.same(inbox.messages ?? [], [])
})

await t.test('welcome names the inbox, and comes before any direct', async (t) => {
  const { app, connect } = await createApp(t)
  const { position } = await app.realtime.sendDirect('ann', 'n', 0)
  const state = { on: true }
  const sending = (async () => {
    for (let n = 1; state.on; n++) {
      await app.realtime.sendDirect('ann', 'n', n)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  })()
  for (let i = 0; i < 20; i++) {
    const ann = await connect('ann')
    ann.send({ type: 'call', id: 1, event: 'none', content: null })
    await ann.next('direct')
    t.equal(ann.frames[0]?.type, 'welcome')
    t.type(ann.frames[0]?.inbox, 'string')
    if (i === 0) t.not(ann.frames[0]?.inbox, position)
    ann.ws.terminate()
  }
  state.on = false
  await sending
})

await t.test('a message during onConnect waits for the welcome', async (t) => {
  const connecting = gate()
  const release = gate()
  const { app, connect } = await createApp(t, {
    after: (app) => app.realtime.addHook('onConnect', async () => {
      connecting.open()
      await release.opened
    })
  })
  const connected = connect('ann')
  await connecting.opened
  await app.realtime.sendDirect('ann', 'n', 1)
  release.open()
  const ann = await connected
  await ann.settled()
  t.same(ann.frames.map((frame) => frame.type), ['welcome', 'direct', 'error'])
})

await t.test('each device has its own position', async (t) => {
  const { app, connect } = await createApp(t)
  const positions: string[] = []
  for (const n of numbers(1, 6)) positions.push((await app.realtime.sendDirect('ann', 'n', n)).position)
  const [phone, laptop, fresh] = await Promise.all([connect('ann'), connect('ann'), connect('ann')])
  const resumed = (client: TestClient, inbox?: string): Promise<unknown[]> =>
    client.request({ type: 'resume', inbox, rooms: [] }).then((answer) => contents(answer.inbox.messages ?? []))
  t.same(await resumed(phone, positions[1]), [3, 4, 5, 6])
  t.same(await resumed(laptop, positions[5]), [])
  t.same(await resumed(fresh), [])
  await app.realtime.sendDirect('ann', 'n', 7)
  for (const client of [phone, laptop, fresh]) {
    await client.next('direct')
    t.same(contents(client.all('direct')), [7])
  }
})

await t.test('the inbox keeps the newest, and who missed more is told so', async (t) => {
  const { app, connect } = await createApp(t, { inbox: { size: 5 } })
  const { position: old } = await app.realtime.sendDirect('ann', 'n', 0)
  let head = ''
  for (const n of numbers(1, 8)) head = (await app.realtime.sendDirect('ann', 'n', n)).position
  const ann = await connect('ann')
  const { inbox } = await ann.request({ type: 'resume', inbox: old, rooms: [] })
  t.match(inbox, { recovered: false, reason: 'trimmed', position: head })
  t.same(contents(inbox.messages), [4, 5, 6, 7, 8], 'and gets what is kept behind the gap')
  const bob = await connect('ann')
  const kept = await bob.request({ type: 'resume', inbox: 'start', rooms: [] })
  t.same(contents(kept.inbox.messages), [4, 5, 6, 7, 8])
  const carol = await connect('ann')
  const lost = (await carol.request({ type: 'resume', inbox: 'nonsense', rooms: [] })).inbox
  t.match(lost, { recovered: false, reason: 'expired', position: head })
  t.same(contents(lost.messages), [4, 5, 6, 7, 8])
  await app.realtime.sendDirect('ann', 'n', 9)
  for (const client of [ann, bob, carol]) t.equal((await client.next('direct')).content, 9)
})

await t.test('a large inbox is read page by page, and is live after the last one', async (t) => {
  const { app, connect } = await createApp(t, { inbox: { size: 1000 } })
  const large = 'x'.repeat(60 * 1024)
  for (const n of numbers(1, 12)) await app.realtime.sendDirect('ann', 'n', [n, large])
  const ann = await connect('ann')
  const seen: number[] = []
  let since = 'start'
  let pages = 0
  let extra = 12
  for (let more = true; more; pages++) {
    const answer = await ann.request({ type: 'resume', inbox: since, rooms: [] })
    t.equal(answer.inbox.recovered, true)
    seen.push(...answer.inbox.messages.map((message: ServerFrame) => message.content[0]))
    since = answer.inbox.position
    more = answer.inbox.more === true
    if (!more) break
    await app.realtime.sendDirect('ann', 'n', [++extra])
    await ann.settled()
    t.same(ann.all('direct'), [], 'nothing live between the pages')
  }
  t.ok(pages >= 2)
  t.same(seen, numbers(1, extra))
  await app.realtime.sendDirect('ann', 'n', ['live'])
  t.same((await ann.next('direct')).content, ['live'])
})

await t.test('replay and live never mix: a hundred connects under fire, each message once and in order', async (t) => {
  const { app, connect } = await createApp(t, {
    inbox: { size: 10_000 },
    limits: { connectionsPerUser: 10_000 },
    rooms: { 'chat:{id}': { join: async () => true } }
  })
  const random = seeded(7)
  let sent = 0
  const state = { on: true }
  const sending = (async () => {
    while (state.on) {
      await app.realtime.sendDirect('ann', 'n', ++sent)
      if (sent % 3 === 0) await new Promise((resolve) => { setImmediate(resolve) })
    }
  })()
  const seen: number[] = []
  let position = 'start'
  let wrong = 0
  const take = (frame: ServerFrame): void => {
    if (frame.content !== seen.length + 1) wrong++
    seen.push(frame.content)
    position = frame.position
  }
  for (let i = 0; i < 100; i++) {
    const ann = await connect('ann')
    // Pipelined behind the resume, as a client does that has more to say.
    const answer = ann.request({ type: 'resume', inbox: position, rooms: random() < 0.5 ? [{ roomId: 'chat:1' }] : [] })
    if (random() < 0.7) ann.send({ type: 'join', id: 1_000, roomId: 'chat:2' })
    if (random() < 0.3) ann.send({ type: 'pong' })
    let inbox = (await answer).inbox
    for (const message of inbox.messages) take(message)
    position = inbox.position
    while (inbox.more === true) {
      inbox = (await ann.request({ type: 'resume', inbox: position, rooms: [] })).inbox
      for (const message of inbox.messages) take(message)
      position = inbox.position
    }
    const wanted = Math.floor(random() * 20)
    for (let n = 0; n < wanted; n++) take(await ann.next('direct'))
    ann.ws.terminate()
    await ann.closed
  }
  state.on = false
  await sending
  const last = await connect('ann')
  const { inbox } = await last.request({ type: 'resume', inbox: position, rooms: [] })
  for (const message of inbox.messages) take(message)
  t.equal(wrong, 0)
  t.same(seen.length, inbox.more === true ? seen.length : sent)
})

// --- on a clock that the test moves ---

let keys = 0
const direct = (bridge: Bridge, content: unknown, size = 10_000): Promise<unknown> => bridge.publish({
  channel: 'u:ann',
  head: directHead({ event: 'n', userId: null, content: JSON.stringify(content) }),
  retention: { size, ttl: 3_600_000 },
  key: { id: `s:${++keys}`, digest: '', ttl: 1000 }
})

await t.test('delivery is held for the first frame, pong aside, or for a second', async (t) => {
  const { clock, bridge, accept } = await createNode(t)
  const ann = accept('ann')
  await turns()
  await direct(bridge, 1)
  ann.send({ type: 'pong' })
  await turns()
  t.same(ann.frames.map((frame) => frame.type), ['welcome'])
  await ann.ask({ type: 'call', event: 'none', content: null })
  t.same(ann.frames.map((frame) => frame.type), ['welcome', 'direct', 'error'])

  const silent = accept('ann')
  await turns()
  await direct(bridge, 2)
  clock.advance(950)
  await turns()
  t.same(silent.all('direct'), [])
  clock.advance(100)
  await turns()
  t.same(contents(silent.all('direct')), [2])
  await direct(bridge, 3)
  await turns()
  t.same(contents(silent.all('direct')), [2, 3])
  t.same(contents(ann.all('direct')), [1, 2, 3])
})

await t.test('frames behind a resume do not end its hold', async (t) => {
  const { bridge, accept, clock } = await createNode(t)
  await direct(bridge, 1)
  const ann = accept('ann')
  await turns()
  const held = bridge.hold('read')
  ann.send({ type: 'resume', id: 1, inbox: 'start', rooms: [] })
  ann.send({ type: 'call', id: 2, event: 'none', content: null })
  ann.send({ type: 'resume', id: 3, rooms: [] })
  await direct(bridge, 2)
  await turns()
  clock.advance(5_000)
  await turns()
  t.same(ann.all('direct'), [])
  t.match(ann.all('error'), [{ id: 2 }, { id: 3, code: 'limit_reached' }])
  held.open()
  await direct(bridge, 3)
  await turns()
  const [answer] = ann.all('ack')
  t.same([...contents(answer?.inbox.messages), ...contents(ann.all('direct'))], [1, 2, 3])
  await direct(bridge, 4)
  await turns()
  t.equal(ann.all('direct').at(-1)?.content, 4)
})

await t.test('a resume without a position begins at the welcome, with one it begins there', async (t) => {
  const { bridge, accept } = await createNode(t)
  await direct(bridge, 1)
  const ann = accept('ann')
  await turns()
  await direct(bridge, 2)
  const answer = await ann.ask({ type: 'resume', rooms: [] })
  t.same(contents(answer?.inbox.messages), [2])
  t.notOk('recovered' in answer?.inbox)
  await direct(bridge, 3)
  await turns()
  t.same(contents(ann.all('direct')), [3])
  const again = await ann.ask({ type: 'resume', rooms: [] })
  t.same(again?.inbox.messages ?? [], [], 'later without a position: nothing to answer but where it is')
  t.equal(again?.inbox.position, ann.all('direct')[0]?.position)
})

for (const named of [true, false]) {
  await t.test(`a resume ${named ? 'with' : 'without'} a position takes over from what is still being sent`, async (t) => {
    const { bridge, accept } = await createNode(t)
    const large = 'x'.repeat(30_000)
    const ann = accept('ann')
    await turns()
    for (const n of numbers(1, 50)) await direct(bridge, [n, large])
    const held = bridge.hold('read')
    // Too much to have been kept at hand: this reads.
    ann.send({ type: 'call', id: 1, event: 'none', content: null })
    await turns()
    ann.send({ type: 'resume', id: 2, ...(named ? { inbox: ann.all('welcome')[0]?.inbox } : {}), rooms: [] })
    await turns()
    held.open()
    await turns(20)
    let answer = ann.all('ack')[0]
    const seen = [...ann.all('direct'), ...answer?.inbox.messages].map((frame) => frame.content[0])
    while (answer?.inbox.more === true) {
      answer = await ann.ask({ type: 'resume', ...(named ? { inbox: answer.inbox.position } : {}), rooms: [] })
      seen.push(...answer?.inbox.messages.map((frame: ServerFrame) => frame.content[0]))
    }
    t.same(seen, numbers(1, 50))
    await direct(bridge, ['live'])
    await turns()
    t.same(ann.all('direct').at(-1)?.content, ['live'])
  })
}

await t.test('a hold that outlasts the log ends with a reset', async (t) => {
  const { bridge, accept, clock } = await createNode(t)
  const ann = accept('ann')
  await turns()
  for (const n of numbers(1, 600)) await direct(bridge, n, 100)
  clock.advance(1_050)
  await turns()
  t.match(ann.frames.map((frame) => frame.type), ['welcome', 'reset'])
  t.match(ann.frames[1], { inbox: true, reason: 'trimmed', position: String })
  await direct(bridge, 601)
  await turns()
  t.same(contents(ann.all('direct')), [601])
})

await t.test('many pages of a hold are sent one after the other', async (t) => {
  const { bridge, accept, clock } = await createNode(t, { limits: { outbound: 64 * 1024 * 1024 } })
  const ann = accept('ann')
  await turns()
  const large = 'x'.repeat(20_000)
  for (const n of numbers(1, 200)) await direct(bridge, [n, large])
  clock.advance(1_050)
  await direct(bridge, [201])
  await turns(50)
  await direct(bridge, [202])
  await turns()
  t.same(ann.all('direct').map((frame) => frame.content[0]), numbers(1, 202))
})

await t.test('an inbox that cannot be read is said to be so, and goes on', async (t) => {
  const { bridge, accept } = await createNode(t)
  await direct(bridge, 1)
  const ann = accept('ann')
  await turns()
  bridge.read = async () => { throw new BridgeError('unavailable', 'down') }
  const answer = await ann.ask({ type: 'resume', inbox: 'start', rooms: [] })
  t.match(answer, { type: 'ack', inbox: { error: { code: 'unavailable', retryable: true } }, rooms: { length: 0 } })
  t.match(ann.all('reset'), [{ inbox: true, position: String }])
  await direct(bridge, 2)
  await turns()
  t.same(contents(ann.all('direct')), [2])
})

await t.test('a gap that the bridge reports reaches the devices as a reset', async (t) => {
  const { bridge, accept } = await createNode(t)
  const ann = accept('ann')
  await turns()
  await ann.ask({ type: 'call', event: 'none', content: null })
  const position = { epoch: 'new', offset: 7, chain: 'abc' }
  bridge.inject(userChannel('ann'), { type: 'reset', reason: 'diverged', position })
  await turns()
  t.match(ann.all('reset'), [{ inbox: true, reason: 'diverged', position: 'new.7.abc' }])
  await direct(bridge, 1)
  await turns()
  t.same(contents(ann.all('direct')), [1])
})

await t.test('nothing is left behind, whenever the connection goes', async (t) => {
  const { bridge, accept, clock, node } = await createNode(t)
  await direct(bridge, 1)
  const early = accept('ann')
  early.drop()
  const held = accept('ann')
  await turns()
  held.drop()
  const resuming = accept('ann')
  await turns()
  let reading = bridge.hold('read')
  resuming.send({ type: 'resume', id: 1, inbox: 'start', rooms: [] })
  await turns()
  resuming.drop()
  reading.open()
  const paging = accept('ann')
  await turns()
  for (const n of numbers(1, 600)) await direct(bridge, n)
  reading = bridge.hold('read')
  clock.advance(1_050)
  await turns()
  paging.drop()
  reading.open()
  await turns()
  t.equal(node.connections.size, 0)
  clock.advance(3_000)
  await turns()
  // Nobody follows the channel any more: nothing would reach this node.
  const { replies } = await bridge.ask({ type: 'receipts', userId: 'ann', position: 'x', timeout: 10 }, 100)
  t.match(replies, [{ value: { received: { length: 0 }, missing: { length: 0 } } }])
  const back = accept('ann')
  await turns()
  await back.ask({ type: 'call', event: 'none', content: null })
  await direct(bridge, 'back')
  await turns()
  t.same(contents(back.all('direct')), ['back'])
})
