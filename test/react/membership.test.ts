import t from 'tap'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'room')

const createRooms = (t: Parameters<typeof createApp>[0], mayJoin = (): boolean => true): Promise<TestApp> => createApp(t, {
  rooms: { 'chat:{id}': { join: mayJoin, publish: 'members', presence: true, typing: true }, 'user:{id}': { join: mayJoin } },
  origins: () => true
})

const gone = 'stage.seen["room mounted"] === false'

for (const react of versions) {
  for (const strict of [false, true]) {
    await t.test(`React ${react}${strict ? ', StrictMode' : ''}: components share one membership, which ends with the last of them`, async (t) => {
      const app = await createRooms(t)
      const scene = await theatre.open(t, app, { react, scene: 'two', strict })
      await scene.until('stage.seen.room.status === "joined" && stage.seen.members.members.length === 1')
      t.equal(await scene.read('stage.seen.room.messages === stage.seen.other.messages'), true)
      t.equal(await scene.read('stage.seen.room.members === stage.seen.members.members'), true)
      await scene.show('one')
      await scene.show('moved')
      await scene.until(gone.replace('false', 'true'))
      await scene.run('stage.seen.room.send("still here")')
      await scene.until('stage.seen.room.messages.length === 1 && stage.seen.room.messages[0].state === "sent"')
      t.equal(await scene.read('stage.joins("chat:1")'), 1)
      t.equal(await scene.read('stage.leaves("chat:1")'), 0)
      await scene.show('elsewhere')
      await scene.until('stage.seen.room.status === "joined" && stage.joins("chat:2") === 1 && stage.leaves("chat:1") === 1')
      t.equal(await scene.read('stage.seen.room.messages.length'), 0)
      await scene.show('one')
      await scene.until('stage.seen.room.status === "joined" && stage.joins("chat:1") === 2 && stage.seen.room.messages.length === 1')
      await scene.show('nowhere')
      await scene.until('stage.leaves("chat:1") === 2 && stage.seen.room.status === "left"')
      t.equal(await scene.read('stage.sockets'), 1)
      t.strictSame(scene.complaints, [])
    })

    await t.test(`React ${react}${strict ? ', StrictMode' : ''}: a provider with options has one connection, closed with it`, async (t) => {
      const app = await createRooms(t)
      const scene = await theatre.open(t, app, { react, scene: 'provided', strict })
      await scene.until('stage.seen.room.status === "joined" && stage.seen.status.state === "connected"')
      await scene.show('ended')
      await scene.until(`${gone} && stage.closed`)
      t.equal(await scene.read('stage.sockets'), 1)
      t.equal(await scene.read('stage.joins("chat:1")'), 1)
      t.strictSame(scene.complaints, [])
    })

    await t.test(`React ${react}${strict ? ', StrictMode' : ''}: without autoConnect the application begins, and the provider closes all the same`, async (t) => {
      const app = await createRooms(t)
      const scene = await theatre.open(t, app, { react, scene: 'manual', strict })
      await scene.until('stage.seen["room mounted"] && stage.seen.client !== undefined')
      await scene.read('stage.turn()')
      t.equal(await scene.read('stage.seen.client.status.state'), 'idle')
      await scene.run('stage.seen.client.connect()')
      await scene.until('stage.seen.room.status === "joined" && stage.seen.status.state === "connected"')
      await scene.show('ended')
      await scene.until(`${gone} && stage.closed`)
      t.equal(await scene.read('stage.seen.client.status.reason'), 'closed')
      t.equal(await scene.read('stage.sockets'), 1)
      t.strictSame(scene.complaints, [])
    })
  }

  await t.test(`React ${react}, StrictMode: effects that are taken back and run again do not close the provider's client`, async (t) => {
    const app = await createRooms(t)
    const scene = await theatre.open(t, app, { react, scene: 'greeting', strict: true })
    await scene.until('stage.seen.room.messages.length === 2 && stage.seen.room.messages.every(({ state }) => state !== "pending")')
    t.strictSame(await scene.read('stage.seen.room.messages.map(({ state }) => state)'), ['sent', 'sent'])
    t.equal(await scene.read('stage.sockets'), 1)
    t.strictSame(await scene.read('stage.errors'), [])
  })

  await t.test(`React ${react}: a room that the application joined itself stays joined`, async (t) => {
    const app = await createRooms(t)
    await app.app.realtime.notifyRoom('chat:1', 'message', 'before')
    const scene = await theatre.open(t, app, { react, scene: 'own' })
    await scene.until('stage.seen.room.messages.length === 1')
    await scene.show('nothing')
    await scene.until(gone)
    await scene.read('stage.turn()')
    t.equal(await scene.read('stage.client().room("chat:1").state'), 'joined')
    t.equal(await scene.read('stage.leaves("chat:1")'), 0)
  })

  await t.test(`React ${react}: a component that was rendered and never mounted leaves nothing behind`, async (t) => {
    const app = await createRooms(t)
    const scene = await theatre.open(t, app, { react, scene: 'suspended' })
    await scene.until('stage.renders.suspended > 0 && document.body.textContent === "waiting"')
    await scene.show('elsewhere')
    await scene.until('stage.seen.room.status === "joined"')
    t.equal(await scene.read('stage.joins("chat:1")'), 0)
  })

  await t.test(`React ${react}: a room that refuses says why, and is tried again`, async (t) => {
    let open = false
    const app = await createRooms(t, () => open)
    const scene = await theatre.open(t, app, { react, scene: 'one' })
    await scene.until('stage.seen.room.status === "failed"')
    t.equal(await scene.read('stage.seen.room.error.code'), 'forbidden')
    await scene.run('stage.seen.room.send("too early")')
    await scene.until('stage.seen.room.messages[0]?.state === "failed"')
    open = true
    await scene.run('stage.seen.room.rejoin()')
    await scene.until('stage.seen.room.status === "joined"')
    t.equal(await scene.read('stage.seen.room.error'), undefined)
    await scene.run('stage.seen.room.retry(stage.seen.room.messages[0].id)')
    await scene.until('stage.seen.room.messages[0].state === "sent"')
    open = false
    await scene.show('nothing')
    await scene.until('stage.leaves("chat:1") === 1')
    await scene.show('one')
    await scene.until('stage.seen.room.status === "failed"')
    open = true
    await scene.show('nothing')
    await scene.until(gone)
    await scene.read('stage.turn()')
    await scene.show('one')
    await scene.until('stage.seen.room.status === "joined"')
  })

  await t.test(`React ${react}: a component and a watcher of one user do not take the room from each other`, async (t) => {
    const app = await createRooms(t)
    const scene = await theatre.open(t, app, { react, scene: 'watched' })
    await scene.until('stage.seen.room.status === "joined"')
    await scene.run('stage.seen.unwatch()')
    await app.app.realtime.notifyRoom('user:ben', 'message', 1)
    await scene.until('stage.seen.room.messages.length === 1 && stage.seen.room.status === "joined"')

    // The application leaves, and a watcher joins and gives the room up altogether.
    await scene.run('stage.client().room("user:ben").leave()')
    await scene.until('stage.seen.room.status === "left"')
    await scene.run('stage.seen.watch()')
    await scene.until('stage.seen.room.status === "joined"')
    await scene.run('stage.seen.unwatch()')
    await scene.until('stage.seen.room.status === "left"')
    await scene.run('stage.seen.room.rejoin()')
    await scene.until('stage.seen.room.status === "joined"')
    await app.app.realtime.notifyRoom('user:ben', 'message', 2)
    await scene.until('stage.seen.room.messages.length === 2')
    await scene.show('nothing')
    await scene.until('stage.leaves("user:ben") === 3')
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: whoever was taken out continues where the list ended`, async (t) => {
    const app = await createRooms(t)
    const scene = await theatre.open(t, app, { react, scene: 'one' })
    await scene.until('stage.seen.room.status === "joined"')
    await scene.run('stage.seen.room.send("one")')
    await scene.until('stage.seen.room.messages[0]?.state === "sent"')
    await app.app.realtime.removeUser('ann', 'chat:1')
    await scene.until('stage.seen.room.status === "left"')
    await app.app.realtime.notifyRoom('chat:1', 'message', 'two')
    await scene.run('stage.seen.room.rejoin()')
    await scene.until('stage.seen.room.messages.length === 2')
    t.strictSame(await scene.read('stage.seen.room.messages.map(({ content }) => content)'), ['one', 'two'])
    t.equal(await scene.read('stage.seen.room.gap'), undefined)
  })

  await t.test(`React ${react}: what was sent without a connection is sent before the room is left`, async (t) => {
    const app = await createRooms(t)
    const ben = await app.connect('ben')
    await ben.request({ type: 'join', roomId: 'chat:1' })
    const scene = await theatre.open(t, app, { react, scene: 'one' })
    await scene.until('stage.seen.status.state === "connected"')
    await scene.run('stage.goOffline()')
    await scene.until('stage.seen.status.state !== "connected"')
    await scene.run('stage.seen.room.send("on the way out")')
    await scene.show('nothing')
    await scene.until(gone)
    await scene.read('stage.turn()')
    await scene.run('stage.goOnline()')
    t.match(await ben.next('message'), { content: 'on the way out' })
    await scene.until('stage.leaves("chat:1") === 1')
  })
}
