import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'others')

for (const react of versions) {
  await t.test(`React ${react}: the classic has one connection for as long as it is there`, async (t) => {
    const app = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
      origins: () => true
    })
    const scene = await theatre.open(t, app, { react, scene: 'classic', strict: true })
    await scene.until('stage.seen.socket.connected')
    await scene.run('stage.seen.socket.send("chat:1", "hi").then(({ position }) => { stage.seen.position = position })')
    await scene.until('stage.seen.socket.messages.length === 1 && stage.seen.position !== undefined')
    t.match(await scene.read('stage.seen.socket.messages[0]'), { roomId: 'chat:1', userId: 'ann', content: 'hi' })
    t.equal(await scene.read('stage.sockets'), 1)
    await scene.show('nothing')
    await scene.until('stage.seen.mounted === false && stage.closed')
    await scene.show('classic')
    await scene.until('stage.sockets === 2 && stage.seen.socket.connected && stage.seen.socket.messages.length === 0')
    t.strictSame(scene.complaints, [])
  })

  await t.test(`React ${react}: a hook outside of a provider says so`, async (t) => {
    const app = await createApp(t, { origins: () => true })
    const scene = await theatre.open(t, app, { react, scene: 'nothing' })
    const thrown = scene.page.waitForEvent('pageerror')
    await scene.show('outside')
    t.match((await thrown).message, 'There is no RealtimeProvider above this component')
  })
}
