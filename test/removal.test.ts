import t from 'tap'
import { createApp } from './helpers/app.js'

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, presence: true },
  'live:{id}': { join: () => true, publish: 'members' as const, history: false as const }
}

for (const roomId of ['chat:1', 'live:1']) {
  await t.test(`removeUser takes every device out of ${roomId}, and nothing follows`, async (t) => {
    const { app, connect } = await createApp(t, { rooms })
    const [one, two, bob] = [await connect('ann'), await connect('ann'), await connect('bob')]
    for (const client of [one, two, bob]) await client.request({ type: 'join', roomId, presence: true })
    await app.realtime.notifyRoom(roomId, 'n', 'before')
    const removed = await app.realtime.removeUser('ann', roomId, 'banned')
    if (roomId === 'chat:1') t.match(removed.position, /\.2\./, 'it takes an offset')
    else t.same(removed, {})
    await app.realtime.notifyRoom(roomId, 'n', 'after')
    for (const client of [one, two]) {
      t.same(await client.next('left'), { type: 'left', roomId, reason: 'removed' })
      await client.settled()
      const mine = client.frames.filter((frame) => frame.roomId === roomId && frame.type !== 'presence')
      t.same(mine.map(({ type, content }) => content ?? type), ['ack', 'before', 'left'])
      t.match(await client.request({ type: 'message', roomId, content: 1 }), { code: 'not_member' })
    }
    await bob.next((frame) => frame.content === 'after')
    t.equal(bob.all('left').length, 0)
    if (roomId === 'chat:1') {
      const presence = bob.all('presence').filter((frame) => frame.userId === 'ann')
      t.match(presence, [{ change: 'left', userId: 'ann' }], 'without the grace window')
    }
    t.match(await one.request({ type: 'join', roomId }), { type: 'ack' }, 'the policy decides about coming back')
    await app.realtime.notifyRoom(roomId, 'n', 'again')
    t.match(await one.next((frame) => frame.content === 'again'), { type: 'message', roomId })
  })
}

await t.test('a removal is no message: it shows in no history, and moves positions on', async (t) => {
  const { app, connect } = await createApp(t, { rooms })
  const bob = await connect('bob')
  const { position } = await bob.request({ type: 'join', roomId: 'chat:1' })
  await app.realtime.notifyRoom('chat:1', 'n', 1)
  const { position: removal } = await app.realtime.removeUser('ann', 'chat:1')
  t.match(await bob.request({ type: 'join', roomId: 'chat:1', since: removal }), { recovered: true, messages: { length: 0 } })
  t.match(await bob.request({ type: 'join', roomId: 'chat:1', since: position }), { recovered: true, messages: [{ content: 1 }], position: removal })
  const last = await app.realtime.notifyRoom('chat:1', 'n', 2)
  const history = await bob.request({ type: 'history', roomId: 'chat:1', limit: 10 })
  t.same(history.messages.map(({ content }: { content: unknown }) => content), [1, 2])
  t.match(await app.realtime.history('chat:1'), { messages: [{ content: 1 }, { content: 2 }], position: last.position })
})

await t.test('a removal while a join is asked for undoes it, one before does not', async (t) => {
  let go: Array<() => void> = []
  const { app, connect } = await createApp(t, {
    rooms: { '{kind}:{id}': { join: () => new Promise((resolve) => go.push(() => resolve(true))), history: { size: 10 } } }
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  for (const others of [false, true]) {
    const roomId = others ? 'chat:2' : 'chat:1'
    if (others) {
      const joined = bob.request({ type: 'join', roomId })
      await bob.settled()
      for (const each of go.splice(0)) each()
      await joined
    }
    await app.realtime.removeUser('ann', roomId)
    const first = ann.request({ type: 'join', roomId })
    await ann.settled()
    await app.realtime.removeUser('ann', roomId)
    for (const each of go.splice(0)) each()
    t.match(await first, { code: 'forbidden', roomId }, others ? 'with others in it' : 'with nobody in it')
    t.equal(ann.all('left').length, 0, 'who never joined does not leave')
    const second = ann.request({ type: 'join', roomId })
    await ann.settled()
    for (const each of go) each()
    go = []
    t.match(await second, { type: 'ack' })
  }
})

await t.test('removing somebody who is not there, or from a room nobody is in', async (t) => {
  const { app } = await createApp(t, { rooms })
  t.match(await app.realtime.removeUser('nobody', 'chat:9'), { position: String })
  t.same(await app.realtime.removeUser('nobody', 'live:9'), {})
  await t.rejects(app.realtime.removeUser('nobody', 'unknown:9'), { code: 'RT_ERR_UNKNOWN_ROOM' })
})
