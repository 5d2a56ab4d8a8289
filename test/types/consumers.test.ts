import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compile, everyCompiler, install, PATIENCE } from './compile.js'
import type { Compilation, Compiler } from './compile.js'

t.setTimeout(PATIENCE)

type Format = 'nodenext' | 'bundler' | 'commonjs'

const formats: readonly Format[] = ['nodenext', 'bundler', 'commonjs']

const overrides: Record<Format, readonly string[]> = {
  nodenext: [],
  bundler: ['--module', 'esnext', '--moduleResolution', 'bundler'],
  commonjs: []
}

// A package with inferred types publishes its declarations, another one uses them. What the compiler cannot name through the root of
// fastify-realtime is an error for the first (TS2883) or `any` for the second.
await t.test('declarations of applications', { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  await install(folder)
  const runs = everyCompiler.flatMap((compiler) => formats.map((format) => ({
    compiler, format, published: publish(folder, compiler, format)
  })))
  for (const { compiler, format, published } of runs) {
    await t.test(`${format} on TypeScript ${compiler}`, async (t) => {
      const { server, downstream } = await published
      t.same(server.errors, [], 'the server emits')
      t.same(downstream.errors, [], 'another package gets the full types')
    })
  }
})

async function publish (folder: string, compiler: Compiler, format: Format): Promise<Record<'server' | 'downstream', Compilation>> {
  const home = join(folder, `${compiler}-${format}`)
  const server = join(home, 'node_modules/server')
  mkdirSync(server, { recursive: true })
  cpSync(join(folder, 'server'), server, { recursive: true })
  cpSync(join(folder, 'downstream'), join(home, 'downstream'), { recursive: true })
  if (format === 'commonjs') {
    cpSync(join(folder, 'commonjs'), server, { recursive: true })
    writeFileSync(join(server, 'package.json'), '{ "name": "server", "type": "commonjs", "exports": { "types": "./dist/server.d.ts" } }')
  }
  return {
    server: await compile(compiler, home, ['-p', 'node_modules/server', ...overrides[format]]),
    downstream: await compile(compiler, home, ['-p', 'downstream', ...overrides[format]])
  }
}
