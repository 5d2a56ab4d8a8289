import t from 'tap'
import type { RoomContext, RoomMap } from '../lib/index.js'
import { renewConnection } from '../lib/core/cluster.js'
import type { TestApp } from './helpers/app.js'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import { createNode, turns } from './helpers/node.js'

const rooms: RoomMap = {
  'chat:{id}': { join: ({ user }: RoomContext) => user.role !== 'guest', publish: 'members' },
  'open:{id}': { join: () => true, publish: 'members' }
}

function renew ({ url }: TestApp, connectionId: string, token: string): Promise<Response> {
  return fetch(`${url}/realtime/renew`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify({ connectionId })
  })
}

await t.test('a live connection goes on with the new credential', async t => {
  const app = await createApp(t, { rooms })
  const client = await app.connect('ada')
  const connectionId: string = client.frames[0]?.connectionId
  t.match(await client.request({ type: 'join', roomId: 'chat:1' }), { type: 'ack' })
  const exp = Math.floor(Date.now() / 1000) + 7200
  const response = await renew(app, connectionId, app.token('ada', { exp }))
  t.equal(response.status, 200)
  t.same(await response.json(), { expiresAt: exp * 1000 })
  t.match(await client.request({ type: 'message', roomId: 'chat:1', content: 'still here' }), { type: 'ack' })
})

await t.test('rooms that it does not allow are left', async t => {
  const app = await createApp(t, { rooms })
  const client = await app.connect('ada')
  const connectionId: string = client.frames[0]?.connectionId
  await client.request({ type: 'join', roomId: 'chat:1' })
  await client.request({ type: 'join', roomId: 'open:1' })
  t.equal((await renew(app, connectionId, app.token('ada', { role: 'guest' }))).status, 200)
  t.match(await client.next('left'), { roomId: 'chat:1', reason: 'revoked' })
  t.match(await client.request({ type: 'message', roomId: 'chat:1', content: 'x' }), { type: 'error', code: 'not_member' })
  t.match(await client.request({ type: 'message', roomId: 'open:1', content: 'x' }), { type: 'ack' })
  t.match(await client.request({ type: 'join', roomId: 'chat:2' }), { type: 'error', code: 'forbidden' })
})

await t.test('not for another user, not for nobody, not without a valid credential', async t => {
  const app = await createApp(t)
  const client = await app.connect('ada')
  const connectionId: string = client.frames[0]?.connectionId
  t.equal((await renew(app, connectionId, app.token('eve'))).status, 403)
  t.equal((await renew(app, 'nobody', app.token('ada'))).status, 404)
  t.equal((await renew(app, connectionId, app.token('ada', { exp: 1 }))).status, 401)
  client.ws.terminate()
  await client.closed
  while ((await renew(app, connectionId, app.token('ada'))).status !== 404) await new Promise(resolve => setImmediate(resolve))
})

await t.test('policies may take their time, but not for ever: one that does not answer says no', async t => {
  let slow = false
  let answer = (_allowed: boolean): void => {}
  const policy = { join: () => slow ? new Promise<boolean>(resolve => { answer = resolve }) : true }
  const { node, bridge, clock, connect } = await createNode(t, { rooms: { 'slow:{id}': policy, 'open:{id}': { join: () => true } } })
  const ann = await connect('ann')
  for (const roomId of ['slow:1', 'open:1']) await ann.request({ type: 'join', roomId })
  slow = true
  const renew = () => renewConnection(bridge, ann.connection.id, { id: 'ann', n: 1 }, null)

  const first = renew()
  await turns()
  clock.advance(9_000)
  answer(true)
  t.equal(await first, 'renewed', 'longer than other commands may')
  t.ok(ann.connection.memberships.has('slow:1'))

  const second = renew()
  await turns()
  t.equal(ann.connection.user.n, 1, 'the credential itself is replaced at once')
  clock.advance(10_100)
  t.equal(await second, 'renewed')
  t.match(await ann.next('left'), { roomId: 'slow:1', reason: 'revoked' })
  answer(true)
  await turns()
  t.same([...ann.connection.memberships.keys()], ['open:1'], 'a late yes changes nothing')
  t.equal(node.connections.size, 1)
})

await t.test('a connection that only a silent node can have is not said to be missing', async t => {
  const { bridge, connect } = await createNode(t)
  const ann = await connect('ann')
  const partly: typeof bridge = { ...bridge, control: async (command, timeout) => ({ ...await bridge.control(command, timeout), unreachable: ['far'] }) }
  t.equal(await renewConnection(partly, ann.connection.id, { id: 'ann' }, null), 'renewed')
  t.equal(await renewConnection(partly, ann.connection.id, { id: 'bob' }, null), 'other-user')
  await t.rejects(renewConnection(partly, 'nobody', { id: 'ann' }, null), { name: 'BridgeError' })
  t.equal(await renewConnection(bridge, 'nobody', { id: 'ann' }, null), 'not-found')
})

await t.test('a user that JSON would change is renewed as it was let in', async t => {
  const since = new Date(0)
  const seen: unknown[] = []
  const app = await createApp(t, {
    auth: { authenticate: () => ({ user: { id: 'ann', since } }) },
    rooms: { 'open:{id}': { join: ({ user }: RoomContext) => { seen.push(user.since); return true } } }
  })
  const ann = await connectTo(t, app.wsUrl)
  const { connectionId } = await ann.next('welcome')
  await ann.request({ type: 'join', roomId: 'open:1' })
  t.equal((await renew(app, connectionId, 'any')).status, 200)
  t.same(seen, [since, since])
  t.ok(seen.every((value) => value instanceof Date))
})
