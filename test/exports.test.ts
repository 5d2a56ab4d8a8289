import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import * as named from '../lib/index.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

await t.test('default, named and module.exports are one function, which carries every value', async (t) => {
  t.type(named.default, 'function')
  t.equal(named.realtime, named.default)
  t.equal(named['module.exports'], named.default)
  const values = Object.entries(named).filter(([name]) => !['default', 'realtime', 'module.exports'].includes(name))
  t.ok(values.length >= 4)
  for (const [name, value] of values) t.equal(Reflect.get(named.default, name), value, name)
  t.equal(Reflect.get(named.default, Symbol.for('fastify.display-name')), 'fastify-realtime')
  t.equal(Reflect.get(named.default, Symbol.for('skip-override')), true)
  t.match(Reflect.get(named.default, Symbol.for('plugin-meta')), { name: 'fastify-realtime', fastify: '5.x' })
})

await t.test('what is built can be required and imported, and is one thing either way', async (t) => {
  // Inside the project, so that the packages it stands on are found.
  const built = t.testdir()
  await run(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), '--outDir', built, '--noCheck', '--declaration', 'false'])
  const main = join(built, 'lib', 'index.js')

  const script = join(built, 'consumer.cjs')
  writeFileSync(script, `
    const realtime = require(${JSON.stringify(main)})
    const Fastify = require('fastify')
    const assert = require('node:assert')
    ;(async () => {
      assert.equal(typeof realtime, 'function')
      const imported = await import(${JSON.stringify(pathToFileURL(main).href)})
      assert.equal(imported.default, realtime)
      for (const [name, value] of Object.entries(imported)) {
        if (name !== 'module.exports') assert.equal(realtime[name], value, name)
      }
      const app = Fastify()
      await app.register(realtime, { auth: { secret: 'a secret of at least thirty-two bytes' }, rooms: realtime.defineRooms({ 'chat:{id}': { join: () => true } }) })
      await app.ready()
      const { position } = await app.realtime.notifyRoom('chat:1', 'n', 1)
      assert.equal(typeof position, 'string')
      assert.ok(realtime.isRefusal(new imported.Refusal('no')))
      await app.close()
      process.stdout.write('works')
    })().catch((err) => { console.error(err); process.exitCode = 1 })
  `)
  const { stdout } = await run(process.execPath, [script])
  t.equal(stdout, 'works')
})
