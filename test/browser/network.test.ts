import t from 'tap'
import { launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { enterDemo } from './demo-page.js'

await t.test('a browser without a network', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t, { backForwardCache: true }), startDemo(t)])
  const [ann, bob] = await Promise.all([enterDemo(t, browser, demo.url, 'ann'), enterDemo(t, browser, demo.url, 'bob')])
  const written: string[] = []

  async function both (...texts: string[]): Promise<void> {
    written.push(...texts)
    for (const user of [ann, bob]) {
      for (const text of texts) await user.message(text, 'sent').waitFor()
      t.strictSame(await user.texts(), written)
    }
  }
  await ann.say('before')
  await both('before')
  await ann.mark()

  await t.test('that comes back in a moment loses nothing, nor its connection', async (t) => {
    await ann.context.setOffline(true)
    await ann.say('into the void')
    await bob.say('out of it')
    await ann.message('into the void', 'pending').waitFor()
    await bob.message('out of it', 'sent').waitFor()
    await ann.context.setOffline(false)
    await bob.message('into the void').waitFor()
    await both('out of it', 'into the void')
    t.equal(ann.traffic.sockets.length, 1)
  })

  await t.test('that stays away is noticed, and what was written meanwhile goes when it is back', async (t) => {
    await ann.context.setOffline(true)
    await ann.say('first')
    await ann.banner.filter({ hasText: /\S/ }).waitFor()
    await ann.say('second')
    await bob.say('from outside')
    await bob.message('from outside', 'sent').waitFor()
    await ann.context.setOffline(false)
    for (const text of ['from outside', 'first', 'second']) await ann.message(text, 'sent').waitFor()
    await bob.message('second').waitFor()
    await both('from outside', 'first', 'second')
    await ann.banner.filter({ hasText: /^\s*$/ }).waitFor({ state: 'attached' })
    t.ok(ann.traffic.sockets.length > 1)
    t.equal(ann.traffic.open, 1)
    t.ok(await ann.marked())
  })

  await t.test('a page that somebody comes back to goes on', async (t) => {
    await ann.page.goto(`${demo.url}/realtime/health`)
    await bob.say('while away')
    await bob.message('while away', 'sent').waitFor()
    // A page out of the cache is not loaded.
    await ann.page.goBack({ waitUntil: 'commit' })
    await ann.message('while away').waitFor()
    t.ok(await ann.marked(), 'it is the same page')
    await ann.say('back again')
    await both('while away', 'back again')
    t.equal(await demo.connections(), 2)
  })

  t.strictSame([...ann.complaints, ...bob.complaints], [])
})
