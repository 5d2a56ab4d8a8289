import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'
import { createPerson } from '../helpers/browser.js'
import type { Person } from '../helpers/browser.js'
import { recordTraffic } from './traffic.js'
import type { Traffic } from './traffic.js'

/** The demo in one tab, as somebody sees it who reads names and roles. */
export interface DemoPage {
  readonly page: Page
  /** What goes over its sockets. */
  readonly traffic: Traffic
  readonly log: Locator
  readonly banner: Locator
  /** Resolves with two readings of the banner's countdown to one and the same try, the second smaller. */
  countdown (): Promise<readonly [number, number]>
  readonly composer: Locator
  readonly typing: Locator
  readonly status: Locator
  /** Goes to the demo and signs in. */
  enter (name: string): Promise<void>
  /** The button of a room, or of a conversation with somebody; with so many unread messages, where that is given. */
  room (name: string, unread?: number): Locator
  direct (name: string, unread?: number): Locator
  /** Somebody among the people in the room. */
  person (name: string): Locator
  /** A message by its text: exactly this. Waiting for it fails where there are two. */
  message (text: string, state?: 'pending' | 'sent' | 'failed'): Locator
  /** All messages on the screen, in order. */
  texts (): Promise<string[]>
  say (text: string): Promise<void>
  openRoom (name: string): Promise<void>
  /** From now on a reload of the page does not go unnoticed. */
  mark (): Promise<void>
  marked (): Promise<boolean>
}

/** While it tries, the banner shows no number: one behind that belongs to the next try. */
const COUNTDOWN = `new Promise((resolve, reject) => {
  const banner = document.querySelector('[role=status][aria-label=Connection]')
  let before = NaN
  function look () {
    const now = Number(/(\\d+)\\s?s/.exec(banner.textContent)?.[1])
    if (now < before) resolve([before, now])
    before = now
  }
  new MutationObserver(look).observe(banner, { subtree: true, childList: true, characterData: true })
  look()
  setTimeout(() => reject(new Error('it does not count down')), 20_000)
})`

export function demoPage (page: Page, url: string): DemoPage {
  const messages = page.locator('[data-message]')
  const rooms = page.getByRole('navigation', { name: 'Rooms' })
  const directs = page.getByRole('navigation', { name: 'Direct messages' })
  const composer = page.getByRole('textbox', { name: 'Message', exact: true })
  return {
    page,
    traffic: recordTraffic(page),
    log: page.getByRole('log', { name: 'Messages' }),
    banner: page.getByRole('status', { name: 'Connection' }),
    countdown: () => page.evaluate(COUNTDOWN),
    composer,
    typing: page.locator('[data-typing]'),
    status: page.getByRole('combobox', { name: 'Your status' }),
    async enter (name) {
      await page.goto(url)
      await page.getByRole('textbox', { name: 'Your name' }).fill(name)
      await page.getByRole('button', { name: 'Enter' }).click()
      await page.getByRole('log', { name: 'Messages' }).waitFor()
    },
    room: (name, unread) => rooms.getByRole('button', { name: titled(name, unread) }),
    direct: (name, unread) => directs.getByRole('button', { name: titled(name, unread) }),
    person: (name) => page.getByRole('complementary', { name: 'People' }).getByRole('listitem').filter({ hasText: name }),
    message: (text, state) => page.locator(state === undefined ? '[data-message]' : `[data-message][data-state="${state}"]`)
      .filter({ has: page.locator('[data-text]').filter({ hasText: new RegExp(`^\\s*${escape(text)}\\s*$`) }) }),
    texts: () => messages.locator('[data-text]').allTextContents(),
    async say (text) {
      await composer.fill(text)
      await page.getByRole('button', { name: 'Send' }).click()
    },
    async openRoom (name) {
      await page.getByRole('textbox', { name: 'Room name' }).fill(name)
      await page.getByRole('button', { name: 'Join' }).click()
    },
    mark: () => page.evaluate(() => { Reflect.set(globalThis, 'marked', true) }),
    marked: () => page.evaluate(() => Reflect.get(globalThis, 'marked') === true)
  }
}

/** Somebody with a browser of their own, signed in to the demo. */
export interface DemoUser extends Person, DemoPage {
  readonly page: Page
}

export async function enterDemo (t: Test, browser: Browser, url: string, name: string, options?: BrowserContextOptions): Promise<DemoUser> {
  const person = await createPerson(t, browser, options)
  const user = { ...person, ...demoPage(person.page, url) }
  await user.enter(name)
  return user
}

function escape (text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function titled (name: string, unread?: number): RegExp {
  const rest = unread === undefined ? '(?: .*)?' : unread === 0 ? '' : ` ${unread} unread`
  return new RegExp(`^${escape(name)}${rest}$`)
}
