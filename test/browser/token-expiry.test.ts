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
    const renewals: unknown[] = []
    ann.page.on('response', (response) => { if (response.url().endsWith('/renew')) renewals.push([response.status(), response.request().postDataJSON()]) })
    // The third is announced only because the second renewal was taken.
    await traffic.until(() => of('expiring') === 3)
    await ann.say('still here')
    await bob.message('still here').waitFor()
    const connectionId = traffic.received.find(({ type }) => type === 'welcome')?.connectionId
    t.type(connectionId, 'string')
    t.strictSame(renewals.slice(0, 2), [[200, { connectionId }], [200, { connectionId }]])
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
    const sockets = traffic.sockets.length
    // Long enough for a next attempt: the one who is still signed in is asked for another token meanwhile.
    const received = bob.traffic.received.length
    await bob.traffic.until(() => bob.traffic.received.slice(received).some(({ type }) => type === 'expiring'))
    t.equal(traffic.sockets.length, sockets)
  })

  t.strictSame([...ann.complaints, ...bob.complaints], [])
})
