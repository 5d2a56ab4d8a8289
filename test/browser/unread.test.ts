import t from 'tap'
import { createPerson, launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { demoPage, enterDemo } from './demo-page.js'

const MINUTE = 60_000

await t.test('unread messages in the demo', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const ann = await enterDemo(t, browser, demo.url, 'ann')
  await ann.room('random').click()
  await ann.say('old')
  await ann.message('old', 'sent').waitFor()

  for (const [name, off] of [['fast', 10 * MINUTE], ['slow', -10 * MINUTE], ['punctual', 0]] as const) {
    await t.test(`are those since the last look, for somebody whose clock is ${name}`, async (t) => {
      const person = await createPerson(t, browser)
      await person.context.clock.install({ time: Date.now() + off })
      const visitor = demoPage(person.page, demo.url)
      await visitor.enter(name)
      const { sent, received, until } = visitor.traffic
      // In all rooms.
      await until(() => JSON.stringify(sent).includes('chat:coffee') && sent.every(({ id }) => received.some((frame) => frame.id === id)))

      // Two rooms that nobody has looked at: one has messages, and the other has none when the first of these comes.
      await ann.say(`newer than ${name}`)
      await ann.say(`newest for ${name}`)
      await visitor.room('random', 2).waitFor()
      await ann.room('coffee').click()
      await ann.say(`a cup for ${name}`)
      await visitor.room('coffee', 1).waitFor()

      await visitor.room('random').click()
      await visitor.message(`newest for ${name}`).waitFor()
      await visitor.room('random', 0).waitFor()
      await visitor.say(`${name} was here`)
      await visitor.message(`${name} was here`, 'sent').waitFor()
      await visitor.room('general').click()
      await ann.room('random').click()
      await ann.say(`too late for ${name}`)
      await visitor.room('random', 1).waitFor()
      await visitor.page.reload()
      await visitor.room('random', 1).waitFor()
      await visitor.room('coffee', 1).waitFor()
      t.strictSame(person.complaints, [])
      await person.context.close()
    })
  }

  await t.test('are read in all tabs when they are in one', async (t) => {
    const twice = await enterDemo(t, browser, demo.url, 'twice')
    const other = demoPage(await twice.tab(), demo.url)
    await other.enter('twice')
    await ann.room('random').click()
    await ann.say('to both')
    await ann.room('coffee').click()
    await ann.say('for two')
    for (const tab of [twice, other]) for (const room of ['random', 'coffee']) await tab.room(room, 1).waitFor()

    await twice.room('random').click()
    await other.room('random', 0).waitFor()
    await other.room('coffee').click()
    await twice.room('coffee', 0).waitFor()
    await twice.page.reload()
    await twice.message('to both').waitFor()
    for (const room of ['random', 'coffee']) await twice.room(room, 0).waitFor()
    t.strictSame(twice.complaints, [])
  })
})
