import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { FastifyInstance } from 'fastify'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { findProgram } from '../../scripts/provision.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Debian's Chromium, without whatever it would like to tell its makers. */
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage'
]

export interface BrowserOptions {
  /** Keep pages that were left, and bring them back as they were: what browsers do, and drivers switch off. */
  readonly backForwardCache?: boolean
}

/** A browser for a test file, ended with the test. Contexts (`newContext`) are people: they share no cookies and no storage. */
export async function launchBrowser (t: Test, { backForwardCache = false }: BrowserOptions = {}): Promise<Browser> {
  const executablePath = findProgram('chromium')
  // Not a reason to skip: what is tested here is tested nowhere else.
  if (executablePath === undefined) throw new Error('Chromium is missing, see scripts/provision.js')
  const browser = await chromium.launch({
    executablePath, args: FLAGS, ...(backForwardCache && { ignoreDefaultArgs: ['--disable-back-forward-cache'] })
  })
  t.teardown(() => browser.close())
  return browser
}

export interface Person {
  readonly context: BrowserContext
  readonly page: Page
  /** Errors that nobody caught and lines of `console.error`, of every page of the context. */
  readonly complaints: string[]
  /** Another tab of the same browser. */
  tab (): Promise<Page>
}

/** Somebody with a browser of their own, on an empty page. */
export async function createPerson (t: Test, browser: Browser, options?: BrowserContextOptions): Promise<Person> {
  const context = await browser.newContext(options)
  // Several that wait in vain, and what the pages showed, have to fit into the time of a test file.
  context.setDefaultTimeout(20_000)
  t.teardown(() => context.close())
  const complaints: string[] = []
  t.teardown(async () => {
    if (t.passing()) return
    for (const page of context.pages()) t.comment(`${page.url()}\n${await page.locator('body').ariaSnapshot()}`)
    for (const complaint of complaints) t.comment(complaint)
  })
  context.on('weberror', (webError) => complaints.push(String(webError.error())))
  context.on('console', (message) => {
    // A server that is not there is an error in the console of every browser, whatever the page makes of it.
    if (message.type() === 'error' && !/ERR_CONNECTION_REFUSED|WebSocket connection to|Failed to load resource/.test(message.text())) complaints.push(message.text())
  })
  return { context, page: await context.newPage(), complaints, tab: () => context.newPage() }
}

export interface BundleOptions {
  /** Which React the bundle is made with. */
  readonly react?: 18 | 19
  /** Values that stand for names in the source. */
  readonly define?: Readonly<Record<string, string>>
}

/** A script for a page: the file (from the root of the project) and what it imports; the package is the source in lib. */
export async function bundle (entry: string, { react = 19, define }: BundleOptions = {}): Promise<string> {
  const other = 'test/react/react-18/node_modules'
  const { outputFiles: [script] } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    jsx: 'automatic',
    sourcemap: 'inline',
    write: false,
    alias: {
      'fastify-realtime/client': './lib/client/index.ts',
      'fastify-realtime/react': './lib/react/index.ts',
      ...(react === 18 && { react: `./${other}/react`, 'react-dom': `./${other}/react-dom` })
    },
    define: { 'process.env.NODE_ENV': '"development"', ...define }
  })
  if (script === undefined) throw new Error(`${entry} made no script`)
  return script.text
}

/** Serves a script with an empty page around it: `before` or `after` of `createApp`. */
export function servePage (app: FastifyInstance, path: string, script: string): void {
  const name = `${path.replace(/\/$/, '')}/script.js`
  app.get(path, (_request, reply) => reply.type('text/html').send(
    `<!doctype html><html lang="en"><title>test</title><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="${name}"></script></html>`
  ))
  app.get(name, (_request, reply) => reply.type('text/javascript').send(script))
}
