import t from 'tap'
import { launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { enterDemo } from './demo-page.js'

await t.test('a token that ends in the middle of a conversation', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t, { TOKEN_TTL: '5s' })])
  const [ann, bob] = await Promise.all([enterDemo(t, browser, demo.url, 'ann'), enterDemo(t, browser, demo.url, 'bob')])
  const { traffic } = ann
  const of = (type: string): number => traffic.received.filter((frame) => frame.type === type).length
  await ann.mark()

  await t.test('is renewed without the connection noticing', async (t) => {
    const renewals = []
    for (let count = 0; count < 2; count++) {
      const response = await ann.page.waitForResponse((response) => response.url().endsWith('/renew'))
      renewals.push([response.status(), response.request().postDataJSON()])
    }
    // Announced anew only because the renewal before was taken.
    t.ok(of('expiring') >= 2)
    await ann.say('still here')
    await bob.message('still here').waitFor()
    const connectionId = traffic.received.find(({ type }) => type === 'welcome')?.connectionId
    t.type(connectionId, 'string')
    t.strictSame(renewals, [[200, { connectionId }], [200, { connectionId }]])
    t.equal(traffic.sockets.length, 1)
    t.equal(traffic.open, 1)
    t.equal(of('welcome'), 1)
    t.match(await ann.banner.textContent(), /^\s*$/)
  })

  await t.test('comes back where it could not be renewed in time', async (t) => {
    const announced = of('expiring')
    await ann.page.route('**/login', (route) => route.fulfill({ status: 503 }))
    await traffic.until(() => of('expiring') > announced)
    await traffic.until(() => traffic.open === 0)
    await ann.banner.filter({ hasText: /\S/ }).waitFor()
    await ann.say('said meanwhile')
    await ann.message('said meanwhile', 'pending').waitFor()
    await ann.page.unroute('**/login')
    for (const user of [ann, bob]) await user.message('said meanwhile', 'sent').waitFor()
    await ann.banner.filter({ hasText: /^\s*$/ }).waitFor({ state: 'attached' })
    t.strictSame(await bob.texts(), ['still here', 'said meanwhile'])
    t.ok(await ann.marked())
  })

  await t.test('ends the conversation where nobody is signed in any more', async (t) => {
    await ann.page.route('**/login', (route) => route.fulfill({ status: 400, json: {} }))
    await ann.page.getByRole('textbox', { name: 'Your name' }).waitFor()
    await traffic.until(() => traffic.open === 0)
  })

  t.strictSame([...ann.complaints, ...bob.complaints], [])
})
