import t from 'tap'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import { createNode, turns } from './helpers/node.js'
import type { ServerFrame } from './helpers/client.js'

const rooms = { 'chat:{id}': { join: () => true }, 'volatile:{id}': { join: () => true, history: false as const } }

const contents = (answer: ServerFrame): unknown[] => answer.messages.map((message: ServerFrame) => message.content)

async function fill (app: TestApp['app'], from: number, to: number): Promise<string[]> {
  const positions: string[] = []
  for (let n = from; n <= to; n++) positions.push((await app.realtime.notifyRoom('chat:1', 'n', n)).position ?? '')
  return positions
}

await t.test('history is paged from the newest, or from a position in either direction', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const positions = await fill(app, 1, 10)
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const page = (fields: object) => ann.request({ type: 'history', roomId: 'chat:1', limit: 3, ...fields })

  const newest = await page({})
  t.same(contents(newest), [8, 9, 10])
  t.equal(newest.more, true)
  t.match(newest.messages[0], { type: 'message', roomId: 'chat:1', event: 'n', userId: null, position: positions[7], timestamp: Number })
  t.same(contents(await page({ before: positions[7] })), [5, 6, 7])
  const oldest = await page({ before: positions[2] })
  t.same(contents(oldest), [1, 2])
  t.notOk('more' in oldest)
  t.same(contents(await page({ after: positions[2] })), [4, 5, 6])
  t.same(contents(await page({ after: 'start' })), [1, 2, 3])
  const last = await page({ after: positions[6] })
  t.same(contents(last), [8, 9, 10])
  t.notOk('more' in last)
  t.same(contents(await page({ after: positions[9] })), [])
  t.same(contents(await page({ before: positions[0] })), [])
  t.same(contents(await page({ before: 'start' })), [])
  t.same(contents(await page({ limit: 100 })), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.notOk('reason' in newest)
})

await t.test('positions that cannot be continued say why', async (t) => {
  const { app, connect } = await createApp(t, {
    rooms: { ...rooms, 'chat:{id}': { join: () => true, history: { size: 5 } } }
  })
  const ann = await connect('ann')
  const positions = await fill(app, 1, 10)
  const { position: foreign } = await app.realtime.notifyRoom('chat:2', 'n', 1)
  await ann.request({ type: 'join', roomId: 'chat:1' })
  for (const [position, reason] of [[positions[2], 'trimmed'], ['nonsense', 'expired'], ['x'.repeat(5_000), 'expired'], ['', 'expired'], [foreign, 'expired']]) {
    for (const direction of ['before', 'after']) {
      const answer = await ann.request({ type: 'history', roomId: 'chat:1', limit: 5, [direction]: position })
      t.match(answer, { type: 'ack', messages: { length: 0 }, reason }, `${direction} ${position?.slice(0, 20)}`)
    }
  }
  t.same(contents(await ann.request({ type: 'history', roomId: 'chat:1', limit: 100 })), [6, 7, 8, 9, 10])
})

await t.test('only members read, and volatile rooms have nothing to read', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  await fill(app, 1, 2)
  t.match(await ann.request({ type: 'history', roomId: 'chat:1', limit: 5 }), { type: 'error', code: 'not_member' })
  t.match(await ann.request({ type: 'history', roomId: 'nothing', limit: 5 }), { code: 'not_member' })
  await ann.request({ type: 'join', roomId: 'volatile:1' })
  t.match(await ann.request({ type: 'history', roomId: 'volatile:1', limit: 5 }), { code: 'bad_request', roomId: 'volatile:1' })
  await ann.request({ type: 'join', roomId: 'chat:1' })
  await ann.request({ type: 'leave', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'history', roomId: 'chat:1', limit: 5 }), { code: 'not_member' })
})

await t.test('an answer holds as much as fits, and the rest follows page by page', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  const big = 'x'.repeat(60_000)
  for (let n = 0; n < 10; n++) await app.realtime.notifyRoom('chat:1', 'n', [n, big])
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const seen: number[] = []
  let after = 'start'
  for (let pages = 0; ; pages++) {
    const answer = await ann.request({ type: 'history', roomId: 'chat:1', limit: 100, after })
    t.ok(JSON.stringify(answer).length < 512 * 1024)
    for (const message of answer.messages) seen.push(message.content[0])
    if (answer.more !== true) break
    after = answer.messages.at(-1).position
    t.ok(pages < 10)
  }
  t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

await t.test('a join can bring the newest messages along', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { ...rooms, 'short:{id}': { join: () => true, history: { size: 3 } } } })
  await fill(app, 1, 10)
  for (let n = 1; n <= 5; n++) await app.realtime.notifyRoom('short:1', 'n', n)
  const ann = await connect('ann')
  const join = (fields: object) => ann.request({ type: 'join', roomId: 'chat:1', ...fields })
  const plain = await join({})
  t.notOk('messages' in plain || 'recovered' in plain || 'more' in plain)
  const three = await join({ history: 3 })
  t.same(contents(three), [8, 9, 10])
  t.notOk('recovered' in three || 'more' in three, 'no claim about a position that was not given')
  t.equal(three.position, plain.position)
  t.same(contents(await join({ history: 0 })), [])
  t.same(contents(await join({ history: 1e9 })), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.same(contents(await ann.request({ type: 'join', roomId: 'short:1', history: 1e9 })), [3, 4, 5])
  const volatile = await ann.request({ type: 'join', roomId: 'volatile:1', history: 5, since: 'start' })
  t.same(Object.keys(volatile).sort(), ['id', 'roomId', 'type'], 'volatile rooms ignore both')
})

await t.test('the last n are n, also when more arrive meanwhile', async (t) => {
  for (const history of [0, 2]) {
    const made = await createNode(t, { rooms })
    const ann = await made.connect('ann')
    const publish = (n: number) => made.bridge.publish({
      channel: 'r:chat:1', head: `{"type":"message","roomId":"chat:1","event":"n","userId":null,"content":${n}`, retention: { size: 10, ttl: 60_000 }
    })
    for (let n = 1; n <= 3; n++) await publish(n)
    const gate = made.bridge.hold(history === 0 ? 'subscribe' : 'read', 'after')
    const joined = ann.request({ type: 'join', roomId: 'chat:1', history })
    await gate.arrived()
    for (let n = 4; n <= 6; n++) await publish(n)
    gate.open()
    const answer = await joined
    t.same(contents(answer), history === 0 ? [] : [5, 6])
    await publish(7)
    await turns()
    t.ok(answer.position.includes('.6.') || history === 0)
    t.equal(ann.all('message').at(-1)?.content, 7)
  }
})

await t.test('the newest messages that fit', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const big = 'x'.repeat(100_000)
  for (let n = 0; n < 5; n++) await app.realtime.notifyRoom('chat:1', 'n', [n, big])
  const ann = await connect('ann')
  const answer = await ann.request({ type: 'join', roomId: 'chat:1', history: 5 })
  t.same(answer.messages.map((message: ServerFrame) => message.content[0]), [3, 4])
  t.notOk('more' in answer)
})
