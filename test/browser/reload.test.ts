import t from 'tap'
import { launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { enterDemo } from './demo-page.js'

await t.test('a page that is reloaded while messages wait', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const [ann, bob] = await Promise.all([enterDemo(t, browser, demo.url, 'ann'), enterDemo(t, browser, demo.url, 'bob')])

  await t.test('sends them when the server is back', async (t) => {
    await demo.kill()
    await ann.say('first')
    await ann.say('second')
    for (const text of ['first', 'second']) await ann.message(text, 'pending').waitFor()
    // What a browser shows of a server that is not there.
    await t.rejects(ann.page.reload(), /ERR_CONNECTION_REFUSED/)
    await demo.start()
    await ann.page.reload()
    for (const user of [ann, bob]) {
      for (const text of ['first', 'second']) await user.message(text, 'sent').waitFor()
    }
    await ann.say('third')
    for (const user of [ann, bob]) {
      await user.message('third', 'sent').waitFor()
      t.strictSame(await user.texts(), ['first', 'second', 'third'])
    }
  })

  await t.test('sends once what had arrived without the page knowing', async (t) => {
    // The way back is cut: the server takes what is sent, and nobody hears of it.
    let deaf = false
    await ann.page.routeWebSocket('**/realtime', (socket) => {
      const server = socket.connectToServer()
      const mine = deaf
      server.onMessage((text) => { if (!deaf || mine) socket.send(text) })
    })
    await ann.page.reload()
    await ann.message('third', 'sent').waitFor()
    deaf = true
    await ann.say('fourth')
    await bob.message('fourth').waitFor()
    await ann.message('fourth', 'pending').waitFor()
    deaf = false
    await ann.page.reload()
    await ann.message('fourth', 'sent').waitFor()
    await ann.say('fifth')
    for (const user of [ann, bob]) {
      await user.message('fifth', 'sent').waitFor()
      t.strictSame(await user.texts(), ['first', 'second', 'third', 'fourth', 'fifth'])
    }
    t.equal(ann.traffic.sent.filter(({ content }) => content?.text === 'fourth').length >= 2, true, 'it was sent again')
  })

  t.strictSame([...ann.complaints, ...bob.complaints], [])
})
