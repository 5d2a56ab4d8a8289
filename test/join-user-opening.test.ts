import t from 'tap'
import { Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'

const rooms = { 'desk:{id}': {} }

await t.test('a user may be put into a room by the very hook that lets the connection in', async (t) => {
  const { app, connect } = await createApp(t, {
    rooms,
    after: (app) => app.realtime.addHook('onConnect', async ({ user }) => { await app.realtime.joinUser(user.id, 'desk:1') })
  })
  const ann = await connect('ann')
  t.match(await ann.next('joined'), { roomId: 'desk:1', position: String })
  t.equal(ann.frames[0]?.type, 'welcome', 'nothing comes before the welcome')
  await app.realtime.notifyRoom('desk:1', 'order', 1)
  t.match(await ann.next('message'), { roomId: 'desk:1', content: 1 })
})

await t.test('a connection that is refused gets nothing of the room it was put into', async (t) => {
  let entered = (): void => {}
  const asked = new Promise<void>((resolve) => { entered = resolve })
  let refuse = (): void => {}
  const waiting = new Promise<void>((resolve) => { refuse = resolve })
  const { app, wsUrl, token } = await createApp(t, {
    rooms,
    after: (app) => app.realtime.addHook('onConnect', async () => {
      entered()
      await waiting
      throw new Refusal('not today')
    })
  })
  const ann = await connectTo(t, wsUrl, { token: token('ann') })
  await asked
  await app.realtime.joinUser('ann', 'desk:1')
  await app.realtime.notifyRoom('desk:1', 'secret', 1)
  refuse()
  t.match(await ann.closed, { code: 4403, reason: 'not today' })
  t.same(ann.frames, [])
})

await t.test('a room the server put the user into outlasts a renewal of the credential', async (t) => {
  const { app, url, connect, token } = await createApp(t, { rooms })
  const ann = await connect('ann')
  await app.realtime.joinUser('ann', 'desk:1')
  await ann.next('joined')
  const connectionId = ann.frames[0]?.connectionId
  const renewed = await fetch(`${url}/realtime/renew`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token('ann')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ connectionId })
  })
  t.equal(renewed.status, 200)
  await ann.settled()
  t.same(ann.all('left'), [])
})

await t.test('an older device keeps its place when the new one is refused', async (t) => {
  const { connect, wsUrl, token } = await createApp(t, {
    limits: { connectionsPerUser: 1 },
    after: (app) => {
      let first = true
      app.realtime.addHook('onConnect', () => {
        if (!first) throw new Refusal('one is enough')
        first = false
      })
    }
  })
  const old = await connect('ann')
  const refused = await connectTo(t, wsUrl, { token: token('ann') })
  t.match(await refused.closed, { code: 4403 })
  await old.settled()
  t.equal(old.ws.readyState, old.ws.OPEN)
})

await t.test('unknown frames count toward the budget, and going on closes', async (t) => {
  const { connect } = await createApp(t, { limits: { messages: { max: 20, timeWindow: '1m' } } })
  const ann = await connect('ann')
  for (let i = 0; i < 100; i++) ann.send({ type: 'from the future' })
  t.match(await ann.closed, { code: 4429 })
  t.equal(ann.frames.filter(({ code }) => code === 'bad_request').length, 20)
  t.equal(ann.frames.filter(({ code }) => code === 'rate_limited').length, 21)
})
