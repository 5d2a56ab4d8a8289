import t from 'tap'
import { createApp } from './helpers/app.js'
import type { TestClient } from './helpers/client.js'
import { createNode } from './helpers/node.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }
const limits = { messages: { max: 1000, timeWindow: '10s' }, messagesPerUser: { max: 1000, timeWindow: '10s' } } as const
const MAX = 2 ** 53 - 1

/** Sends it; resolves with the error that comes. */
async function errorFor (client: TestClient, frame: string | object) {
  client.send(frame)
  return await client.next('error')
}

const badFrames: Array<[what: string, frame: string]> = [
  ['not JSON', '{'],
  ['text', 'hello'],
  ['empty', ''],
  ['white space', '  \n'],
  ['null', 'null'],
  ['an array', '[]'],
  ['a number', '1'],
  ['a string', '""'],
  ['true', 'true'],
  ['two values', '{}{}'],
  ['a trailing comma', '{"type":"pong",}'],
  ['NaN', '{"type":"pong","id":NaN}'],
  ['a byte order mark', '\ufeff{"type":"pong"}'],
  ['no type', '{}'],
  ['an inherited type', '{"__proto__":{"type":"pong"}}'],
  ['a type that is a number', '{"type":1}'],
  ['a type that is an object', '{"type":{"toString":"join"}}'],
  ['id -1', '{"type":"join","id":-1,"roomId":"chat:1"}'],
  ['id 0', '{"type":"join","id":0,"roomId":"chat:1"}'],
  ['id 1e999', '{"type":"join","id":1e999,"roomId":"chat:1"}'],
  ['id 1.5', '{"type":"join","id":1.5,"roomId":"chat:1"}'],
  ['id 2^53', '{"type":"join","id":9007199254740992,"roomId":"chat:1"}'],
  ['id as an object', '{"type":"join","id":{"valueOf":1},"roomId":"chat:1"}'],
  ['id as a string', '{"type":"join","id":"1","roomId":"chat:1"}'],
  ['id null', '{"type":"join","id":null,"roomId":"chat:1"}'],
  ['nested arrays', '['.repeat(60_000)],
  ['nested arrays that close', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
  ['nested objects', '{"a":'.repeat(10_000)],
  ['content nested too deep', `{"type":"message","id":3,"roomId":"chat:1","content":${'['.repeat(33)}${']'.repeat(33)}}`],
  ['a room that is a number', '{"type":"join","id":3,"roomId":1}'],
  ['a room that is an object', '{"type":"join","id":3,"roomId":{"length":3}}'],
  ['an event that is an array', '{"type":"message","id":3,"roomId":"chat:1","event":["x"],"content":1}'],
  ['a key that is null', '{"type":"message","id":3,"roomId":"chat:1","key":null,"content":1}'],
  ['a position that is a number', '{"type":"join","id":3,"roomId":"chat:1","since":5}'],
  ['a presence that is a string', '{"type":"join","id":3,"roomId":"chat:1","presence":"yes"}'],
  ['rooms that are an object', '{"type":"resume","id":3,"rooms":{}}'],
  ['a room of a resume that is null', '{"type":"resume","id":3,"rooms":[null]}'],
  ['positions that are no list', '{"type":"received","positions":"x"}']
]

const badRequests: Array<[what: string, frame: string]> = [
  ['an unknown type', '{"type":"unknown","id":3}'],
  ['a type that objects inherit', '{"type":"constructor"}'],
  ['__proto__ as a type', '{"type":"__proto__"}'],
  ['a missing id', '{"type":"join","roomId":"chat:1"}'],
  ['a missing room', '{"type":"join","id":3}'],
  ['missing content', '{"type":"message","id":3,"roomId":"chat:1"}'],
  ['a missing event', '{"type":"call","id":3,"content":1}'],
  ['a missing limit', '{"type":"history","id":3,"roomId":"chat:1"}'],
  ['a limit of 0', '{"type":"history","id":3,"roomId":"chat:1","limit":0}'],
  ['a limit of 101', '{"type":"history","id":3,"roomId":"chat:1","limit":101}'],
  ['a limit of 1e999', '{"type":"history","id":3,"roomId":"chat:1","limit":1e999}'],
  ['before and after', '{"type":"history","id":3,"roomId":"chat:1","limit":1,"before":"a","after":"b"}'],
  ['an empty room', '{"type":"join","id":3,"roomId":""}'],
  ['a room with a control character', '{"type":"join","id":3,"roomId":"chat:\\u0000"}'],
  ['a room with a line break', '{"type":"join","id":3,"roomId":"chat:1\\r\\n"}'],
  ['a room with braces', '{"type":"join","id":3,"roomId":"chat:{id}"}'],
  ['a room with a lone surrogate', '{"type":"join","id":3,"roomId":"chat:\\ud800"}'],
  ['a room of 10,000 characters', `{"type":"join","id":3,"roomId":"${'x'.repeat(10_000)}"}`],
  ['a room of 201 bytes', `{"type":"join","id":3,"roomId":"x${'é'.repeat(100)}"}`],
  ['an event of 65 bytes', `{"type":"message","id":3,"roomId":"chat:1","event":"${'e'.repeat(65)}","content":1}`],
  ['an empty key', '{"type":"message","id":3,"roomId":"chat:1","key":"","content":1}'],
  ['a room named twice', '{"type":"resume","id":3,"rooms":[{"roomId":"chat:1"},{"roomId":"chat:1"}]}'],
  ['a bad room of a resume', '{"type":"resume","id":3,"rooms":[{"roomId":"\\u0001"}]}'],
  ['no positions', '{"type":"received","positions":[]}'],
  ['101 positions', JSON.stringify({ type: 'received', positions: Array.from({ length: 101 }, () => 'x') })]
]

for (const [kind, code, list] of [['bad frames', 'bad_frame', badFrames], ['frames that mean nothing', 'bad_request', badRequests]] as const) {
  await t.test(`${kind} are answered and forgiven, and nobody else notices`, async (t) => {
    const { app, connect } = await createApp(t, { rooms, limits })
    const bob = await connect('bob')
    await bob.request({ type: 'join', roomId: 'chat:1' })
    const clients: TestClient[] = []
    for (const [index, [what, frame]] of list.entries()) {
      // Nine bad frames a minute are forgiven.
      if (index % 9 === 0) {
        const client = await connect('ann')
        await client.request({ type: 'join', roomId: 'chat:1' })
        clients.push(client)
      }
      const client = clients.at(-1)
      if (client === undefined) return
      const error = await errorFor(client, frame)
      t.match(error, { type: 'error', code, message: String, retryable: false }, what)
      t.ok(error.message.length < 200 && !error.message.includes('xxx'), 'the message repeats nothing of the input')
      if (error.id !== undefined) t.equal(error.id, 3)
    }
    await app.realtime.notifyRoom('chat:1', 'still', 'here')
    for (const client of [...clients, bob]) t.match(await client.next('message'), { event: 'still' })
    t.same(bob.frames.map(({ type }) => type), ['welcome', 'ack', 'message'], 'a peer saw nothing of it')
    t.notOk('admin' in {} || 'type' in {}, 'the prototype is as it was')
  })
}

await t.test('names that objects inherit are names like any other', async (t) => {
  const { connect } = await createApp(t, { rooms: { '{any*}': { join: () => true, publish: 'members' as const } } })
  const ann = await connect('ann')
  for (const roomId of ['__proto__', 'constructor', 'toString', 'hasOwnProperty:__proto__']) {
    t.match(await ann.request({ type: 'join', roomId }), { type: 'ack', roomId })
    ann.send(`{"type":"message","roomId":${JSON.stringify(roomId)},"event":"__proto__","key":"__proto__","content":{"__proto__":{"admin":true}}}`)
    const message = await ann.next('message')
    t.equal(JSON.stringify(message.content), '{"__proto__":{"admin":true}}')
    t.match(await ann.request({ type: 'leave', roomId }), { type: 'ack' })
  }
  t.notOk('admin' in {})
})

await t.test('the largest id works, and comes back as it was', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  ann.send({ type: 'join', id: MAX, roomId: 'chat:1' })
  t.equal((await ann.next('ack')).id, MAX)
})

