// Rendered on a server, in Node, and taken over in a browser, with both versions.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import type { SocketClass } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { bundle, createPerson, launchBrowser } from '../helpers/browser.js'
import { versions } from './stage.js'
import type { ReactVersion } from './stage.js'

interface ServerSide {
  readonly version: string
  render (kind: 'client' | 'options', WebSocket: SocketClass, fetch: () => never): string
}

/** The page's server side, as a server would load it: with React's build for Node. */
async function load (folder: string, react: ReactVersion): Promise<ServerSide> {
  const outfile = join(folder, `${react}.cjs`)
  const other = './test/react/react-18/node_modules'
  await build({
    absWorkingDir: fileURLToPath(new URL('../..', import.meta.url)),
    entryPoints: ['test/react/pages/ssr-server.tsx'],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    jsx: 'automatic',
    outfile,
    alias: {
      'fastify-realtime/client': './lib/client/index.ts',
      'fastify-realtime/react': './lib/react/index.ts',
      ...(react === 18 && { react: `${other}/react`, 'react-dom': `${other}/react-dom` })
    }
  })
  return createRequire(import.meta.url)(outfile)
}

const folder = t.testdir()
const browser = await launchBrowser(t)

for (const react of versions) {
  await t.test(`React ${react}`, async (t) => {
    const server = await load(folder, react)
    t.match(server.version, new RegExp(`^${react}\\.`))
    const script = await bundle('test/react/pages/ssr-client.tsx', { react })

    for (const kind of ['client', 'options'] as const) {
      await t.test(`a provider with ${kind}: nothing happens on the server, and the browser takes over`, async (t) => {
        let touched = 0
        class NoSocket {
          onopen = null
          onmessage = null
          onclose = null
          onerror = null
          constructor () { touched++ }
          send (): void {}
          close (): void {}
        }
        const complaint = t.capture(console, 'error')
        const markup = server.render(kind, NoSocket, () => {
          touched++
          throw new Error('fetched')
        })
        await new Promise((resolve) => setTimeout(resolve))
        t.equal(touched, 0)
        t.strictSame(complaint(), [])
        t.match(markup, '<p>idle joining 0 0 0 false false</p>')

        const app = await createApp(t, {
          rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: true } },
          before (app) {
            app.get('/', (_request, reply) => reply.type('text/html').send(`<!doctype html><title>test</title><link rel="icon" href="data:,"><div id="root">${markup}</div><script type="module" src="/script.js"></script>`))
            app.get('/script.js', (_request, reply) => reply.type('text/javascript').send(script))
          }
        })
        const { page, complaints } = await createPerson(t, browser)
        await page.goto(`${app.url}/#${encodeURIComponent(JSON.stringify({ wsUrl: app.wsUrl, token: app.token('ann'), kind }))}`)
        await page.waitForFunction('hydrated.view.status === "joined" && hydrated.view.members.length === 1 && hydrated.view.connected && hydrated.view.state === "connected"')
        t.match(await page.evaluate('hydrated.version'), new RegExp(`^${react}\\.`))
        t.strictSame(await page.evaluate('hydrated.errors'), [])
        t.strictSame(complaints, [])
      })
    }
  })
}
