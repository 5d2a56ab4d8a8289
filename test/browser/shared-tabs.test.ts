import t from 'tap'
import { createPerson, launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { demoPage, enterDemo } from './demo-page.js'

await t.test('three tabs of one browser', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const bob = await enterDemo(t, browser, demo.url, 'bob')
  const ann = await createPerson(t, browser)
  const [first, second, third] = [ann.page, await ann.tab(), await ann.tab()].map((page) => demoPage(page, `${demo.url}/?share`))
  if (first === undefined || second === undefined || third === undefined) throw new Error('not three')
  const all = [first, second, third]
  for (const tab of all) {
    await tab.page.bringToFront()
    await tab.enter('ann')
  }
  const connections = (): number[] => all.map(({ traffic }) => traffic.open)
  const written: string[] = []

  await t.test('have one connection and the same messages', async (t) => {
    for (const [index, tab] of [first, second, third, bob].entries()) {
      const text = `message ${index}`
      // Nobody clicks into a tab that is behind another, and browsers draw those once a second.
      await tab.page.bringToFront()
      await tab.say(text)
      written.push(text)
      for (const reader of [...all, bob]) await reader.message(text, 'sent').waitFor()
    }
    for (const reader of [...all, bob]) t.strictSame(await reader.texts(), written)
    t.strictSame(connections(), [1, 0, 0])
    t.equal(await demo.connections(), 2)
  })

  await t.test('keep their own rooms', async (t) => {
    await second.page.bringToFront()
    await second.room('random').click()
    await second.say('in another room')
    await second.message('in another room', 'sent').waitFor()
    await third.room('random').waitFor()
    t.strictSame(await third.texts(), written)
    await second.room('general').click()
    t.strictSame(connections(), [1, 0, 0])
  })

  await t.test('go on when the one that holds the connection is closed', async (t) => {
    const rest = [second, third, bob]
    await Promise.all([
      first.page.close(),
      (async () => {
        for (let index = 0; index < 10; index++) {
          written.push(`during ${index}`)
          await bob.say(`during ${index}`)
        }
      })()
    ])
    await second.say('and I')
    await second.message('and I', 'sent').waitFor()
    await third.page.bringToFront()
    await third.say('and me')
    await bob.message('and me').waitFor()
    written.push('and I', 'and me')
    for (const reader of rest) {
      for (const text of written) await reader.message(text, 'sent').waitFor()
    }
    const seen = await bob.texts()
    t.strictSame([...seen].sort(), [...written].sort(), 'everything, once')
    for (const reader of rest) t.strictSame(await reader.texts(), seen, 'in one order')
    t.equal(second.traffic.open + third.traffic.open, 1)
    t.equal(second.traffic.sockets.length + third.traffic.sockets.length, 1)
  })

  await t.test('down to the last one', async (t) => {
    const [leader, last] = second.traffic.open === 1 ? [second, third] : [third, second]
    await leader.page.close()
    await last.page.bringToFront()
    await last.say('alone')
    await bob.message('alone').waitFor()
    await last.message('alone', 'sent').waitFor()
    t.equal(last.traffic.open, 1)
    t.strictSame(await last.texts(), await bob.texts())
    t.strictSame([...ann.complaints, ...bob.complaints], [])
  })
})
