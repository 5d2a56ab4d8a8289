import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import t from 'tap'
import type { Locator, Page } from 'playwright-core'
import { createPerson, launchBrowser } from '../helpers/browser.js'
import { startDemo } from './demo-server.js'
import { demoPage, enterDemo } from './demo-page.js'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** With it the pictures of the README are written anew: PICTURES=1 npx tap test/browser/accessibility.test.ts */
const pictures = process.env.PICTURES !== undefined

async function picture (page: Page, name: string): Promise<void> {
  if (pictures) await page.screenshot({ path: `docs/${name}.png`, animations: 'disabled', caret: 'hide' })
}

/** What axe-core finds that keeps people out: each as its rule and where. */
async function obstacles (page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target.join(' ') + ' ' + failureSummary)))`)
}

await t.test('the demo, for everybody', async (t) => {
  const [browser, demo] = await Promise.all([launchBrowser(t), startDemo(t)])
  const desktop = { viewport: { width: 1180, height: 680 } }
  const phone = { viewport: { width: 390, height: 700 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

  await t.test('can be used with a keyboard alone', async (t) => {
    const person = await createPerson(t, browser, desktop)
    const cleo = demoPage(person.page, demo.url)
    const { keyboard } = cleo.page
    const bob = await enterDemo(t, browser, demo.url, 'bob')
    /** Goes on with Tab until there. */
    const tabTo = async (target: Locator): Promise<void> => {
      const focused = target.and(cleo.page.locator(':focus'))
      for (let presses = 0; await focused.count() === 0; presses++) {
        if (presses === 60) throw new Error(`${target} cannot be reached`)
        await keyboard.press('Tab')
      }
    }

    await cleo.page.goto(demo.url)
    await cleo.page.getByRole('textbox', { name: 'Your name' }).and(cleo.page.locator(':focus')).waitFor()
    await keyboard.type('cleo')
    await keyboard.press('Enter')
    await cleo.log.waitFor()

    await tabTo(cleo.page.getByRole('textbox', { name: 'Room name' }))
    await keyboard.type('lunch')
    await keyboard.press('Enter')
    await bob.openRoom('lunch')
    await tabTo(cleo.composer)
    await keyboard.type('Noodles?')
    await keyboard.press('Enter')
    await bob.message('Noodles?').waitFor()

    await tabTo(cleo.person('bob').getByRole('button'))
    await keyboard.press('Enter')
    await cleo.direct('bob').waitFor()
    await tabTo(cleo.composer)
    await keyboard.type('At noon?')
    await keyboard.press('Enter')
    await bob.direct('cleo', 1).waitFor()
    await tabTo(cleo.room('general'))
    await keyboard.press('Space')
    await tabTo(cleo.log)
    await tabTo(cleo.page.getByRole('button', { name: 'Sign out' }))
    await keyboard.press('Enter')
    await cleo.page.getByRole('textbox', { name: 'Your name' }).waitFor()
    await person.context.close()
    await bob.context.close()
  })

  const guest = await createPerson(t, browser, desktop)
  await guest.page.goto(demo.url)
  for (const colorScheme of ['light', 'dark'] as const) {
    await t.test(`signing in, ${colorScheme}`, async (t) => {
      await guest.page.emulateMedia({ colorScheme })
      await guest.page.getByRole('textbox', { name: 'Your name' }).waitFor()
      t.strictSame(await obstacles(guest.page), [])
    })
  }

  const [ann, handheld, bob, eve] = await Promise.all([
    enterDemo(t, browser, demo.url, 'ann', desktop),
    enterDemo(t, browser, demo.url, 'dora', phone),
    enterDemo(t, browser, demo.url, 'bob'),
    enterDemo(t, browser, demo.url, 'eve')
  ])
  await eve.status.selectOption('away')
  // What there is to see in every state of the page.
  for (const [user, text] of [
    [bob, 'Morning! The release is out.'],
    [ann, 'Saw it. Nobody was cut off this time?'],
    [bob, 'Two nodes rolled, every tab came back by itself'],
    [bob, 'and not a message twice.'],
    [eve, 'Then I owe you both a coffee.']
  ] as const) {
    await user.say(text)
    for (const reader of [ann, bob, eve, handheld]) await reader.message(text, 'sent').waitFor()
  }
  await demo.post('/orders', { item: 'Flat white', user: 'ann' })
  await ann.room('Live orders', 1).waitFor()
  await bob.person('ann').getByRole('button').click()
  await bob.say('Lunch at noon?')
  await ann.direct('bob', 1).waitFor()
  await bob.room('general').click()
  await bob.room('random').click()
  await bob.say('Anybody up for chess?')
  await ann.room('random', 1).waitFor()
  await bob.room('general').click()
  await bob.composer.pressSequentially('With')
  await ann.typing.filter({ hasText: 'bob' }).waitFor()

  for (const colorScheme of ['light', 'dark'] as const) {
    await t.test(`people talking, ${colorScheme}`, async (t) => {
      await ann.page.emulateMedia({ colorScheme })
      await picture(ann.page, colorScheme === 'light' ? 'chat' : 'chat-dark')
      t.strictSame(await obstacles(ann.page), [])
    })
  }

  await t.test('orders, and messages between two', async (t) => {
    await ann.room('Live orders').click()
    await ann.log.getByText('Flat white').waitFor()
    t.strictSame(await obstacles(ann.page), [])
    await ann.direct('bob').click()
    await ann.message('Lunch at noon?').waitFor()
    t.strictSame(await obstacles(ann.page), [])
    await ann.room('general').click()
  })

  await bob.composer.fill('')

  await t.test('a message that was refused', async (t) => {
    await ann.room('coffee').click()
    // Longer than the demo's server takes.
    await ann.say('x'.repeat(2001))
    await ann.page.getByRole('button', { name: 'Retry' }).waitFor()
    t.strictSame(await obstacles(ann.page), [])
    await ann.page.emulateMedia({ colorScheme: 'light' })
    t.strictSame(await obstacles(ann.page), [])
    await ann.page.getByRole('button', { name: 'Discard' }).click()
    await ann.room('general').click()
  })

  await t.test('on a phone', async (t) => {
    t.strictSame(await obstacles(handheld.page), [])
    await handheld.page.emulateMedia({ colorScheme: 'dark' })
    t.strictSame(await obstacles(handheld.page), [])
    await handheld.page.emulateMedia({ colorScheme: 'light' })
    const sideways = await handheld.page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
    t.notOk(sideways, 'nothing has to be scrolled sideways')
  })

  await t.test('panels that slide in, and can be closed by whoever is in one', async (t) => {
    const { page } = handheld
    const focused = page.locator(':focus')
    for (const [name, id, beside] of [[/^People/, 'people', 10], [/^Conversations/, 'sidebar', 380]] as const) {
      const opener = page.getByRole('button', { name })
      const panel = page.locator(`#${id}`)
      const close = panel.getByRole('button', { name: /^Close/ })
      await opener.tap()
      await close.and(focused).waitFor()
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme })
        t.strictSame(await obstacles(page), [])
      }
      for (let presses = 0; presses < 20; presses++) {
        await page.keyboard.press('Tab')
        const behind = await page.locator(`:focus:not(#${id} *)`).count()
        if (behind > 0) t.fail(`${presses + 1} times Tab lead behind ${id}`)
      }
      await close.tap()
      await opener.and(focused).waitFor()

      await opener.press('Enter')
      await close.and(focused).waitFor()
      await page.keyboard.press('Escape')
      await opener.and(focused).waitFor()

      await opener.tap()
      await close.and(focused).waitFor()
      await page.locator('.backdrop').tap({ position: { x: beside, y: 300 } })
      await opener.and(focused).waitFor()
      await panel.waitFor({ state: 'hidden' })
    }
  })

  await t.test('panels that have room again', async (t) => {
    const { page } = handheld
    await page.getByRole('button', { name: /^Conversations/ }).tap()
    // Here one of the two has room.
    await page.setViewportSize({ width: 800, height: 700 })
    await page.getByRole('button', { name: /^People/ }).tap()
    await page.locator('#people').getByRole('button', { name: /^Close/ }).and(page.locator(':focus')).waitFor()
    t.equal(await page.locator('main[inert], #sidebar[inert]').count(), 2)
    t.strictSame(await obstacles(page), [])
    await page.setViewportSize({ width: 1180, height: 700 })
    await page.getByRole('button', { name: /^Close/ }).waitFor({ state: 'hidden' })
    await handheld.room('general').click()
    t.strictSame(await page.locator('[inert]').count(), 0)
    await page.setViewportSize(phone.viewport)
  })

  await t.test('notifications', async (t) => {
    for (const { page } of [ann, handheld]) {
      const opener = page.getByRole('button', { name: 'Notifications' })
      await opener.click()
      await page.getByRole('region', { name: 'Notifications' }).waitFor()
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme })
        t.strictSame(await obstacles(page), [])
      }
      await page.keyboard.press('Escape')
      await page.getByRole('region', { name: 'Notifications' }).waitFor({ state: 'hidden' })
    }
  })

  await t.test('without a connection', async (t) => {
    await demo.kill()
    await ann.banner.filter({ hasText: /\S/ }).waitFor()
    await ann.say('Make it two')
    await handheld.banner.filter({ hasText: /\S/ }).waitFor()
    await handheld.say('On the train, through a tunnel. Count me in!')
    await handheld.message('On the train, through a tunnel. Count me in!', 'pending').waitFor()
    await handheld.banner.filter({ hasText: '1 message waiting. Next try' }).waitFor()
    await picture(handheld.page, 'chat-phone')
    t.strictSame(await obstacles(ann.page), [])
    t.strictSame(await obstacles(handheld.page), [])
    await ann.page.emulateMedia({ colorScheme: 'dark' })
    t.strictSame(await obstacles(ann.page), [])
  })
})
