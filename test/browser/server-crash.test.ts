import t from 'tap'
import { launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { enterDemo } from './demo-page.js'

await t.test('the server dies', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const [ann, bob] = await Promise.all([enterDemo(t, browser, demo.url, 'ann'), enterDemo(t, browser, demo.url, 'bob')])
  const users = [ann, bob]
  await ann.say('before')
  for (const user of users) {
    await user.message('before', 'sent').waitFor()
    await user.mark()
  }

  await t.test('what is written meanwhile waits, and the page says so', async (t) => {
    await demo.kill()
    for (const { banner } of users) await banner.filter({ hasText: /\d+\s?s/ }).waitFor()
    await ann.say('first')
    await bob.say('from bob')
    await ann.say('second')
    for (const text of ['first', 'second']) await ann.message(text, 'pending').waitFor()
    await bob.message('from bob', 'pending').waitFor()
    t.strictSame(await ann.texts(), ['before', 'first', 'second'])
    t.strictSame(await bob.texts(), ['before', 'from bob'])
    const [earlier, later] = await ann.countdown()
    t.ok(later < earlier, `it counts down to the next try: ${earlier} s, ${later} s`)
  })

  await t.test('and arrives once it is back: exactly once, in order, at everybody, without a reload', async (t) => {
    await demo.start()
    for (const user of users) {
      for (const text of ['first', 'second', 'from bob']) await user.message(text, 'sent').waitFor()
      await user.banner.filter({ hasText: /^\s*$/ }).waitFor({ state: 'attached' })
    }
    // Behind it nothing can be on its way any more.
    await bob.say('after')
    for (const user of users) {
      await user.message('after', 'sent').waitFor()
      const texts = await user.texts()
      t.strictSame(texts.filter((text) => text !== 'from bob'), ['before', 'first', 'second', 'after'])
      t.strictSame(texts, await ann.texts(), 'the same everywhere')
      t.equal(texts.length, 5)
      t.equal(await user.page.locator('[data-gap]').count(), 1, 'it forgot what was said before, and that is told')
      t.ok(await user.marked())
    }
  })

  t.strictSame(users.flatMap(({ complaints }) => complaints), [])
})
