import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const, presence: true } }

await t.test('connects, joins, sends and hears itself and others', async (t) => {
  const app = await createApp(t, { rooms })
  const ann = createSdk(t, app, 'ann')
  const bob = createSdk(t, app, 'bob')
  const atAnn: unknown[] = []
  const atBob: unknown[] = []
  const annRoom = ann.client.room('chat:1')
  annRoom.on('message', ({ content }) => atAnn.push(content))
  const bobRoom = await bob.client.joinRoom('chat:1')
  bobRoom.on('message', ({ content, userId }) => atBob.push([userId, content]))
  await annRoom.ready()
  const { position, key } = await annRoom.send('hi')
  t.type(position, 'string')
  t.type(key, 'string')
  await bobRoom.send('ho')
  await annRoom.send('again')
  t.same(atAnn, ['hi', 'ho', 'again'])
  t.same([...annRoom.members.keys()].sort(), ['ann', 'bob'])
  t.same(ann.errors, [])
})

await t.test('reconnects, resumes, and sends what was published meanwhile', async (t) => {
  const app = await createApp(t, { rooms })
  const ann = createSdk(t, app, 'ann')
  const bob = createSdk(t, app, 'bob')
  const seen: unknown[] = []
  const room = await ann.client.joinRoom('chat:1')
  room.on('message', ({ content }) => seen.push(content))
  const bobRoom = await bob.client.joinRoom('chat:1')
  await bobRoom.send(1)
  ann.sockets.last.terminate()
  await untilStatus(ann.client, 'waiting')
  await bobRoom.send(2)
  const offline = room.send(3)
  await offline
  await bobRoom.send(4)
  await room.send(5)
  t.same(seen, [1, 2, 3, 4, 5])
  t.same(ann.errors, [])
})
