import t from 'tap'
import { launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { enterDemo } from './demo-page.js'

await t.test('the server dies', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const ann = await enterDemo(t, browser, demo.url, 'ann')
  const bob = await enterDemo(t, browser, demo.url, 'bob')
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
    await ann.say('second')
    for (const text of ['first', 'second']) await ann.message(text, 'pending').waitFor()
    t.strictSame(await ann.texts(), ['before', 'first', 'second'])
    t.strictSame(await bob.texts(), ['before'])
  })

  await t.test('and arrives once it is back: exactly once, in order, at everybody, without a reload', async (t) => {
    await demo.start()
    for (const user of users) {
      for (const text of ['first', 'second']) await user.message(text, 'sent').waitFor()
      await user.banner.filter({ hasText: /^\s*$/ }).waitFor({ state: 'attached' })
    }
    // Behind it nothing can be on its way any more.
    await bob.say('third')
    for (const user of users) {
      await user.message('third', 'sent').waitFor()
      t.strictSame(await user.texts(), ['before', 'first', 'second', 'third'])
      t.ok(await user.marked())
      t.equal(await user.page.locator('[data-gap]').count(), 1, 'it forgot what was said before, and that is told')
    }
  })

  await t.test('as often as it happens', async (t) => {
    await demo.kill()
    await bob.say('fourth')
    await ann.say('fifth')
    await bob.message('fourth', 'pending').waitFor()
    await ann.message('fifth', 'pending').waitFor()
    await demo.start()
    for (const user of users) {
      for (const text of ['fourth', 'fifth']) await user.message(text, 'sent').waitFor()
      const texts = await user.texts()
      t.strictSame(texts.slice(0, 4), ['before', 'first', 'second', 'third'])
      t.strictSame(texts.slice(4).sort(), ['fifth', 'fourth'])
      t.ok(await user.marked())
    }
    t.strictSame(await ann.texts(), await bob.texts())
  })

  t.strictSame(users.flatMap(({ complaints }) => complaints), [])
})
