// Effects that are taken back and run again while the state of the component lives on.
import type { Test } from 'tap'
import t from 'tap'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'
import type { Scene } from './stage.js'

const theatre = await createTheatre(t, 'hidden')

interface Stand extends TestApp {
  /** Has the server answer; resolves when it was asked. */
  answer (number: number): Promise<void>
}

async function createStand (t: Test): Promise<Stand> {
  const waiting = new Map<number, () => void>()
  const app = await createApp(t, {
    rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: { grace: 0 }, typing: true } },
    origins: () => true,
    after (app) {
      app.realtime.handle('twice', {}, async (_context, content) => {
        await new Promise<void>((resolve) => waiting.set(Number(content), resolve))
        return Number(content) * 2
      })
    }
  })
  return {
    ...app,
    async answer (number) {
      while (!waiting.has(number)) await new Promise(setImmediate)
      waiting.get(number)?.()
    }
  }
}

async function hide (scene: Scene, name: string): Promise<void> {
  await scene.show(`${name}Hidden`)
  await scene.until('stage.seen.mounted === false')
}

async function reveal (scene: Scene, name: string): Promise<void> {
  await scene.show(name)
  await scene.until('stage.seen.mounted === true')
}

for (const react of versions) {
  await t.test(`React ${react}, StrictMode: a call of an effect that asks only once is answered`, async (t) => {
    const app = await createStand(t)
    const scene = await theatre.open(t, app, { react, scene: 'asking', strict: true })
    await scene.until('stage.seen.call.pending')
    await app.answer(101)
    await scene.until('!stage.seen.call.pending')
    t.equal(await scene.read('stage.seen.call.data'), 202)
    t.equal(await scene.read('stage.sent("call")'), 1)
    t.strictSame(scene.complaints, [])
  })
}

// React 18 has no Activity.
const react = 19

