import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errors } from '../lib/errors.js'
import { describeOptions } from '../lib/options.js'
import { closeCodes } from '../lib/protocol/close-codes.js'
import { decode } from '../lib/protocol/decode.js'
import { errorFrame } from '../lib/protocol/encode.js'
import { errorCodes } from '../lib/protocol/error-codes.js'
import { compileAll, install, PATIENCE } from './types/compile.js'

t.setTimeout(PATIENCE)

function read (file: string): string {
  return readFileSync(new URL(`../docs/${file}`, import.meta.url), 'utf8')
}

/** Cells of the table rows of a document, by their first cell without backquotes. */
function rows (file: string): Map<string, string> {
  return new Map(read(file).split('\n').filter((line) => line.startsWith('| ')).map((line) => {
    const [, first = '', ...rest] = line.split(/(?<!\\)\|/)
    return [first.replaceAll('`', '').trim(), rest.join('|')]
  }))
}

const documents = readdirSync(new URL('../docs/', import.meta.url)).filter((name) => name.endsWith('.md'))
const options = rows('options.md')
const failures = rows('errors.md')
const protocol = rows('protocol.md')

await t.test('every option is documented with its default and its bounds', async (t) => {
  for (const [path, check] of describeOptions()) {
    const row = options.get(path.replace(/^policy\./, ''))
    if (row === undefined) {
      t.fail(`${path} is not in docs/options.md`)
      continue
    }
    const { standard, expected } = check
    if (typeof standard === 'string' || typeof standard === 'number' || typeof standard === 'boolean') {
      t.ok(row.includes(`${standard}`), `${path}: default ${standard}`)
    }
    const [, min = '', max = ''] = /from (\S+) to ([^\s,]+)/.exec(expected) ?? []
    if (min !== '') t.ok(row.includes(`${min} to ${max}`), `${path}: ${min} to ${max}`)
    if (expected.endsWith('or Infinity')) t.ok(row.includes('or `Infinity`'), `${path}: or Infinity`)
  }
})

await t.test('no documented option is made up', async (t) => {
  const known = new Set([...describeOptions().keys()].map((path) => path.replace(/^policy\./, '')))
  for (const name of options.keys()) {
    const group = [...known].some((path) => path.startsWith(`${name}.`))
    if (name !== 'option' && !name.startsWith('---')) t.ok(known.has(name) || group, name)
  }
})

await t.test('every RT_ERR code is documented with its status', async (t) => {
  for (const [code, RealtimeError] of Object.entries(errors)) {
    const { statusCode } = Reflect.construct(RealtimeError, [])
    t.match(failures.get(code), new RegExp(`^ ${statusCode} \\|`), code)
  }
  for (const name of failures.keys()) {
    if (name.startsWith('RT_ERR')) t.ok(Object.hasOwn(errors, name), name)
  }
})

await t.test('every error code is documented, in both documents, with whether to retry', async (t) => {
  for (const [code, { retryable }] of Object.entries(errorCodes)) {
    t.match(failures.get(code), retryable ? /^ yes/ : /^ no/, code)
    t.ok(protocol.has(code), code)
  }
})

await t.test('every close code is documented, in both documents, with what a client does', async (t) => {
  for (const { code, action, backoff } of Object.values(closeCodes)) {
    for (const document of [failures, protocol]) {
      t.match(document.get(String(code)), `| ${action}`, `${code}: ${action}`)
      t.equal(document.get(String(code))?.includes('after backoff'), backoff, `${code}: backoff`)
    }
  }
})

await t.test('every frame of the protocol is documented', async (t) => {
  const text = read('protocol.md')
  const types = [
    'join', 'leave', 'message', 'typing', 'presence', 'status', 'history', 'call', 'resume', 'received', 'pong', 'welcome', 'ack', 'error', 'direct',
    'broadcast', 'joined', 'left', 'reset', 'ping', 'expiring', 'goaway'
  ]
  for (const type of types) t.match(text, new RegExp(`^#### \`${type}\``, 'm'), type)
})

