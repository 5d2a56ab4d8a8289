import t from 'tap'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import { disconnected } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient } from './helpers/node.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The end of a whole second: the time till then is less by up to one. */
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

await t.test('a credential that ends is announced, then the connection is closed with 4401', async (t) => {
  const { app, connect, token } = await createApp(t)
  const exp = inSeconds(3)
  const gone = disconnected(app, 'ann')
  const ann = await connect('ann', { token: token('ann', { exp }) })
  t.equal(ann.frames[0]?.expiresAt, exp * 1000)
  t.strictSame(await ann.next('expiring'), { type: 'expiring', expiresAt: exp * 1000 })
  t.ok(Date.now() < exp * 1000)
  t.same(await ann.closed, { code: 4401, reason: 'credentials expired' })
  t.ok(Date.now() >= exp * 1000)
  t.match(await gone, { code: 4401 })
})

await t.test('a credential of sixty days does not end at once', async (t) => {
  const { connect, token } = await createApp(t)
  const exp = inSeconds(60 * DAY / SECOND)
  const ann = await connect('ann', { token: token('ann', { exp }) })
  // One that ends soon shows that time passes.
  const bob = await connect('bob', { token: token('bob', { exp: inSeconds(2) }) })
  t.match(await bob.closed, { code: 4401 })
  await ann.settled()
  t.same(ann.frames.map((frame) => frame.type), ['welcome', 'error'])
  t.equal(ann.frames[0]?.expiresAt, exp * 1000)
})

await t.test('a credential without an end never ends', async (t) => {
  const { wsUrl } = await createApp(t, { auth: { authenticate: () => ({ user: { id: 'ann' } }) } })
  const ann = await connectTo(t, wsUrl)
  await ann.next('welcome')
  t.notOk('expiresAt' in (ann.frames[0] ?? {}))
  await ann.settled()
})

