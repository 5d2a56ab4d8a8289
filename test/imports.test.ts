import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import t from 'tap'

/*
 * Dependencies point one way: index -> plugin -> (realtime, declare, http) -> core -> bridge/bridge.ts -> protocol -> types.
 * What is imported for its type only leaves no trace at run time, but it is a dependency for whoever reads, so it is held to the
 * same order; only what core knows of Fastify's types is an exception.
 */

interface Import {
  /** As it stands there, or the file in the project that it leads to. */
  readonly to: string
  readonly typeOnly: boolean
}

const root = fileURLToPath(new URL('..', import.meta.url))

function filesOf (folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

function importsOf (file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    found.push({ to: resolve(file, specifier.text), typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, onlyTypes(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && (node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require')) {
      add(node.arguments[0], false)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function onlyTypes (clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const bindings = clause.namedBindings
  return clause.name === undefined && bindings !== undefined && ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 && bindings.elements.every((element) => element.isTypeOnly)
}

function resolve (from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return join(dirname(from), specifier).split(sep).join('/').replace(/\.js$/, '.ts')
}

/** What of the project each part may import; `types/` is open to all. A path that ends with `/` is a folder. */
const allowed: Array<[part: string, imports: readonly string[]]> = [
  ['lib/protocol/', ['lib/protocol/']],
  ['lib/clock.ts', []],
  ['lib/duration.ts', []],
  ['lib/bridge/', ['lib/bridge/', 'lib/protocol/', 'lib/clock.ts']],
  ['lib/errors.ts', ['lib/protocol/']],
  ['lib/core/', ['lib/core/', 'lib/bridge/bridge.ts', 'lib/protocol/', 'lib/clock.ts', 'lib/errors.ts']],
  ['lib/client/', ['lib/client/', 'lib/protocol/']],
  ['lib/react/', ['lib/react/', 'lib/client/', 'lib/protocol/']],
  // The words of the wire, which the client's application sees as they are; protocol imports nothing, so there is no circle.
  ['types/client.ts', ['lib/protocol/frames.ts']],
  ['types/', ['lib/protocol/frames.ts']]
]

/** Files of lib that stand above core; each may import what stands below it. */
const above = [
  ['lib/duration.ts', 'lib/loop-delay.ts', 'lib/check.ts', 'lib/option-checks.ts', 'lib/redis-option.ts', 'lib/options.ts', 'lib/arguments.ts', 'lib/results.ts', 'lib/define.ts'],
  ['lib/http/'],
  ['lib/declare.ts'],
  ['lib/realtime.ts'],
  ['lib/plugin.ts'],
  ['lib/index.ts']
]

const files = [...filesOf('lib'), ...filesOf('types')]
const project = (path: string): boolean => path.startsWith('lib/') || path.startsWith('types/')
const under = (path: string, places: readonly string[]): boolean =>
  places.some((place) => place.endsWith('/') ? path.startsWith(place) : path === place)

/** Each Redis of the option has the name that rooms are shared out by, so that one given twice is found. */
const namesRedis = (file: string, to: string): boolean => file === 'lib/redis-option.ts' && to === 'lib/bridge/redis/clients.ts'

await t.test('the parser sees every kind of import', async (t) => {
  t.ok(importsOf('lib/plugin.ts').some(({ to, typeOnly }) => to === 'lib/bridge/memory/memory-bridge.ts' && !typeOnly))
  t.ok(importsOf('lib/core/join.ts').some(({ to, typeOnly }) => to === 'lib/bridge/bridge.ts' && typeOnly))
  t.ok(importsOf('lib/index.ts').some(({ to, typeOnly }) => to === 'types/api.ts' && typeOnly))
})

for (const [part, places] of allowed) {
  await t.test(`${part} imports nothing of the project but ${places.join(', ') || 'types'}`, async (t) => {
    const mine = files.filter((file) => under(file, [part]))
    t.ok(mine.length > 0)
    for (const file of mine) {
      for (const { to } of importsOf(file)) if (project(to)) t.ok(under(to, [...places, 'types/']), `${file} -> ${to}`)
    }
  })
}

await t.test('above core, each layer imports only what stands below it', async (t) => {
  const below = ['lib/protocol/', 'lib/clock.ts', 'lib/errors.ts', 'lib/core/', 'lib/bridge/bridge.ts', 'types/']
  for (const layer of above) {
    for (const file of files.filter((name) => under(name, layer))) {
      for (const { to } of importsOf(file)) {
        if (!project(to) || (file === 'lib/plugin.ts' && to.startsWith('lib/bridge/')) || namesRedis(file, to)) continue
        t.ok(under(to, [...below, ...layer]), `${file} -> ${to}`)
      }
    }
    below.push(...layer)
  }
})

await t.test('every file of lib has its place in this order', async (t) => {
  const places = [...allowed.map(([part]) => part), ...above.flat(), 'lib/emitter.ts', 'lib/emitter/']
  for (const file of files) t.ok(under(file, places), file)
})

await t.test('protocol stands alone: browsers load it', async (t) => {
  for (const file of files.filter((name) => name.startsWith('lib/protocol/'))) {
    for (const { to } of importsOf(file)) t.ok(project(to), `${file} -> ${to}`)
  }
})

await t.test('the hooks load React and the client, and nothing else', async (t) => {
  for (const file of files.filter((name) => name.startsWith('lib/react/'))) {
    for (const { to } of importsOf(file)) t.ok(project(to) || to === 'react', `${file} -> ${to}`)
  }
})

await t.test('the emitter loads no part of Fastify: whoever only publishes has none', async (t) => {
  const loaded = new Set<string>()
  const packages = new Set<string>()
  const declares = (file: string): boolean => file.startsWith('types/') || file === 'lib/emitter.ts'
  const load = (file: string): void => {
    if (loaded.has(file)) return
    loaded.add(file)
    for (const { to, typeOnly } of importsOf(file)) {
      if (project(to)) {
        // Types too: a worker need not have those of Fastify.
        if (!typeOnly || declares(file)) load(to)
      } else if (!typeOnly || declares(file)) packages.add(to)
    }
  }
  load('lib/emitter.ts')
  t.ok(loaded.has('lib/bridge/redis/log-store.ts') && loaded.has('types/lookup.ts'))
  t.notOk([...loaded].some((file) => file.startsWith('lib/http/') || file === 'lib/plugin.ts' || file === 'lib/declare.ts'))
  t.same([...packages].filter((name) => !name.startsWith('node:')).sort(), ['@fastify/error', 'ioredis'])
})

await t.test('core knows neither Fastify nor ws at run time', async (t) => {
  const values = new Set<string>()
  for (const file of files.filter((name) => name.startsWith('lib/core/'))) {
    for (const { to, typeOnly } of importsOf(file)) {
      if (project(to)) continue
      if (!typeOnly) values.add(to)
      t.ok(to === 'fastify' ? typeOnly : to.startsWith('node:') && builtinModules.includes(to.slice(5)), `${file} -> ${to}`)
    }
  }
  for (const name of ['node:net', 'node:http', 'node:timers', 'ws', 'fastify']) t.notOk(values.has(name), name)
})

await t.test('only the plugin makes a bridge, and only it and the emitter see one from within', async (t) => {
  for (const file of files) {
    if (file.startsWith('lib/bridge/')) continue
    for (const { to } of importsOf(file)) {
      if (!to.startsWith('lib/bridge/') || to === 'lib/bridge/bridge.ts') continue
      t.ok(file === 'lib/plugin.ts' || namesRedis(file, to) || file === 'lib/emitter/link.ts', `${file} -> ${to}`)
      t.ok(file === 'lib/plugin.ts' || !to.endsWith('-bridge.ts'), `${file} -> ${to}`)
    }
  }
})

await t.test('no kind of bridge leans on another', async (t) => {
  for (const [kind, other] of [['memory', 'redis'], ['redis', 'memory']]) {
    const mine = files.filter((name) => under(name, [`lib/bridge/${kind}/`]))
    t.ok(mine.length > 3)
    for (const file of mine) {
      for (const { to } of importsOf(file)) t.notOk(under(to, [`lib/bridge/${other}/`]), `${file} -> ${to}`)
    }
  }
})

await t.test("only the client's types borrow from the wire", async (t) => {
  for (const file of files.filter((name) => name.startsWith('types/') && name !== 'types/client.ts')) {
    for (const { to } of importsOf(file)) t.notOk(to.startsWith('lib/'), `${file} -> ${to}`)
  }
})

await t.test('types leave nothing at run time', async (t) => {
  for (const file of files.filter((name) => name.startsWith('types/'))) {
    // The augmentation of Fastify has to load what it augments.
    for (const { to, typeOnly } of importsOf(file)) t.ok(typeOnly || file === 'types/fastify.ts', `${file} -> ${to}`)
  }
})

await t.test('nothing goes round in a circle at run time, core included', async (t) => {
  const graph = new Map(files.map((file) => [file, importsOf(file).filter(({ to, typeOnly }) => !typeOnly && project(to)).map(({ to }) => to)]))
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) t.fail([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (path.includes(file) || done.has(file)) return
    for (const next of graph.get(file) ?? []) walk(next, [...path, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  t.pass()
})
