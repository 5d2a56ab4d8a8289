import t from 'tap'
import { createApp } from './helpers/app.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient, TestNode } from './helpers/node.js'

/** As the decorator does it: connections put in, nodes that did not answer. */
async function joinUser ({ bridge }: TestNode, userId: string, roomId: string): Promise<{ connections: unknown, unreachable: readonly string[] }> {
  const { replies, unreachable } = await bridge.control({ type: 'join-user', userId, roomId }, 5_000)
  return { connections: replies[0]?.value, unreachable }
}

await t.test('every connection of the user is put in, told so, and gets what follows', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'team:{id}': { publish: 'members', presence: true }, 'log:{id}': { history: false } } })
  const [phone, laptop, bob] = [await connect('ann'), await connect('ann'), await connect('bob')]
  t.match(await bob.request({ type: 'join', roomId: 'team:1' }), { code: 'forbidden' }, 'no policy lets anybody in')
  t.same(await app.realtime.joinUser('ann', 'team:1'), { connections: 2, unreachable: [] })
  const joined = await phone.next('joined')
  t.match(joined, { roomId: 'team:1', position: String, presence: { count: 1, members: [{ userId: 'ann', status: 'online' }] } })
  t.same((await laptop.next('joined')).presence.members, [{ userId: 'ann', status: 'online', devices: 2 }])

  t.same(await app.realtime.joinUser('bob', 'team:1'), { connections: 1, unreachable: [] })
  t.same((await bob.next('joined')).presence.members.map((member: { userId: string }) => member.userId), ['ann', 'bob'])
  t.match(await phone.next('presence'), { roomId: 'team:1', userId: 'bob', change: 'joined' }, 'presence follows the page')
  await bob.request({ type: 'message', roomId: 'team:1', content: 'hello' })
  t.match(await laptop.next('message'), { content: 'hello', userId: 'bob' })

  await app.realtime.joinUser('ann', 'team:1')
  await app.realtime.joinUser('ann', 'log:1')
  const volatile = await phone.next('joined')
  t.same(volatile, { type: 'joined', roomId: 'log:1' }, 'told once a room; a volatile one has no position, one without presence no page')
})

await t.test('a hook may put its own user into its own room: it takes effect behind what is under way there', async (t) => {
  const results: unknown[] = []
  const { connect } = await createApp(t, {
    rooms: {
      'chat:{id}': {
        join: () => true,
        publish: 'members',
        async onMessage ({ user, roomId, server }) { results.push(await server.realtime.joinUser(user.id, roomId)) },
        async onLeave ({ user, roomId, server }, reason) {
          if (reason === 'left') results.push(await server.realtime.joinUser(user.id, roomId))
        }
      },
      'back:{id}': { join: async ({ user, roomId, server }) => (await server.realtime.joinUser(user.id, roomId)).connections === 1 }
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 1 }), { type: 'ack' })
  t.match(await ann.request({ type: 'leave', roomId: 'chat:1' }), { type: 'ack' })
  t.match(await ann.next('joined'), { roomId: 'chat:1' })
  t.same(results, [{ connections: 1, unreachable: [] }, { connections: 1, unreachable: [] }])
  t.match(await ann.request({ type: 'join', roomId: 'back:1' }), { type: 'ack' })
  t.match(await ann.request({ type: 'join', roomId: 'back:1' }), { type: 'ack' })
})

await t.test('a hook that hangs costs the user the place, and nobody else anything', async (t) => {
  let comesTo = (): void => {}
  const log: string[] = []
  const made = await createNode(t, {
    rooms: {
      'chat:{id}': {
        presence: true,
        onJoin: async ({ user }) => {
          if (user.id === 'ann') await new Promise<void>((resolve) => { comesTo = resolve })
          log.push(`join ${user.id}`)
        },
        onLeave: ({ user }) => { log.push(`leave ${user.id}`) }
      }
    }
  })
  const [ann, bob] = [await made.connect('ann'), await made.connect('bob')]
  const placed = joinUser(made, 'ann', 'chat:1')
  t.same(await joinUser(made, 'bob', 'chat:1'), { connections: 1, unreachable: [] })
  await turns()
  made.clock.advance(5_100)
  t.same((await placed).unreachable, [made.bridge.nodeId], 'whoever asked does not wait that long')
  made.clock.advance(5_000)
  await turns()
  comesTo()
  await turns()
  t.same(log, ['join bob', 'join ann', 'leave ann'], 'what comes to after that is taken back')
  t.equal(ann.connection.memberships.size, 0)
  t.equal(ann.all('joined').length, 0)
  t.same((await made.bridge.presenceRead('r:chat:1')).members.map(({ userId }) => userId), ['bob'])
  t.match(bob.all('joined'), [{ roomId: 'chat:1' }])
})

await t.test('a connection that ends meanwhile is not put in, and leaves nothing behind', async (t) => {
  const stages = ['subscribe', 'presenceAttach'] as const
  for (const stage of stages) {
    const made = await createNode(t, { rooms: { 'chat:{id}': { presence: { grace: 0 } } } })
    const ann: FakeClient = await made.connect('ann')
    const gate = made.bridge.hold(stage)
    const placed = joinUser(made, 'ann', 'chat:1')
    await gate.arrived()
    ann.drop()
    gate.open()
    t.same(await placed, { connections: 0, unreachable: [] })
    await turns()
    made.clock.advance(5_000)
    await turns()
    t.notOk(made.bridge.subscribed.has('r:chat:1'), stage)
    t.same((await made.bridge.presenceRead('r:chat:1')).members, [])
  }
})
