import { join } from 'node:path'
import t from 'tap'
import { compile, compileAll, everyCompiler, install, PATIENCE, writeProgram } from './compile.js'

t.setTimeout(PATIENCE)

// What is inferred, and what must not compile, stands in the applications under consumers/: a @ts-expect-error that expects nothing
// is an error as well.
await t.test('types', { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  await install(folder)
  writeProgram(join(folder, 'declarations'), ['../node_modules/fastify-realtime/dist/lib/index.d.ts'], {
    skipLibCheck: false, exactOptionalPropertyTypes: true
  })
  const runs = everyCompiler.map((compiler) => ({
    compiler,
    errors: compileAll(compiler, folder, ['inference', 'loose']),
    // Apart from the others, since it has errors of other packages, which an application skips.
    declarations: compile(compiler, folder, ['-p', 'declarations'])
  }))
  for (const { compiler, errors, declarations } of runs) {
    for (const [application, found] of await errors) t.same(found, [], `${application} on TypeScript ${compiler}`)
    t.same((await declarations).errors.filter((error) => !isOfAnotherPackage(error)), [], `declarations on TypeScript ${compiler}, with nothing skipped`)
  }
})

/** Declarations of our dependencies may have errors of their own, which an application skips. */
function isOfAnotherPackage (error: string): boolean {
  return /^[^(]*node_modules\/(?!fastify-realtime\/)[^(]*\(\d+,\d+\): error/.test(error)
}