for (const strict of [false, true]) {
  const name = `React ${react} (18 has no Activity)${strict ? ', StrictMode' : ''}`

  await t.test(`${name}: what became of a call is known, when it is answered while hidden and when it is afterwards`, async (t) => {
    const app = await createStand(t)
    const scene = await theatre.open(t, app, { react, scene: 'everything', strict })
    await scene.until('stage.seen.status.state === "connected"')
    for (const number of [101, 102]) {
      await scene.run(`stage.seen.call.call(${number}).then((value) => { stage.seen.answer = value })`)
      await scene.until('stage.seen.call.pending')
      await hide(scene, 'everything')
      if (number === 101) {
        await app.answer(number)
        await scene.until(`stage.seen.answer === ${number * 2}`)
      }
      await reveal(scene, 'everything')
      if (number === 102) await app.answer(number)
      await scene.until('!stage.seen.call.pending')
      t.equal(await scene.read('stage.seen.call.data'), number * 2)
    }
    t.strictSame(scene.complaints, [])
  })

  await t.test(`${name}: a hidden component is in no room, and begins anew when it is shown`, async (t) => {
    const app = await createStand(t)
    const ben = await app.connect('ben')
    await ben.request({ type: 'join', roomId: 'chat:1', presence: true })
    const scene = await theatre.open(t, app, { react, scene: 'everything', strict })
    await scene.until('stage.seen.room.status === "joined" && stage.seen.presence.members.length === 2')
    await scene.run('stage.seen.room.send("one")')
    await scene.until('stage.seen.room.messages[0]?.state === "sent"')
    await scene.run('stage.seen.room.setTyping(true)')
    t.match(await ben.next('typing'), { typing: true })
    await app.app.realtime.sendDirect('ann', 'note', 1)
    await scene.until('stage.seen.direct.messages.length === 1')
    await scene.run('stage.client().on("direct", ({ content }) => { stage.seen.note = content })')

    await hide(scene, 'everything')
    t.match(await ben.next('typing'), { typing: false })
    await scene.until('stage.leaves("chat:1") === 1')
    await ben.request({ type: 'message', roomId: 'chat:1', content: 'two' })
    await app.app.realtime.sendDirect('ann', 'note', 2)
    await scene.until('stage.seen.note === 2')

    await reveal(scene, 'everything')
    await scene.until('stage.seen.room.status === "joined" && stage.seen.presence.members.length === 2 && stage.seen.room.messages.length === 2')
    t.strictSame(await scene.read('stage.seen.room.messages.map(({ content, gap }) => content + (gap ? "|" : ""))'), ['one', 'two'])
    t.equal(await scene.read('stage.joins("chat:1")'), 2)
    await scene.run('stage.seen.room.send("three")')
    await scene.until('stage.seen.room.messages.length === 3 && stage.seen.room.messages[2].state === "sent"')
    await scene.run('stage.seen.room.setTyping(true)')
    t.match(await ben.next('typing'), { typing: true })
    await app.app.realtime.sendDirect('ann', 'note', 3)
    await scene.until('stage.seen.direct.messages.at(-1)?.content === 3')
    t.strictSame(await scene.read('stage.seen.direct.messages.map(({ content }) => content)'), [3], 'what came meanwhile was not seen, so what was before is not shown as if it had been')
    t.equal(await scene.read('stage.sockets'), 1)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`${name}: whoever is hidden for a moment neither leaves nor loses its place`, async (t) => {
    const app = await createStand(t)
    const scene = await theatre.open(t, app, { react, scene: 'everything', strict })
    await scene.until('stage.seen.room.status === "joined" && stage.seen.status.state === "connected"')
    await scene.run('stage.seen.room.send("one")')
    await scene.until('stage.seen.room.messages[0]?.state === "sent"')
    await scene.show('everythingBlinks')
    await scene.read('stage.turn()')
    await scene.run('stage.seen.room.send("two")')
    await scene.until('stage.seen.room.messages.length === 2 && stage.seen.room.messages[1].state === "sent"')
    t.equal(await scene.read('stage.joins("chat:1")'), 1)
    t.equal(await scene.read('stage.leaves("chat:1")'), 0)
    t.strictSame(scene.complaints, [])
  })

  await t.test(`${name}: what the connection did meanwhile is known when it is shown`, async (t) => {
    const app = await createStand(t)
    const scene = await theatre.open(t, app, { react, scene: 'everything', strict })
    await scene.until('stage.seen.status.state === "connected"')
    await hide(scene, 'everything')
    await scene.run('stage.client().close()')
    await reveal(scene, 'everything')
    await scene.until('stage.seen.status.state === "closed"')
    t.equal(await scene.read('stage.seen.room.status'), 'joining')
    await hide(scene, 'everything')
    await scene.run('stage.client().connect()')
    await reveal(scene, 'everything')
    await scene.until('stage.seen.status.state === "connected" && stage.seen.room.status === "joined"')
    t.strictSame(scene.complaints, [])
  })

  for (const kind of ['provided', 'manual'] as const) {
    await t.test(`${name}: a hidden provider is closed, and goes on when it is shown (${kind})`, async (t) => {
      const app = await createStand(t)
      const scene = await theatre.open(t, app, { react, scene: kind, strict })
      await scene.until('stage.seen.mounted')
      if (kind === 'manual') await scene.run('stage.seen.client.connect()')
      await scene.until('stage.seen.status.state === "connected" && stage.seen.room.status === "joined"')
      await hide(scene, kind)
      await scene.until('stage.closed')
      await app.app.realtime.notifyRoom('chat:1', 'message', 'meanwhile')
      await reveal(scene, kind)
      await scene.until('stage.seen.status.state === "connected" && stage.seen.room.status === "joined" && stage.seen.room.messages.length === 1')
      t.equal(await scene.read('stage.sockets'), 2)
      await scene.read('stage.turn()')
      t.equal(await scene.read('stage.seen.client.status.state'), 'connected')
      t.strictSame(scene.complaints, [])
    })
  }

  await t.test(`${name}: the classic's connection ends when it is hidden, and is known after a moment of that`, async (t) => {
    const app = await createStand(t)
    const scene = await theatre.open(t, app, { react, scene: 'classic', strict })
    await scene.until('stage.seen.socket.connected')
    await scene.run('stage.seen.socket.send("chat:1", "one")')
    await scene.until('stage.seen.socket.messages.length === 1')
    await scene.show('classicBlinks')
    await scene.read('stage.turn()')
    await scene.until('stage.seen.socket.connected')
    t.equal(await scene.read('stage.seen.socket.messages.length'), 1)
    t.equal(await scene.read('stage.sockets'), 1)
    await hide(scene, 'classic')
    await scene.until('stage.closed')
    await reveal(scene, 'classic')
    await scene.until('stage.sockets === 2 && stage.seen.socket.connected')
    await scene.run('stage.seen.socket.send("chat:1", "two")')
    await scene.until('stage.seen.socket.messages.at(-1)?.content === "two"')
    t.equal(await scene.read('stage.seen.socket.messages.filter(({ content }) => content === "two").length'), 1)
    t.strictSame(scene.complaints, [])
  })
}
