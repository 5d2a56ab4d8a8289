import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'others')

for (const react of versions) {
  await t.test(`React ${react}: who is here, live, and what one tells of oneself`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: { grace: 0 }, typing: true } },
      origins: () => true
    })
    const scene = await theatre.open(t, app, { react, scene: 'presence' })
    await scene.until('stage.seen.presence.members.length === 1')
    const ben = await app.connect('ben')
    await ben.request({ type: 'join', roomId: 'chat:1', presence: true })
    await scene.until('stage.seen.presence.members.length === 2')
    await scene.run('stage.seen.presence.setPresence({ status: "away" })')
    t.match(await ben.next((frame) => frame.type === 'presence' && frame.userId === 'ann'), { status: 'away' })
    await scene.until('stage.seen.presence.members[0].status === "away"')
    const rendered = await scene.read('stage.renders.presence')
    await ben.request({ type: 'message', roomId: 'chat:1', content: 'hi' })
    await ben.request({ type: 'leave', roomId: 'chat:1' })
    await scene.until('stage.seen.presence.members.length === 1')
    t.equal(await scene.read(`stage.renders.presence - ${String(rendered)}`), 1, 'messages rerender nothing')
    t.strictSame(scene.complaints, [])
  })

  for (const strict of [false, true]) {
    await t.test(`React ${react}${strict ? ', StrictMode' : ''}: what is told before the room is joined is told when it is`, async (t) => {
      const app = await createApp(t, {
        rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: { grace: 0 } } },
        origins: () => true
      })
      const scene = await theatre.open(t, app, { react, scene: 'nothing', strict })
      await scene.run('stage.client()')
      await scene.until('stage.client().status.state === "connected"')
      await scene.show('early')
      await scene.until('stage.seen.presence.members[0]?.status === "early"')
      t.equal(await scene.read('stage.joins("chat:1")'), 1)
      t.equal(await scene.read('stage.leaves("chat:1")'), 0)
      await scene.show('nothing')
      await scene.until('stage.leaves("chat:1") === 1')
    })
  }

  await t.test(`React ${react}: typing ends when the component that typed is gone, or with a message`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: true, typing: true } },
      origins: () => true
    })
    const ben = await app.connect('ben')
    await ben.request({ type: 'join', roomId: 'chat:1' })
    const scene = await theatre.open(t, app, { react, scene: 'typing', strict: true })
    await scene.until('stage.seen.room.status === "joined" && stage.client().status.state === "connected"')
    await scene.run('stage.seen.room.setTyping(true)')
    await scene.run('stage.seen.other.setTyping(true)')
    t.match(await ben.next('typing'), { userId: 'ann', typing: true })
    await scene.run('stage.seen.other.setTyping(false)')
    t.equal(await scene.read('stage.sent("typing")'), 1, 'the other one still types')
    await scene.show('typingOne')
    t.match(await ben.next('typing'), { userId: 'ann', typing: false })
    await scene.run('stage.seen.other.setTyping(true)')
    t.match(await ben.next('typing'), { typing: true })
    await scene.run('stage.seen.other.send("done")')
    await ben.next('message')
    await scene.run('stage.seen.other.setTyping(true)')
    await scene.until('stage.sent("typing") === 4')
    ben.send({ type: 'typing', roomId: 'chat:1', typing: true })
    await scene.until('stage.seen.other.typing.join() === "ben"')
    t.strictSame(scene.complaints, [])
  })
}
