import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compileAll, everyCompiler, install, PATIENCE } from './compile.js'
import type { Compiler } from './compile.js'

t.setTimeout(PATIENCE)

/** How the applications are compiled, and resolve what they import. */
const formats = {
  nodenext: {},
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
  commonjs: {}
} as const

type Format = keyof typeof formats

const names: readonly Format[] = ['nodenext', 'bundler', 'commonjs']

// A package with inferred types publishes its declarations, others use them: one in Node, and a page that takes the Api from it. What
// the compiler cannot name through the root of fastify-realtime is an error for the first (TS2883) or `any` for the others.
await t.test('declarations of applications', { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  await install(folder)
  const runs = everyCompiler.map((compiler) => {
    const projects = names.flatMap((format) => layOut(folder, compiler, format))
    return { compiler, errors: compileAll(compiler, folder, projects) }
  })
  for (const { compiler, errors } of runs) {
    for (const [project, found] of await errors) t.same(found, [], `${project} on TypeScript ${compiler}`)
  }
})

/** Gives every compiler and format applications of its own. Returns them in the order of their dependence. */
function layOut (folder: string, compiler: Compiler, format: Format): string[] {
  const home = `${compiler}-${format}`
  const copy = (application: string, to: string): string => {
    mkdirSync(join(folder, home, to), { recursive: true })
    cpSync(join(folder, application), join(folder, home, to), { recursive: true })
    const config = `${home}/${to}/tsconfig.${format}.json`
    writeFileSync(join(folder, config), JSON.stringify({ extends: './tsconfig.json', compilerOptions: formats[format] }))
    return config
  }
  const server = copy('server', 'node_modules/server')
  if (format === 'commonjs') {
    copy('commonjs', 'node_modules/server')
    writeFileSync(join(folder, home, 'node_modules/server/package.json'), '{ "name": "server", "type": "commonjs", "exports": { "types": "./dist/server.d.ts" } }')
  }
  const downstream = copy('downstream', 'downstream')
  return format === 'commonjs' ? [server, downstream] : [server, downstream, copy('browser', 'browser')]
}
