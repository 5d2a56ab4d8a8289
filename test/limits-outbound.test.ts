import t from 'tap'
import { broadcastHead } from '../lib/protocol/encode.js'
import { createApp } from './helpers/app.js'
import { disconnected } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'

const KIB = 1024
const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, typing: true, history: { size: 10_000 } },
  'live:{id}': { join: () => true, publish: 'members' as const, history: false as const }
}
const roomId = 'chat:1'

await t.test('a client that reads nothing is closed with 4410, and costs nobody else anything', async (t) => {
  const { app, connect } = await createApp(t, { rooms, limits: { outbound: 512 * KIB } })
  const ann = await connect('ann')
  const bob = await connect('bob')
  await ann.request({ type: 'join', roomId })
  const { position } = await bob.request({ type: 'join', roomId })
  const over = disconnected(app, 'bob')
  const state = { over: false }
  void over.then(() => { state.over = true })
  bob.ws.pause()
  const text = 'x'.repeat(32 * KIB)
  let sent = 0
  while (!state.over && sent < 3000) {
    await app.realtime.notifyRoom(roomId, 'n', [++sent, text])
    if (sent % 8 === 0) await ann.next((frame) => frame.type === 'message' && frame.content[0] === sent)
  }
  t.match(await over, { code: 4410, reason: 'too slow' })
  t.equal((await app.realtime.stats()).outboxBytes, 0, 'what waited for it is gone')
  bob.ws.resume()
  t.match(await bob.closed, { code: 4410 })
  const seen = bob.all('message').map((frame) => frame.content[0])
  t.same(seen, seen.map((_, index) => index + 1), 'what it got has no hole')
  t.ok(seen.length < sent)

  await app.realtime.notifyRoom(roomId, 'n', ['last'])
  await ann.next((frame) => frame.type === 'message' && frame.content[0] === 'last')
  t.equal(ann.all('message').length, sent + 1)

  // And it comes back to where it was.
  const back = await connect('bob')
  let since = bob.all('message').at(-1)?.position ?? position
  for (let more = true; more;) {
    const answer = await back.request({ type: 'join', roomId, since })
    t.equal(answer.recovered, true)
    seen.push(...answer.messages.map((message: { content: unknown[] }) => message.content[0]))
    since = answer.position
    more = answer.more === true
  }
  t.same(seen, [...Array.from({ length: sent }, (_, index) => index + 1), 'last'])
})

await t.test('volatile frames go first, and what matters arrives', async (t) => {
  const { bridge, accept } = await createNode(t, { rooms, limits: { outbound: 512 * KIB } })
  const bob = accept('bob')
  await turns()
  await bob.ask({ type: 'join', roomId })
  await bob.ask({ type: 'join', roomId: 'live:1' })
  const publish = (channel: 'r:chat:1' | 'r:live:1', n: number): Promise<unknown> => bridge.publish({
    channel,
    head: JSON.stringify({ type: 'message', roomId: channel.slice(2), event: 'n', userId: null, content: [n, 'x'.repeat(50 * KIB)] }).slice(0, -1),
    retention: channel === 'r:live:1' ? null : { size: 100, ttl: 60_000 }
  })
  bob.full = true
  await publish('r:chat:1', 0)
  await turns()
  for (let n = 1; n <= 6; n++) await publish('r:live:1', n)
  await bridge.typing('r:chat:1', 'ann', true)
  await turns()
  for (let n = 1; n <= 7; n++) await publish('r:chat:1', n)
  await turns()
  t.equal(bob.closed, null)
  bob.full = false
  bob.transport.bufferedAmount = 0
  bob.connection.drained()
  await turns()
  t.same(bob.all('message').map((frame) => [frame.roomId, frame.content[0]]),
    Array.from({ length: 8 }, (_, n) => ['chat:1', n]), 'every logged message, in order')
  t.same(bob.all('typing'), [], 'typing was the first to go')

  bob.full = true
  await publish('r:chat:1', 8)
  await turns()
  for (let n = 9; n <= 20; n++) await publish('r:chat:1', n)
  await turns()
  t.same(bob.closed, { code: 4410, reason: 'too slow' })
})

await t.test('volatile frames alone never close a connection', async (t) => {
  const { bridge, accept } = await createNode(t, { rooms, limits: { outbound: 512 * KIB } })
  const bob = accept('bob')
  await turns()
  await bob.ask({ type: 'call', event: 'none', content: null })
  bob.full = true
  for (let n = 0; n < 100; n++) await bridge.broadcast(broadcastHead('n', JSON.stringify('x'.repeat(50 * KIB))))
  await turns()
  t.equal(bob.closed, null)
  t.ok(bob.connection.outboundBytes <= 512 * KIB)
})
