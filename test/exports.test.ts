import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import * as named from '../lib/index.js'
import { installPackage, runNode } from './helpers/package.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

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

const folder = t.testdir({})
const home = await installPackage(folder)
const { exports: entries }: { exports: Record<string, string | { types: string, default: string }> } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))

await t.test('what is built can be required and imported, and is one thing either way', async (t) => {
  writeFileSync(join(folder, 'consumer.cjs'), `
    const realtime = require('fastify-realtime')
    const Fastify = require('fastify')
    const assert = require('node:assert')
    ;(async () => {
      assert.equal(typeof realtime, 'function')
      const imported = await import('fastify-realtime')
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
  t.same(await runNode(['consumer.cjs'], folder), { code: 0, output: 'works' })
})

await t.test('every entry is there, with its types', (t) => {
  for (const [name, entry] of Object.entries(entries)) {
    for (const file of typeof entry === 'string' ? [entry] : [entry.types, entry.default]) t.ok(existsSync(join(home, file)), `${name}: ${file}`)
  }
  t.end()
})

await t.test('every script that is built has a map, with the source in it', (t) => {
  const scripts = readdirSync(join(home, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))
  t.ok(scripts.length > 50)
  for (const name of scripts) {
    const text = readFileSync(join(home, 'dist', name), 'utf8')
    t.match(text, new RegExp(`^//# sourceMappingURL=${basename(name)}\\.map$`, 'm'), name)
    const map: { sources: string[], sourcesContent: string[] } = JSON.parse(readFileSync(join(home, 'dist', `${name}.map`), 'utf8'))
    t.same(map.sourcesContent, [readFileSync(join(root, name.replace(/\.js$/, '.ts')), 'utf8')], name)
  }
  t.end()
})

await t.test('what is packed is the build, the documents, and nothing of the machine it was made on', async (t) => {
  // Without the scripts: they would build once more, over what others use.
  const { stdout } = await run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: home })
  const [packed]: Array<{ files: Array<{ path: string }> }> = JSON.parse(stdout)
  const files = packed?.files.map(({ path }) => path) ?? []
  const kinds = [/^(package\.json|README\.md|LICENSE)$/, /^docs\/[a-z]+\.md$/, /^dist\/(lib|types)\/.*\.(js|js\.map|d\.ts)$/, /^dist\/lib\/bridge\/redis\/scripts\/[a-z-]+\.lua$/]
  t.same(files.filter((path) => !kinds.some((kind) => kind.test(path))), [], 'nothing else')
  for (const kind of kinds) t.ok(files.some((path) => kind.test(path)), String(kind))
  for (const document of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))) t.ok(files.includes(`docs/${document}`), document)
  const machine = [root, homedir()].filter((path) => path.length > 1)
  for (const path of files) {
    const text = readFileSync(join(home, path), 'utf8')
    if (machine.some((place) => text.includes(place))) t.fail(`${path} names a place on this machine`)
  }
})
