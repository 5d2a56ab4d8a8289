import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { createApp } from '../helpers/app.js'
import { installPackage, runNode } from '../helpers/package.js'

// What a page or a script gets of the package as it is published, found through its exports.

const folder = t.testdir({})
const home = await installPackage(folder)

interface Bundle {
  /** Files that the bundler read, from the folder of the package; others from that of the application. */
  readonly read: string[]
  /** Those of which something is left. */
  readonly kept: string[]
  readonly text: string
}

/** Bundles as a page would, with everything that is not used left out. */
async function bundle (contents: string, external: string[] = []): Promise<Bundle> {
  const { outputFiles: [script], metafile } = await build({
    stdin: { contents, resolveDir: folder, loader: 'ts' },
    absWorkingDir: folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minifySyntax: true,
    external,
    // Not this project's, which leads to the sources.
    tsconfigRaw: {},
    metafile: true,
    write: false,
    outfile: 'page.js',
    logLevel: 'silent'
  })
  const name = (path: string): string => path.replace('node_modules/fastify-realtime/dist/', '')
  const output = metafile.outputs['page.js']
  if (script === undefined || output === undefined) throw new Error('there is no bundle')
  return {
    read: Object.keys(metafile.inputs).filter((path) => path !== '<stdin>').map(name),
    kept: Object.entries(output.inputs).filter(([path, { bytesInOutput }]) => path !== '<stdin>' && bytesInOutput > 0).map(([path]) => name(path)),
    text: script.text
  }
}

const values = Object.keys(await import(pathToFileURL(join(home, 'dist/lib/client/index.js')).href))

await t.test('a bundle of the client holds the client and what it shares with the server, and nothing else', async (t) => {
  const { read, text } = await bundle("export * from 'fastify-realtime/client'")
  t.ok(read.includes('lib/client/session.js'))
  t.same(read.filter((path) => !/^lib\/(client|protocol)\//.test(path)), [])
  t.notMatch(text, /\b(require|process|Buffer)\b/, 'and nothing that only Node has')
})

await t.test('a bundle of the hooks holds them, the client, and React', async (t) => {
  const { read, kept } = await bundle("export * from 'fastify-realtime/react'", ['react'])
  t.ok(read.includes('lib/react/use-room.js'))
  t.same(read.filter((path) => !/^lib\/(react|client|protocol)\//.test(path)), [])
  t.same(kept.filter((path) => path.startsWith('lib/client/storage/')), [], 'not what stores queues')
})

await t.test('of the parts of the client only those that are used are kept', async (t) => {
  const parts = ['storage', 'tabs'].map((part) => `lib/client/${part}/`)
  for (const name of values) {
    const { kept } = await bundle(`export { ${name} } from 'fastify-realtime/client'`)
    t.ok(kept.length > 0, `${name} is there`)
    if (name === 'createClient') t.same(kept.filter((path) => parts.some((part) => path.startsWith(part))), [], `${name} brings no other part`)
    else t.notOk(kept.includes('lib/client/session.js'), `${name} does not bring the client`)
  }
  const { text } = await bundle("import 'fastify-realtime/client'; import 'fastify-realtime/react'", ['react'])
  t.notMatch(text, /function|class|=>/, 'what is not used leaves nothing')
})

await t.test('works unbundled in Node, with the package ws', async (t) => {
  const app = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, publish: 'members' } } })
  const conversation = (imports: string): string => `
    ${imports}
    async function talk () {
      const client = createClient({ url: ${JSON.stringify(app.wsUrl)}, getToken: () => ${JSON.stringify(app.token('ann'))}, WebSocket })
      const room = await client.joinRoom('chat:1')
      const heard = new Promise((resolve) => room.on('message', resolve))
      await room.send('hi')
      process.stdout.write(JSON.stringify((await heard).content))
      client.close()
    }
    talk().catch((error) => { console.error(error); process.exitCode = 1 })
  `
  const scripts = {
    'imported.mjs': "import { createClient } from 'fastify-realtime/client'; import { WebSocket } from 'ws'",
    'required.cjs': "const { createClient } = require('fastify-realtime/client'); const { WebSocket } = require('ws')"
  }
  for (const [name, imports] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), conversation(imports))
    t.same(await runNode([name], folder), { code: 0, output: '"hi"' }, name)
  }
})

await t.test('is silent where there is nothing to connect with', async (t) => {
  // What frameworks do on a server: load the module, and make a client that is to connect in the page.
  writeFileSync(join(folder, 'server.mjs'), `
    import { createClient } from 'fastify-realtime/client'
    import * as hooks from 'fastify-realtime/react'
    const client = createClient({ url: '/realtime', autoConnect: false })
    client.room('chat:1').on('message', () => {})
    process.stdout.write(client.status.state + ' ' + typeof hooks.useRoom)
  `)
  t.same(await runNode(['server.mjs'], folder), { code: 0, output: 'idle function' })
})
