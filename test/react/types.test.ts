// What the compiler says of the hooks, typed by an Api.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compile, everyCompiler, PATIENCE } from '../types/compile.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

const source = `
import { createHooks, useRoom as useAnyRoom, useCall as useAnyCall } from 'fastify-realtime/react'
import type { ListedMessage } from 'fastify-realtime/react'

interface Api {
  rooms: {
    'chat:{id}': { message: { text: string }, edit: { id: string, at: Date } }
    'board:{id}': { move: { x: number } }
  }
  calls: { quote: { content: { sku: string }, response: { price: number, until: Date } } }
  direct: { invite: { roomId: string } }
}

const { useRoom, usePresence, useDirect, useCall, useClient, useConnection } = createHooks<Api>()

export function right (id: string, maybe: \`chat:\${string}\` | null) {
  const chat = useRoom('chat:1', { history: 10 })
  void chat.send({ text: 'hi' })
  void chat.publish('edit', { id: '1', at: new Date() })
  for (const message of chat.messages) {
    const state: 'pending' | 'sent' | 'failed' = message.state
    if (message.event === 'message') message.content.text.at(0)
    else message.content.at.slice(0, 10)
    state.at(0)
  }
  useRoom(maybe).messages[0]?.event satisfies 'message' | 'edit' | undefined
  useRoom(null)
  void useRoom(id).send({ anything: true })
  usePresence('board:1').members[0]?.userId.at(0)
  useDirect({ onMessage: ({ event, content }) => { event satisfies 'invite'; content.roomId.at(0) } }).messages[0]?.content.roomId.at(0)
  const quote = useCall('quote')
  void quote.call({ sku: 'a' }).then(({ until }) => until.slice(0, 10))
  quote.data?.price.toFixed()
  useClient().room('board:1')
  useConnection().retryAt?.toFixed()
  const any: readonly ListedMessage[] = useAnyRoom('whatever').messages
  void useAnyCall('whatever').call(1)
  return any
}

export function wrong () {
  useRoom('chta:1') // 1
  usePresence('chta:1') // 2
  const chat = useRoom('chat:1')
  void chat.send({ txt: 'hi' }) // 3
  void chat.publish('remove', {}) // 4
  void chat.publish('edit', { id: 1, at: new Date() }) // 5
  chat.messages[0]?.content.nothing // 6
  void useRoom('board:1').send({ x: 1 }) // 7
  useCall('quota') // 8
  void useCall('quote').call({ sku: 1 }) // 9
  useDirect({ onMessage: ({ content }) => content.room }) // 10
  useRoom(7) // 11
}
`

t.setTimeout(PATIENCE)

const folder = t.testdir()

for (const compiler of everyCompiler) {
  await t.test(`TypeScript ${compiler}: a wrong room, event, content or call is an error`, async (t) => {
    const place = join(folder, compiler)
    mkdirSync(place)
    writeFileSync(join(place, 'hooks.ts'), source)
    const paths = { 'fastify-realtime/react': [join(root, 'lib/react/index.ts')], react: [join(root, 'node_modules/@types/react')] }
    writeFileSync(join(place, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({
      compilerOptions: { strict: true, target: 'es2023', lib: ['es2023'], module: 'nodenext', types: ['node'], typeRoots: [join(root, 'node_modules/@types')], skipLibCheck: true, noEmit: true, paths },
      files: ['hooks.ts']
    }))
    const { errors } = await compile(compiler, place, ['-p', 'tsconfig.json'])
    const lines = source.split('\n')
    const expected = lines.flatMap((line, index) => / \/\/ \d+$/.test(line) ? [index + 1] : [])
    const found = errors.map((error) => Number(/^hooks\.ts\((\d+),/.exec(error)?.[1]))
    t.strictSame([...new Set(found)].sort((a, b) => a - b), expected, errors.join('\n'))
  })
}
