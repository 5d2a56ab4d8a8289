import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'room')

for (const react of versions) {
  await t.test(`React ${react}: a component in a room sees and sends its messages`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: true, typing: true } },
      origins: () => true
    })
    const scene = await theatre.open(t, app, { react, scene: 'one' })
    await scene.until('stage.seen.room.status === "joined"')
    await app.app.realtime.notifyRoom('chat:1', 'message', { text: 'from the server' })
    await scene.until('stage.seen.room.messages.length === 1')
    await scene.run('stage.seen.room.send({ text: "hi" })')
    await scene.until('stage.seen.room.messages.length === 2 && stage.seen.room.messages.every(({ state }) => state === "sent")')
    t.match(await scene.read('stage.seen.room.messages'), [
      { userId: null, content: { text: 'from the server' } },
      { userId: 'ann', content: { text: 'hi' } }
    ])
    await scene.until('stage.seen.room.members.length === 1')
    t.strictSame(scene.complaints, [])
  })
}
