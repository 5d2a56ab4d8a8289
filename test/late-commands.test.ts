import t from 'tap'
import type { Test } from 'tap'
import { REMOVAL_WINDOW, roomChannel } from '../lib/bridge/bridge.js'
import type { BridgeHandlers } from '../lib/bridge/bridge.js'
import { createApp } from './helpers/app.js'
import { captureLog } from './helpers/log.js'
import { createNode, turns } from './helpers/node.js'
import type { TestNode } from './helpers/node.js'

const ROOM = 'chat:1'
const RETENTION = { size: 10, ttl: 60_000 }

/** A node that is told of commands by the test, as one that was out of reach is by its bridge. */
async function lateNode (t: Test): Promise<TestNode & { handlers: BridgeHandlers }> {
  let handlers: BridgeHandlers | null = null
  const made = await createNode(t, {
    rooms: { 'chat:{id}': { join: () => true } },
    bridge: (bridge) => ({
      ...bridge,
      async start (given) {
        handlers = given
        await bridge.start(given)
      }
    })
  })
  if (handlers === null) throw new Error('the bridge was not started')
  return { ...made, handlers }
}

await t.test('a late join of the server does not undo a removal that came after it', async (t) => {
  for (const subscribed of [true, false]) {
    const { accept, clock, bridge, handlers } = await lateNode(t)
    const [ann, bob] = [accept('ann'), accept('bob')]
    await turns()
    if (subscribed) await bob.ask({ type: 'join', roomId: ROOM })
    clock.advance(1_000)
    await bridge.remove(roomChannel(ROOM), { userId: 'ann', retention: RETENTION })
    clock.advance(1_000)
    const joinUser = (age: number): Promise<unknown> => handlers.onControl({ type: 'join-user', userId: 'ann', roomId: ROOM }, age)
    t.equal(await joinUser(1_500), 0, 'given before the removal')
    t.equal(await joinUser(REMOVAL_WINDOW), 0, 'given when nobody knows any more')
    t.equal(ann.all('joined').length, 0)
    t.equal(await joinUser(500), 1, 'given after it')
    await turns()
    t.equal(ann.all('joined').length, 1)
  }
})

await t.test('a late disconnection is carried out whatever its age', async (t) => {
  const { accept, handlers } = await lateNode(t)
  const ann = accept('ann')
  await turns()
  t.equal(await handlers.onControl({ type: 'disconnect-user', userId: 'ann', reason: 'banned' }, 10 * REMOVAL_WINDOW), 1)
  t.same(ann.closed, { code: 4403, reason: 'banned' })
})

await t.test('the reason of a removal is logged for each connection, and told to no client', async (t) => {
  const { lines, logger } = captureLog()
  const left: string[] = []
  const { app, connect } = await createApp(t, {
    fastify: { logger },
    rooms: { 'chat:{id}': { join: () => true, onLeave: (_ctx, reason) => { left.push(reason) } } }
  })
  const clients = [await connect('ann'), await connect('ann')]
  for (const client of clients) await client.request({ type: 'join', roomId: ROOM })
  await app.realtime.removeUser('ann', ROOM, 'spam')
  for (const client of clients) t.same(await client.next('left'), { type: 'left', roomId: ROOM, reason: 'removed' })
  const told = lines.filter(({ reason }) => reason === 'spam')
  t.equal(told.length, 2)
  for (const line of told) t.match(line, { level: 30, roomId: ROOM, msg: 'realtime user removed from a room' })
  t.equal(new Set(told.map((line) => JSON.stringify(line))).size, 2, 'each with its connection')
  t.same(left, ['removed', 'removed'])
})

await t.test('a user that JSON would change is refused when it is handed on', async (t) => {
  const { accept, bridge } = await lateNode(t)
  const ann = accept('ann')
  await turns()
  const renew = (claims: object): Promise<unknown> =>
    bridge.control({ type: 'renew', connectionId: ann.connection.id, user: Object.assign({ id: 'ann' }, claims), expiresAt: null }, 1_000)
  await t.rejects(renew({ born: new Date(0) }), { name: 'TypeError', message: 'command.user.born is a Date' })
  await t.rejects(renew({ balance: 1n }), { name: 'TypeError', message: 'command.user.balance is bigint' })
  t.same(ann.connection.user, { id: 'ann' })
  const user = { id: 'ann', roles: ['a'] }
  await renew(user)
  t.same(ann.connection.user, user)
  t.not(ann.connection.user, user, 'a copy, as on another node')
})
