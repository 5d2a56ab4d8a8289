import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compile, diagnostic, everyCompiler, install, PATIENCE, writeProgram } from './compile.js'

t.setTimeout(PATIENCE)

const ROOMS = 200
const EVENTS = 10
const CALLS = 400

/** What checking a large application may cost. Most of it is what the schema library needs for 2,000 schemas. */
const BUDGET = 1_500_000

/** What the calls alone may cost, where the Api is written by hand: each must not meet all the patterns. */
const CALLS_BUDGET = 120_000

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/** How the rooms are named: each apart from the first segment on, or all alike up to the second. */
const namings = {
  apart: { pattern: (room: number) => `room${room}:{id}`, id: (room: number) => `room${room}:\${id}` },
  alike: { pattern: (room: number) => `{tenant}:room${room}:{id}`, id: (room: number) => `\${id}:room${room}:\${id}` }
} as const

type Naming = keyof typeof namings

const schema = (event: number): string =>
  `Type.Object({ text: Type.String(), n${event}: Type.Optional(Type.Integer()), tags: Type.Array(Type.String()) })`

const inferred = (naming: Naming): string => `
import { Type } from '@sinclair/typebox'
import { defineRooms } from 'fastify-realtime'
import type { ApiOf } from 'fastify-realtime'

export const rooms = defineRooms({
${range(ROOMS).map((room) => `
  '${namings[naming].pattern(room)}': {
    join: ({ user, params }) => user.id === params.id,
    publish: 'members',
    events: {
${range(EVENTS).map((event) => `      event${event}: ${schema(event)}`).join(',\n')}
    },
    onMessage: async (ctx, message) => { if (message.event === 'event1') message.content.text.trim() }
  }`).join(',\n')}
})
export type Api = ApiOf<{ rooms: typeof rooms }>`

const written = (naming: Naming): string => `
export interface Api {
  rooms: {
${range(ROOMS).map((room) => `
    '${namings[naming].pattern(room)}': {
${range(EVENTS).map((event) => `      event${event}: { text: string, n${event}?: number, tags: string[] }`).join('\n')}
    }`).join('\n')}
  }
}`

const calls = (naming: Naming): string => `
import type { FastifyInstance } from 'fastify'
import type {} from 'fastify-realtime'
import type { Api } from './api.js'

declare module 'fastify-realtime' {
  interface Register { api: Api }
}

export async function send (app: FastifyInstance, id: string): Promise<void> {
${range(CALLS).map((call) => `  await app.realtime.notifyRoom(\`${namings[naming].id(call % ROOMS)}\`, 'event${call % EVENTS}', { text: 'x', tags: [] })`).join('\n')}
  // @ts-expect-error the rooms are known
  await app.realtime.notifyRoom('nothing', 'event1', { text: 'x', tags: [] })
}`

await t.test(`${ROOMS} rooms of ${EVENTS} events and ${CALLS} calls`, { timeout: PATIENCE }, async (t) => {
  const folder = t.testdir({})
  await install(folder)
  const programs = [
    { name: 'inferred, names apart', api: inferred('apart'), naming: 'apart', budget: BUDGET, compilers: everyCompiler },
    { name: 'inferred, names alike', api: inferred('alike'), naming: 'alike', budget: BUDGET, compilers: ['6.0'] },
    { name: 'written by hand, names apart', api: written('apart'), naming: 'apart', budget: CALLS_BUDGET, compilers: ['6.0', '7.0'] },
    { name: 'written by hand, names alike', api: written('alike'), naming: 'alike', budget: CALLS_BUDGET, compilers: ['6.0'] }
  ] as const
  const runs = programs.flatMap(({ name, api, naming, budget, compilers }, index) => {
    const home = join(folder, `program${index}`)
    writeProgram(home, ['calls.ts'], { skipLibCheck: true })
    writeFileSync(join(home, 'api.ts'), api)
    writeFileSync(join(home, 'calls.ts'), calls(naming))
    return compilers.map((compiler) => ({
      name,
      budget,
      compiler,
      compilation: compile(compiler, home, [
        '-p', '.', '--extendedDiagnostics',
        // Without this 7.0 counts what its checkers do twice, and not the same number on every machine.
        ...compiler === '7.0' ? ['--singleThreaded'] : []
      ])
    }))
  })
  for (const { name, budget, compiler, compilation } of runs) {
    await t.test(`${name}, on TypeScript ${compiler}`, async (t) => {
      const { errors, output } = await compilation
      t.same(errors, [])
      const instantiations = diagnostic(output, 'Instantiations')
      t.comment(`${instantiations} instantiations`)
      t.ok(instantiations < budget, `${instantiations} instantiations, of ${budget}`)
    })
  }
})