await t.test('own keys and unknown fields mean nothing', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const client of [ann, bob]) {
    client.send('{"type":"join","id":1,"roomId":"chat:1","__proto__":{"presence":true},"constructor":1,"userId":"eve","x":[1]}')
    t.match(await client.next('ack'), { roomId: 'chat:1' })
  }
  ann.send('{"type":"message","roomId":"chat:1","content":1,"userId":"bob","__proto__":{"userId":"bob"},"timestamp":0,"position":"x"}')
  const message = await bob.next('message')
  t.equal(message.userId, 'ann')
  t.ok(message.timestamp > 0)
  t.not(message.position, 'x')
})

await t.test('an id that is pending is answered once, and everything else under it without one', async (t) => {
  let go = (): void => {}
  const { connect } = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => new Promise((resolve) => { go = () => resolve(true) }) } }
  })
  const ann = await connect('ann')
  ann.send({ type: 'join', id: 5, roomId: 'chat:1' })
  for (const frame of [
    '{"type":"join","id":5,"roomId":"chat:2"}', '{"type":"pong","id":5}', '{"type":"unknown","id":5}', '{"type":"join","id":5,"roomId":7}',
    '{"type":"join","id":5}'
  ]) {
    const error = await errorFor(ann, frame)
    t.equal(error.code, 'bad_frame', frame)
    t.notOk('id' in error)
  }
  go()
  t.match(await ann.next('ack'), { id: 5, roomId: 'chat:1' })
  ann.send({ type: 'pong', id: 5 })
  t.match(await ann.next('ack'), { id: 5 }, 'an id that was answered is free')
})

