import t from 'tap'
import { createPerson, launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { demoPage, enterDemo } from './demo-page.js'
import { fillRoom } from './fill-room.js'

await t.test('people in the demo', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const [ann, bob] = await Promise.all([enterDemo(t, browser, demo.url, 'ann'), enterDemo(t, browser, demo.url, 'bob')])

  await t.test('see each other come, and what each is up to', async () => {
    for (const { person } of [ann, bob]) {
      await person('ann').waitFor()
      await person('bob').filter({ hasText: 'online' }).waitFor()
    }
    await bob.status.selectOption('away')
    await ann.person('bob').filter({ hasText: 'away' }).waitFor()
    await bob.status.selectOption('online')
    await ann.person('bob').filter({ hasText: 'online' }).waitFor()
  })

  await t.test('see each other type, until the message is there', async (t) => {
    await ann.composer.pressSequentially('Morning')
    await bob.typing.filter({ hasText: 'ann' }).waitFor()
    t.strictSame(await bob.texts(), [])
    await ann.composer.press('Enter')
    await bob.message('Morning', 'sent').waitFor()
    await bob.typing.filter({ hasNotText: 'ann' }).waitFor({ state: 'attached' })
  })

  await t.test('see each other stop typing without a word', async () => {
    await ann.composer.pressSequentially('Well')
    await bob.typing.filter({ hasText: 'ann' }).waitFor()
    await ann.composer.fill('')
    await bob.typing.filter({ hasNotText: 'ann' }).waitFor({ state: 'attached' })
  })

  await t.test('read the same, in the same order, whoever wrote it', async (t) => {
    await bob.say('Morning, ann')
    await ann.message('Morning, ann').waitFor()
    await ann.say('<b>bold</b> & "quoted"')
    await bob.message('<b>bold</b> & "quoted"').waitFor()
    const texts = ['Morning', 'Morning, ann', '<b>bold</b> & "quoted"']
    for (const user of [ann, bob]) {
      await user.message(texts[2] ?? '', 'sent').waitFor()
      t.strictSame(await user.texts(), texts)
    }
    t.equal(await ann.message('Morning, ann').locator('[data-author]').textContent(), 'bob')
  })

  await t.test('are told what they missed in rooms that are not open', async (t) => {
    await bob.room('random').click()
    await ann.say('Anybody?')
    await ann.say('Nobody')
    await bob.room('general', 2).waitFor()
    await bob.room('general').click()
    await bob.message('Nobody').waitFor()
    await bob.room('general', 0).waitFor()
    t.strictSame((await bob.texts()).slice(-2), ['Anybody?', 'Nobody'])
  })

  await t.test('open rooms of their own', async () => {
    for (const user of [ann, bob]) {
      await user.openRoom('Lunch')
      await user.room('lunch').waitFor()
    }
    await ann.say('Noodles?')
    await bob.message('Noodles?').waitFor()
    for (const user of [ann, bob]) await user.room('general').click()
  })

  await t.test('write to each other alone', async (t) => {
    await ann.person('bob').getByRole('button').click()
    await ann.direct('bob').waitFor()
    await ann.say('Between us')
    await bob.direct('ann', 1).waitFor()
    await bob.direct('ann').click()
    await bob.message('Between us').waitFor()
    await bob.direct('ann', 0).waitFor()
    await bob.say('Of course')
    await ann.message('Of course').waitFor()
    await bob.message('Of course', 'sent').waitFor()
    for (const user of [ann, bob]) {
      t.strictSame(await user.texts(), ['Between us', 'Of course'])
      await user.room('general').click()
      t.notOk((await user.texts()).includes('Between us'))
    }
  })

  await t.test('hear of an order that came by HTTP', async (t) => {
    t.equal((await demo.post('/orders', { item: 'Espresso', user: 'ann' })).status, 201)
    await bob.room('Live orders', 1).waitFor()
    await bob.room('Live orders').click()
    await bob.log.getByText('Espresso').waitFor()
    const news = ann.page.getByRole('status', { name: 'News' }).getByText(/Espresso is on its way/)
    await news.waitFor()
    await ann.page.getByRole('button', { name: 'Notifications' }).click()
    await ann.page.getByRole('region', { name: 'Notifications' }).getByText(/Espresso is on its way/).waitFor()
    await news.waitFor({ state: 'detached', timeout: 3_000 })
    await ann.page.keyboard.press('Escape')
    await bob.room('general').click()
  })

  await t.test('read back beyond the first page', async (t) => {
    const texts = await fillRoom(t, demo, 'library', 90)
    await bob.openRoom('library')
    await bob.message('90').waitFor()
    const first = await bob.texts()
    t.ok(first.length < 90, 'not all at once')
    t.strictSame(first, texts.slice(-first.length))

    const top = bob.message(first[0] ?? '')
    await bob.log.evaluate((log) => { Reflect.set(log, 'scrollTop', 0) })
    const before = await top.boundingBox()
    await bob.message('1').waitFor({ state: 'attached' })
    t.strictSame(await bob.texts(), texts, 'all of it, once, in order')
    const after = await top.boundingBox()
    t.ok(Math.abs((before?.y ?? 0) - (after?.y ?? Infinity)) < 40, 'what was read stays where it was')
  })

  await t.test('are told of a message that is refused, and try again or let it go', async (t) => {
    const { page } = await createPerson(t, browser)
    // The content does not arrive as it was written, as long as that is so.
    let broken = true
    await page.routeWebSocket('**/realtime', (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((text) => server.send(broken ? String(text).replace('"text"', '"txt"') : text))
    })
    const cleo = demoPage(page, demo.url)
    await cleo.enter('cleo')
    await cleo.say('second thoughts')
    await cleo.message('second thoughts', 'failed').getByRole('button', { name: 'Discard' }).click()
    await cleo.message('second thoughts').waitFor({ state: 'detached' })

    await cleo.say('third time lucky')
    const failed = cleo.message('third time lucky', 'failed')
    await failed.getByRole('button', { name: 'Retry' }).click()
    await failed.waitFor()
    broken = false
    await failed.getByRole('button', { name: 'Retry' }).click()
    for (const user of [ann, bob, cleo]) {
      await user.room('general').click()
      await user.message('third time lucky', 'sent').waitFor()
      t.equal((await user.texts()).filter((text) => /thoughts|lucky/.test(text)).length, 1)
    }
  })

  await t.test('see each other go', async (t) => {
    const gone = ann.person('bob').waitFor({ state: 'detached' })
    await bob.context.close()
    await gone
    await ann.person('ann').waitFor()
    t.strictSame([...ann.complaints, ...bob.complaints], [])
  })
})
