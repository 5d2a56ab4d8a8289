import t from 'tap'
import { createApp } from '../helpers/app.js'
import { createTheatre, versions } from './stage.js'

const theatre = await createTheatre(t, 'others')

for (const react of versions) {
  await t.test(`React ${react}: direct messages are listed, and receipted when the latest handler is through with them`, async (t) => {
    const { app, ...target } = await createApp(t, { origins: () => true })
    const scene = await theatre.open(t, target, { react, scene: 'direct', strict: true })
    await scene.until('stage.client().status.state === "connected"')
    for (const content of [1, 2, 3]) await app.realtime.sendDirect('ann', 'note', content)
    await scene.until('stage.seen.direct.messages.map(({ content }) => content).join() === "2,3"')
    t.equal(await scene.read('stage.seen.heard'), 'first 3')
    await scene.show('directAgain')
    await scene.until('stage.seen.label === "second"')
    let given = false
    const sent = app.realtime.sendDirect('ann', 'note', 'slow', { receipt: true, timeout: '10s' }).then((result) => {
      given = true
      return result
    })
    await scene.until('stage.seen.heard === "second slow"')
    t.equal(given, false)
    await scene.run('window.release()')
    t.match(await sent, { receipts: { received: { length: 1 }, missing: { length: 0 } } })
    await app.realtime.sendDirect('ann', 'note', 'bad')
    await scene.until('stage.errors.length === 1')
    t.match(await scene.read('stage.errors[0]'), 'not handled')
    t.strictSame(await scene.read('stage.seen.direct.messages.map(({ content }) => content)'), ['slow', 'bad'])
    t.equal(await scene.read('stage.seen.direct.gap'), undefined)
    t.strictSame(scene.complaints, [])
  })
}
