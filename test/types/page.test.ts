import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compile, everyCompiler, install, loadedFiles, PATIENCE, writeProgram } from './compile.js'

t.setTimeout(PATIENCE)

/** No DOM either. */
const BARE = { lib: ['es2022'], types: [], preserveSymlinks: true, exactOptionalPropertyTypes: true, skipLibCheck: false }

/** Whatever a server stands on, and this package's own part of it. */
const SERVER = /node_modules\/(fastify|@fastify|@types\/node|@types\/ws|ws|pino|undici-types)\/|fastify-realtime\/dist\/lib\/(?!client\/|react\/|protocol\/)|fastify-realtime\/dist\/types\/fastify/

// Pages have no Fastify and no Node types, and a folder inside this project would find those of the project.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fastify-realtime-page-')))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
await install(folder)
link('@sinclair/typebox')
link('@types/react')
link('csstype')

function link (name: string): void {
  const to = join(folder, 'node_modules', name)
  mkdirSync(dirname(to), { recursive: true })
  symlinkSync(fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)), to, 'dir')
}

/** The entries for pages, each by itself, and applications that use them. */
const entries = { api: 'dist/types/api.d.ts', client: 'dist/lib/client/index.d.ts', react: 'dist/lib/react/index.d.ts' }
const programs = Object.entries(entries).map(([name, file]) => {
  writeProgram(join(folder, `entry-${name}`), [`../node_modules/fastify-realtime/${file}`], { ...BARE, module: 'esnext', moduleResolution: 'bundler' })
  return `entry-${name}`
})
programs.push('api', 'page')

for (const program of programs) {
  await t.test(program, { timeout: PATIENCE }, async (t) => {
    const runs = everyCompiler.map((compiler) => ({ compiler, compilation: compile(compiler, folder, ['-p', program, '--listFiles']) }))
    for (const { compiler, compilation } of runs) {
      const { errors, output } = await compilation
      t.same(errors, [], `compiles on TypeScript ${compiler}, with nothing skipped`)
      const files = loadedFiles(output, folder)
      t.ok(files.some((file) => file.includes('fastify-realtime/dist/')), 'it is this package that was loaded')
      t.same(files.filter((file) => SERVER.test(file)), [], `loads nothing of a server on TypeScript ${compiler}`)
    }
  })
}
