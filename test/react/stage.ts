import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { bundle, createPerson, launchBrowser, servePage } from '../helpers/browser.js'
import type { Person } from '../helpers/browser.js'
import { listen } from '../helpers/server.js'

export const versions = [18, 19] as const
export type ReactVersion = typeof versions[number]

/** What a page connects to. */
export interface Target {
  readonly wsUrl: string
  token (userId: string): string
}

export interface SceneOptions {
  readonly react: ReactVersion
  readonly scene: string
  readonly userId?: string
  readonly strict?: boolean
}

/** A page that shows a scene; what it is asked are expressions that run there. */
export interface Scene extends Person {
  read<Value> (expression: string): Promise<Value>
  /** Resolves once the expression is true. */
  until (expression: string): Promise<void>
  run (statement: string): Promise<void>
  /** Shows another scene in place of this one. */
  show (name: string): Promise<void>
}

export interface Theatre {
  open (t: Test, target: Target, options: SceneOptions): Promise<Scene>
}

/** A browser, and a page (a file of `pages`) made with both versions of React, whose scenes are opened one at a time. */
export async function createTheatre (t: Test, name: string): Promise<Theatre> {
  const [browser, ...scripts] = await Promise.all([
    launchBrowser(t), ...versions.map((react) => bundle(`test/react/pages/${name}.tsx`, { react }))
  ])
  const app: FastifyInstance = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  versions.forEach((react, index) => servePage(app, `/${react}`, scripts[index] ?? ''))
  const origin = `http://127.0.0.1:${await listen(t, app)}`

  return {
    async open (t, target, { react, scene, userId = 'ann', strict = false }) {
      const person = await createPerson(t, browser)
      const { page } = person
      const parameters = { wsUrl: target.wsUrl, token: target.token(userId), strict, scenario: scene }
      await page.goto(`${origin}/${react}#${encodeURIComponent(JSON.stringify(parameters))}`)
      await settled(page)
      const version = await page.evaluate<string>('stage.version')
      t.match(version, new RegExp(`^${react}\\.`), `runs React ${react}`)
      return {
        ...person,
        read: (expression) => page.evaluate(expression),
        // What is not there yet is not true yet.
        until: async (expression) => {
          await page.waitForFunction(`(() => { try { return ${expression} } catch {} })()`, undefined, { timeout: 10_000 })
        },
        run: async (statement) => { await page.evaluate(`void (${statement})`) },
        show: async (name) => { await page.evaluate(`stage.show(${JSON.stringify(name)})`) }
      }
    }
  }
}

async function settled (page: Page): Promise<void> {
  await page.waitForFunction('window.stage !== undefined')
}
