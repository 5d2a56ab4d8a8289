import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import ts from 'typescript'

const folder = new URL('../types/', import.meta.url)

/** What says everything by its name and type, or is the web's own, described as a whole where it is declared. */
const selfEvident = new Set([
  'Socket.onopen', 'Socket.onmessage', 'Socket.onclose', 'Socket.onerror', 'Socket.send', 'Socket.close',
  'Signal.aborted', 'Signal.addEventListener', 'Signal.removeEventListener',
  'WebStorage.length', 'WebStorage.key', 'WebStorage.getItem', 'WebStorage.setItem', 'WebStorage.removeItem',
  'TabLocks.request', 'TabChannel.onmessage', 'TabChannel.postMessage', 'TabChannel.close',
  // What the compiler shows.
  "ReservedEventName.'this event name is reserved'", "NoPatternMatchesThisRoomId.'no pattern matches this room id'",
  'RealtimeProviderProps.children', 'RealtimeProviderProps.client', 'RealtimeProviderProps.options'
])

interface Documented {
  readonly name: string
  readonly documented: boolean
}

/** What a file of types exports, and the members of it that an application reads or writes. */
function publicNames (file: string): Documented[] {
  const source = ts.createSourceFile(file, readFileSync(new URL(file, folder), 'utf8'), ts.ScriptTarget.Latest, true)
  return source.statements.flatMap((statement) => {
    if (!ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)) return []
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
    const name = statement.name.text
    const members = ts.isInterfaceDeclaration(statement) ? [...statement.members] : membersOf(statement.type)
    const named = members.filter((member) => !isAbsence(member)).map((member) => ({
      name: `${name}.${member.name?.getText()}`, documented: isDocumented(member)
    }))
    return [{ name, documented: isDocumented(statement) }, ...named]
  })
}

/** Of a type that is written out; what others, or conditions, make of it is theirs. */
function membersOf (type: ts.TypeNode): ts.TypeElement[] {
  if (ts.isTypeLiteralNode(type)) return [...type.members]
  if (ts.isParenthesizedTypeNode(type)) return membersOf(type.type)
  return ts.isUnionTypeNode(type) || ts.isIntersectionTypeNode(type) ? type.types.flatMap(membersOf) : []
}

/** A member that stands for others, or says that there is none of this name. */
function isAbsence (member: ts.TypeElement): boolean {
  return member.name === undefined || (ts.isPropertySignature(member) && member.type?.kind === ts.SyntaxKind.UndefinedKeyword)
}

function isDocumented (node: ts.Node): boolean {
  return ts.getJSDocCommentsAndTags(node).some((doc) => ts.isJSDoc(doc) && (ts.getTextOfJSDocComment(doc.comment) ?? '').trim() !== '')
}

const files = readdirSync(folder).filter((file) => file.endsWith('.ts'))
const names = files.flatMap((file) => publicNames(file).map((found) => ({ ...found, file })))

await t.test('all that is public is documented', async (t) => {
  t.ok(names.length > 400, `${names.length} names`)
  t.same(names.filter(({ name, documented }) => !documented && !selfEvident.has(name)).map(({ file, name }) => `${file}: ${name}`), [])
})

await t.test('nothing is listed as self-evident that is gone, or documented', async (t) => {
  const needed = new Set(names.filter(({ documented }) => !documented).map(({ name }) => name))
  t.same([...selfEvident].filter((name) => !needed.has(name)), [])
})
