import t from 'tap'
import { createNode, turns } from './helpers/node.js'

const ROOM = 'chat:1'

/** What a callback waits for, one entry a call. */
function stalls (): { readonly waiting: Array<() => void>, stall: () => Promise<void> } {
  const waiting: Array<() => void> = []
  return { waiting, stall: () => new Promise((resolve) => { waiting.push(resolve) }) }
}

await t.test('a callback that hangs costs its own message, not those behind it', async (t) => {
  for (const stage of ['hook', 'onMessage', 'publish', 'validator'] as const) {
    const { waiting, stall } = stalls()
    let hang = true
    const at = async (name: string): Promise<void> => { if (hang && name === stage) await stall() }
    const schema = { '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => { await at('validator'); return { value } } } }
    const made = await createNode(t, {
      rooms: {
        'chat:{id}': {
          join: () => true,
          publish: async () => { await at('publish'); return true },
          events: { message: schema },
          onMessage: () => at('onMessage')
        }
      }
    })
    made.node.hooks.onMessage.push({ server: made.server, fn: () => at('hook') })
    const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
    for (const client of [ann, bob]) await client.request({ type: 'join', roomId: ROOM })
    const message = (content: string, key?: string) => ann.request({ type: 'message', roomId: ROOM, content, key })
    const first = message('hangs', 'k')
    await turns()
    hang = false
    const second = message('next')
    await turns()
    made.clock.advance(9_900)
    await turns()
    t.equal(ann.all('error').length + bob.all('message').length, 0, `patience lasts 10 s (${stage})`)
    made.clock.advance(200)
    t.match(await first, { type: 'error', code: 'unavailable', retryable: true, roomId: ROOM, key: 'k' })
    t.match(await second, { type: 'ack' })
    t.match(await bob.next('message'), { content: 'next' })
    t.match(await message('hangs', 'k'), { type: 'ack', duplicate: undefined }, 'not applied: the key is free')
    t.match(await bob.next('message'), { content: 'hangs', key: 'k' })
    for (const comeTo of waiting) comeTo()
    await turns()
    t.equal(bob.all('message').length, 2, 'what comes to later is not published')
    t.equal(ann.all('error').length, 1, 'nor answered again')
  }
})

await t.test('a message that waits for the same key on another device is not held up for ever either', async (t) => {
  const { waiting, stall } = stalls()
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, publish: 'members', onMessage: stall } } })
  const [phone, laptop] = [await made.connect('ann'), await made.connect('ann')]
  for (const client of [phone, laptop]) await client.request({ type: 'join', roomId: ROOM })
  const frame = { type: 'message', roomId: ROOM, content: 1, key: 'k' }
  const first = phone.request(frame)
  await turns()
  const second = laptop.request(frame)
  await turns()
  made.clock.advance(10_100)
  const codes = await Promise.all([first, second])
  t.match(codes, [{ code: 'unavailable' }, { code: 'unavailable' }])
  await turns()
  t.equal(waiting.length, 1, 'nothing is begun for a message that was given up')
  const third = laptop.request(frame)
  await turns()
  waiting[1]?.()
  t.match(await third, { type: 'ack' }, 'the key is free again')
  waiting[0]?.()
  await turns()
  t.equal(phone.all('message').length, 1)
})

await t.test('an onLeave that hangs does not keep the room closed', async (t) => {
  const made = await createNode(t, { rooms: { 'chat:{id}': { join: () => true, onLeave: () => new Promise(() => {}) } } })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: ROOM })
  await ann.request({ type: 'leave', roomId: ROOM })
  const joined = ann.request({ type: 'join', roomId: ROOM })
  await turns()
  t.equal(ann.all('ack').length, 2)
  made.clock.advance(10_100)
  t.match(await joined, { type: 'ack' })
})

await t.test('frames that wait for their turn are bounded in bytes', async (t) => {
  const { waiting, stall } = stalls()
  const made = await createNode(t, {
    limits: { payload: 256 * 1024, outbound: 512 * 1024, messages: { max: 1_000, timeWindow: '10s' } },
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', onMessage: stall } }
  })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: ROOM })
  const content = 'x'.repeat(200 * 1024)
  for (let id = 100; id < 105; id++) ann.send({ type: 'message', id, roomId: ROOM, content })
  await turns()
  t.match(ann.all('error'), [{ id: 103, code: 'limit_reached', retryable: true }, { id: 104, code: 'limit_reached' }], 'one in work, two that wait')
  for (let i = 0; i < 3; i++) {
    waiting[i]?.()
    await turns()
  }
  t.same(ann.all('ack').map(({ id }) => id).slice(-3), [100, 101, 102])
  ann.send({ type: 'message', id: 106, roomId: ROOM, content })
  await turns()
  t.equal(waiting.length, 4, 'the bytes are free again')
})

await t.test('what waits when the connection ends is dropped', async (t) => {
  const { waiting, stall } = stalls()
  let asked = 0
  const made = await createNode(t, {
    rooms: { 'chat:{id}': { join: () => { asked++; return true }, publish: 'members', onMessage: stall }, 'open:{id}': { join: () => true } }
  })
  const ann = await made.connect('ann')
  await ann.request({ type: 'join', roomId: ROOM })
  for (let id = 100; id < 110; id++) ann.send({ type: 'message', id, roomId: ROOM, content: 1 })
  ann.send({ type: 'resume', id: 200, rooms: [{ roomId: ROOM }, { roomId: 'open:1' }] })
  await turns()
  t.equal(ann.connection.lanes.waiting, 10)
  ann.drop()
  t.equal(ann.connection.lanes.waiting, 0)
  t.equal(ann.connection.lanes.waitingBytes, 0)
  await turns()
  made.clock.advance(5_000)
  await turns()
  t.notOk(made.bridge.subscribed.has('r:open:1'), 'a resume that waited for the lane gives back what it had')
  waiting[0]?.()
  await turns()
  t.equal(waiting.length, 1)
  t.equal(asked, 1)
})