await t.test('every example of the protocol is what the server reads and writes', async (t) => {
  const text = read('protocol.md')
  const examples = [...text.matchAll(/^(->|<-) (\{.*)$/gm)].map(([, arrow, frame = '']) => ({ arrow, frame }))
  t.ok(examples.length > 20)
  for (const [index, { arrow, frame }] of examples.entries()) {
    t.type(JSON.parse(frame).type, 'string', `example ${index}`)
    if (arrow !== '->') continue
    const decoded = decode(frame, { depth: 32 })
    if (decoded.ok) continue
    const answer = JSON.parse(errorFrame({ id: decoded.id, code: decoded.code, message: decoded.message }))
    t.strictSame(JSON.parse(examples[index + 1]?.frame ?? '{}'), answer, `example ${index} is refused as documented`)
  }
})

await t.test('every state, reason and code of the client is documented', async (t) => {
  const client = rows('client.md')
  // Each is a type that leaves nothing at run time, so its members are read where they stand.
  const source = readFileSync(new URL('../types/client.ts', import.meta.url), 'utf8')
  for (const type of ['ClientState', 'StatusReason', 'FailureCode', 'TokenReason']) {
    const [, members = ''] = new RegExp(`^export type ${type} =((?:\\s*\\|?\\s*(?:'[\\w-]+'|ErrorCode))+)`, 'm').exec(source) ?? []
    const names = [...members.matchAll(/'([\w-]+)'/g)].map(([, name = '']) => name)
    t.ok(names.length > 2, type)
    for (const name of names) t.ok(client.has(name), `${type}: ${name}`)
  }
})

await t.test('every hook is documented', async (t) => {
  const react = read('react.md')
  const exported = readFileSync(new URL('../lib/react/index.ts', import.meta.url), 'utf8').matchAll(/^export \{ (.+) \}/gm)
  for (const [, names = ''] of exported) {
    for (const name of names.split(', ')) t.match(react, name.startsWith('use') ? new RegExp(`^## ${name}$`, 'm') : name, name)
  }
})

await t.test('links inside the documents lead somewhere', async (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const texts = new Map(documents.map((file) => [file, read(file)]))
  for (const [file, text] of [['README.md', readme] as const, ...texts]) {
    for (const [, folder = '', target = '', anchor = ''] of text.matchAll(/\]\((docs\/)?([a-z]+\.md)?(?:#([^)]+))?\)/g)) {
      const there = target === '' ? text : texts.get(target)
      t.ok(there !== undefined && folder === (target !== '' && file === 'README.md' ? 'docs/' : ''), `${file}: ${target}`)
      if (anchor !== '') t.ok(anchors(there ?? '').has(anchor), `${file}: ${target}#${anchor}`)
    }
  }
  for (const document of documents) t.match(readme, `(docs/${document})`, `README.md leads to ${document}`)
})

await t.test('every block of code compiles', { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  await install(folder)
  const projects = ['README.md', 'docs/client.md', 'docs/react.md'].flatMap((document) => writeBlocks(document, join(folder, 'docs')))
  t.ok(projects.length > 3)
  const errors = [...(await compileAll('6.0', folder, projects)).values()].flat()
  t.same([...new Set(errors)], [], 'each error is at its line of the document')
})

/**
 * Writes the blocks of a document as modules, each at the lines where it stands there, so that an error says where it is. What they take
 * for granted is declared in a file with the name of the document. Returns the projects that they make.
 */
function writeBlocks (document: string, folder: string): string[] {
  const text = readFileSync(new URL(`../${document}`, import.meta.url), 'utf8')
  const name = document.replace(/^docs\//, '').replace(/\.md$/, '')
  const together: string[] = []
  const projects: string[] = []
  for (const { 1: language = '', 2: code = '', index } of text.matchAll(/^```(tsx?)\n(.*?)^```/gms)) {
    const line = text.slice(0, index).split('\n').length
    const file = `${name}-${line}.${language}`
    writeFileSync(join(folder, file), `${'\n'.repeat(line)}${code}\nexport {}\n`)
    // What one application registers would hold for the others as well.
    if (code.includes("declare module 'fastify-realtime'")) projects.push(project(folder, `${name}-${line}`, [file, `${name}.d.ts`]))
    else together.push(file)
  }
  return [project(folder, name, [...together, `${name}.d.ts`]), ...projects]
}

function project (folder: string, name: string, files: readonly string[]): string {
  writeFileSync(join(folder, `tsconfig.${name}.json`), JSON.stringify({ extends: './tsconfig.json', files }))
  return `docs/tsconfig.${name}.json`
}

/** Anchors of a document's headings as GitHub makes them. */
function anchors (text: string): Set<string> {
  const found = new Set<string>()
  for (const [, heading = ''] of text.matchAll(/^#+ (.+)$/gm)) {
    const slug = heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')
    let anchor = slug
    for (let count = 1; found.has(anchor); count++) anchor = `${slug}-${count}`
    found.add(anchor)
  }
  return found
}