await t.test('renewing moves the end, and asks the policies again', async (t) => {
  const { connect, token, url } = await createApp(t, {
    auth: { secret: 'a secret of at least thirty-two bytes', user: (payload) => ({ id: String(payload.sub), admin: payload.admin === true }) },
    rooms: {
      'admin:{id}': { join: ({ user }) => 'admin' in user && user.admin === true },
      'chat:{id}': { join: () => true },
      'lounge:{id}': { join: () => false },
      'broken:{id}': { join: ({ user }) => { if ('admin' in user && user.admin === true) return true; throw new Error('down') } }
    },
    after: (app) => app.realtime.addHook('onConnect', async ({ user }) => { await app.realtime.joinUser(user.id, 'lounge:1') })
  })
  const ann = await connect('ann', { token: token('ann', { exp: inSeconds(3), admin: true }) })
  await ann.next('joined')
  for (const roomId of ['admin:1', 'chat:1', 'broken:1']) t.match(await ann.request({ type: 'join', roomId }), { type: 'ack' })
  const exp = inSeconds(5)
  const response = await fetch(`${url}/realtime/renew`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token('ann', { exp })}`, 'content-type': 'application/json' },
    body: JSON.stringify({ connectionId: ann.frames[0]?.connectionId })
  })
  t.same(await response.json(), { expiresAt: exp * 1000 })
  const left = [await ann.next('left'), await ann.next('left')]
  t.same(left.map(({ roomId, reason }) => [roomId, reason]).sort(), [['admin:1', 'revoked'], ['broken:1', 'revoked']])
  t.match(await ann.request({ type: 'leave', roomId: 'admin:1' }), { code: 'not_member' })
  t.match(await ann.request({ type: 'leave', roomId: 'chat:1' }), { type: 'ack' })
  t.match(await ann.request({ type: 'leave', roomId: 'lounge:1' }), { type: 'ack' }, 'where the server put somebody lasts while connected')
  t.match(await ann.closed, { code: 4401 })
  t.same(ann.all('expiring').map((frame) => frame.expiresAt), [exp * 1000])
})

// --- on a clock that the test moves ---

/** Time passes for a client that is alive. */
async function pass (clock: { advance (ms: number): void }, clients: FakeClient[], ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 20 * SECOND) {
    clock.advance(Math.min(left, 20 * SECOND))
    for (const client of clients) if (client.closed === null) client.connection.pong()
  }
  await turns()
}

await t.test('the notice comes a minute before the end, or at two thirds of a short time', async (t) => {
  const { clock, accept } = await createNode(t)
  const ann = accept('ann', { expiresAt: clock.wall() + HOUR })
  const bob = accept('bob', { expiresAt: clock.wall() + 30 * SECOND })
  await turns()
  await pass(clock, [ann, bob], 19 * SECOND)
  t.same(bob.all('expiring'), [])
  await pass(clock, [ann, bob], 1_050)
  t.equal(bob.all('expiring').length, 1)
  t.equal(bob.closed, null)
  await pass(clock, [ann, bob], 10 * SECOND)
  t.same(bob.closed, { code: 4401, reason: 'credentials expired' })
  t.equal(bob.all('expiring').length, 1)

  await pass(clock, [ann], HOUR - 30_100 - MINUTE)
  t.same(ann.all('expiring'), [])
  await pass(clock, [ann], 200)
  t.equal(ann.all('expiring').length, 1)
  t.equal(ann.closed, null)
  await pass(clock, [ann], MINUTE)
  t.match(ann.closed, { code: 4401 })
})

await t.test('one that has ended already closes at once', async (t) => {
  const { clock, accept } = await createNode(t)
  const ann = accept('ann', { expiresAt: clock.wall() - DAY })
  await turns()
  clock.advance(100)
  await turns()
  t.match(ann.closed, { code: 4401 })
})

await t.test('sixty days are waited for to the end', async (t) => {
  const { clock, accept } = await createNode(t, { heartbeat: { interval: '10m', timeout: '10m' } })
  const ann = accept('ann', { expiresAt: clock.wall() + 60 * DAY })
  await turns()
  for (let day = 0; day < 60; day++) {
    for (let i = 0; i < 144; i++) {
      if (ann.closed !== null) throw new Error(`gone on day ${day}`)
      clock.advance(10 * MINUTE - (day === 59 && i === 143 ? 50 : 0))
      ann.connection.pong()
    }
  }
  await turns()
  t.equal(ann.closed, null)
  t.equal(ann.all('expiring').length, 1)
  clock.advance(150)
  await turns()
  t.match(ann.closed, { code: 4401 })
})

await t.test('a machine whose clock is set back waits for the end, one whose clock jumps ahead sees it soon', async (t) => {
  const { clock, accept } = await createNode(t)
  const start = clock.wall()
  const ann = accept('ann', { expiresAt: start + 10 * MINUTE })
  await turns()
  await pass(clock, [ann], 5 * MINUTE)
  clock.setWall(start)
  await pass(clock, [ann], 8 * MINUTE)
  t.same(ann.all('expiring'), [])
  t.equal(ann.closed, null)
  await pass(clock, [ann], MINUTE + 100)
  t.equal(ann.all('expiring').length, 1)
  clock.setWall(start + 8 * MINUTE)
  await pass(clock, [ann], MINUTE)
  t.equal(ann.closed, null)
  await pass(clock, [ann], MINUTE + 100)
  t.match(ann.closed, { code: 4401 })

  const bob = accept('bob', { expiresAt: clock.wall() + 30 * DAY })
  await turns()
  await pass(clock, [bob], MINUTE)
  clock.setWall(clock.wall() + 31 * DAY)
  await pass(clock, [bob], 6 * MINUTE)
  t.match(bob.closed, { code: 4401 })
})

await t.test('a renewal starts over, shorter, longer or without an end', async (t) => {
  const { clock, accept, bridge } = await createNode(t)
  const ann = accept('ann', { expiresAt: clock.wall() + HOUR })
  await turns()
  const renew = (expiresAt: number | null): Promise<unknown> =>
    bridge.control({ type: 'renew', connectionId: ann.connection.id, user: { id: 'ann' }, expiresAt }, 1000)
  await pass(clock, [ann], 59 * MINUTE + 100)
  t.equal(ann.all('expiring').length, 1)
  await renew(clock.wall() + HOUR)
  await pass(clock, [ann], 30 * MINUTE)
  t.equal(ann.closed, null)
  await renew(clock.wall() + 3 * SECOND)
  await pass(clock, [ann], 2_100)
  t.equal(ann.all('expiring').length, 2)
  await renew(null)
  await pass(clock, [ann], DAY)
  t.equal(ann.closed, null)
  t.match(await bridge.control({ type: 'renew', connectionId: ann.connection.id, user: { id: 'bob' }, expiresAt: null }, 1000),
    { replies: [{ value: 'other-user' }] })
  await renew(clock.wall() + SECOND)
  ann.drop()
  await turns()
  t.match(await renew(null), { replies: [{ value: null }] })
  clock.advance(DAY)
  t.equal(clock.armed, 0, 'nothing is left behind')
})
