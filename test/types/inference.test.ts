import { join } from 'node:path'
import t from 'tap'
import { compile, everyCompiler, install, loadedFiles, PATIENCE, writeProgram } from './compile.js'

t.setTimeout(PATIENCE)

// What is inferred, and what must not compile, stands in the applications under consumers/: a @ts-expect-error that expects nothing
// is an error as well.
await t.test('types', { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  const built = await install(folder)
  const ours = built.errors.filter((error) => /^(types\/|lib\/(define|index)\.ts)/.test(error))
  t.same(ours, [], 'the package itself compiles')

  const applications = ['inference', 'loose', 'api'] as const
  const runs = everyCompiler.flatMap((compiler) => applications.map((application) => ({
    compiler, application, compilation: compile(compiler, folder, ['-p', application, '--listFiles'])
  })))
  for (const { compiler, application, compilation } of runs) {
    await t.test(`${application} on TypeScript ${compiler}`, async (t) => {
      const { errors, output } = await compilation
      t.same(errors, [])
      const files = loadedFiles(output, folder)
      t.ok(files.some((file) => file.endsWith('fastify-realtime/dist/types/infer.d.ts')), 'it is this package that was checked')
      if (application !== 'api') return
      t.same(files.filter((file) => /node_modules\/(fastify|@fastify|@types|ws|pino)\//.test(file)), [], 'no Fastify, no Node')
      t.same(files.filter((file) => file.includes('fastify-realtime/dist/lib')), [], 'nothing of the server')
    })
  }

  writeProgram(join(folder, 'declarations'), ['../node_modules/fastify-realtime/dist/lib/index.d.ts'], {
    skipLibCheck: false, exactOptionalPropertyTypes: true
  })
  const declarations = everyCompiler.map((compiler) => ({ compiler, compilation: compile(compiler, folder, ['-p', 'declarations']) }))
  for (const { compiler, compilation } of declarations) {
    await t.test(`declarations on TypeScript ${compiler}, with nothing skipped`, async (t) => {
      const { errors } = await compilation
      t.same(errors.filter((error) => !isOfAnotherPackage(error)), [])
    })
  }
})

/** Declarations of our dependencies may have errors of their own, which an application skips. */
function isOfAnotherPackage (error: string): boolean {
  return /^[^(]*node_modules\/(?!fastify-realtime\/)[^(]*\(\d+,\d+\): error/.test(error)
}