await t.test('ten bad frames in a minute end a connection, nine do not, and unknown types never', async (t) => {
  const { connect } = await createApp(t, { rooms, limits })
  const ann = await connect('ann')
  for (let i = 0; i < 50; i++) ann.send({ type: `newer-${i}` })
  for (let i = 0; i < 9; i++) ann.send('nonsense')
  await ann.settled()
  t.equal(ann.all('error').length, 60)
  ann.ws.send(Buffer.from([1, 2, 3]))
  t.match(await ann.closed, { code: 4400, reason: String })
  t.match(ann.frames.at(-1), { type: 'error', code: 'bad_frame' }, 'the last one is answered too')
})

await t.test('a minute is any minute', async (t) => {
  const made = await createNode(t, { rooms })
  const [slow, even] = [await made.connect('slow'), await made.connect('even')]
  for (let i = 0; i < 9; i++) slow.send('nonsense')
  for (let i = 0; i < 10; i++) {
    even.send('nonsense')
    if (i < 9) t.equal(even.closed, null)
    made.clock.advance(6_500)
    for (const client of [slow, even]) client.connection.pong()
  }
  t.match(even.closed, { code: 4400 }, 'ten that are spread over a minute')
  slow.send('nonsense')
  t.equal(slow.closed, null, 'nine a while ago and one now')
})

await t.test('binary messages are bad frames', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const ann = await connect('ann')
  ann.ws.send(Buffer.from('{"type":"pong","id":1}'))
  t.match(await ann.next('error'), { code: 'bad_frame' })
  await ann.settled()
})

await t.test('what breaks WebSocket itself closes as RFC 6455 says, and only that connection', async (t) => {
  const { connect } = await createApp(t, { rooms })
  const bob = await connect('bob')
  await bob.request({ type: 'join', roomId: 'chat:1' })

  const oversize = await connect('ann')
  oversize.send({ type: 'message', roomId: 'chat:1', content: 'x'.repeat(64 * 1024) })
  t.match(await oversize.closed, { code: 1009 })

  const invalid = await connect('ann')
  const payload = Buffer.from([0x22, 0xff, 0xfe, 0x22])
  invalid.ws.send(payload, { binary: false })
  t.match(await invalid.closed, { code: 1007 })

  await bob.settled()
  t.equal(bob.all('message').length, 0)
})

await t.test('a frame of exactly the largest size is taken', async (t) => {
  const { connect } = await createApp(t, { rooms, limits: { payload: 1024 } })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  const empty = '{"type":"message","roomId":"chat:1","content":""}'
  ann.send(empty.replace('""', `"${'x'.repeat(1024 - empty.length)}"`))
  await ann.next('message')
  ann.send(empty.replace('""', `"${'x'.repeat(1025 - empty.length)}"`))
  t.match(await ann.closed, { code: 1009 })
})
