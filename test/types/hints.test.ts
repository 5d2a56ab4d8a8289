import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

/* What an editor offers while a call is written, and what the compiler says of one that is wrong: both are lost where types get clever. */

const root = fileURLToPath(new URL('../../', import.meta.url))
const file = join(root, 'hints.ts')

const prelude = `
import { createClient } from './lib/client/index.js'
interface Api {
  rooms: { 'chat:{id}': { message: { text: string, kind?: 'plain' | 'rich' }, ping: undefined } }
  calls: { 'me.profile': { content: undefined, response: string }, 'orders.get': { content: { id: string }, response: number } }
}
const client = createClient<Api>({ url: '/realtime' })
const room = client.room('chat:1')
`

let source = ''
let version = 0
const options: ts.CompilerOptions = {
  strict: true, target: ts.ScriptTarget.ES2023, lib: ['lib.es2023.d.ts'], module: ts.ModuleKind.NodeNext, types: [], skipLibCheck: true, noEmit: true, exactOptionalPropertyTypes: true
}
const service = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [file],
  getScriptVersion: (name) => name === file ? String(version) : '0',
  getScriptSnapshot (name) {
    const text = name === file ? source : ts.sys.readFile(name)
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === file || ts.sys.fileExists(name),
  readFile: ts.sys.readFile,
  readDirectory: ts.sys.readDirectory
})

/** Takes the program with `code` in it. Returns where the cursor, `|`, stands. */
function write (code: string): number {
  source = prelude + code.replace('|', '')
  version++
  return prelude.length + code.indexOf('|')
}

function completions (code: string): string[] {
  return (service.getCompletionsAtPosition(file, write(code), {})?.entries ?? []).map(({ name }) => name).sort()
}

function signature (code: string): string {
  const help = service.getSignatureHelpItems(file, write(code), {})
  return (help?.items[0]?.parameters ?? []).map(({ displayParts }) => displayParts.map(({ text }) => text).join('')).join(', ')
}

function problems (code: string): string[] {
  write(`${code}|`)
  return [...service.getSyntacticDiagnostics(file), ...service.getSemanticDiagnostics(file)].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
}

await t.test('names of calls and events, and the members of their content, are offered', async (t) => {
  t.same(completions("client.call('|')"), ['me.profile', 'orders.get'])
  t.same(completions("client.call('orders.get', { | })"), ['id'])
  t.same(completions("room.publish('|')"), ['message', 'ping'])
  t.same(completions("room.publish('message', { | })"), ['kind', 'text'])
  t.same(completions('room.send({ | })'), ['kind', 'text'])
  t.same(completions("room.send({ text: '', kind: '|' })"), ['plain', 'rich'])
  t.same(completions("room.send({ text: '' }, { | })"), ['key'])
  t.same(completions("room.off('|', () => {})"), ['error', 'left', 'message', 'ping', 'presence', 'reset', 'typing'])
  t.same(completions("client.off('|', () => {})"), ['broadcast', 'direct', 'error', 'failed', 'joined', 'message', 'reset', 'sent', 'status'])
  t.same(completions("client.onMessage((message) => message.event === '|')"), ['message', 'ping'])
})

await t.test('arguments are shown by their names', async (t) => {
  t.equal(signature("client.call('orders.get', |)"), 'event: "orders.get", content: { id: string; }, options?: RequestOptions | undefined')
  t.equal(signature("client.call('me.profile', |)"), 'event: "me.profile", content?: undefined, options?: RequestOptions | undefined')
  t.match(signature('room.send(|)'), /^content: \{ text: string; .*\}, options\?: ClientPublishOptions \| undefined$/)
})

await t.test('a mistake is told in one sentence, of what is wrong', async (t) => {
  t.same(problems("void client.call('orders.get')"), ['Expected 2-3 arguments, but got 1.'])
  t.same(problems('void room.send()'), ['Expected 1-2 arguments, but got 0.'])
  t.same(problems("void client.call('orders.get', { id: 1 })"), ["Type 'number' is not assignable to type 'string'."])
  t.same(problems("void room.send({ text: '', kind: 'poor' })"), ['Type \'"poor"\' is not assignable to type \'"plain" | "rich"\'.'])
  t.same(problems("void client.call('me.profile', 1)"), ["Argument of type '1' is not assignable to parameter of type 'undefined'."])
  t.same(problems("void client.call('me.profile'); void room.publish('ping'); void room.send({ text: '' })"), [])
})
