import t from 'tap'
import fc from 'fast-check'
import Fastify from 'fastify'
import { PatternError, PatternTable } from '../lib/core/pattern.js'
import realtime from '../lib/index.js'
import { SECRET } from './helpers/server.js'

const MALFORMED = /^room pattern/

function table (...patterns: string[]): PatternTable<number> {
  const made = new PatternTable<number>()
  patterns.forEach((pattern, index) => made.add(pattern, index))
  return made
}

await t.test('placeholders stand for one segment, and never cross a colon', async (t) => {
  const rooms = table('chat:{id}', 'order:{shop}:{id}:events')
  t.match(rooms.match('chat:42'), { pattern: 'chat:{id}', params: { id: '42' }, value: 0 })
  t.match(rooms.match('order:a:1:events'), { params: { shop: 'a', id: '1' } })
  for (const roomId of ['chat', 'chat:', ':42', 'chat:4:2', 'order:a:1', 'order:a:1:events:x', 'Chat:42', '']) {
    t.equal(rooms.match(roomId), null, roomId)
  }
})

await t.test('a remainder takes at least one segment, colons included', async (t) => {
  const rooms = table('files:{path*}', 'x:{a}:{rest*}')
  t.match(rooms.match('files:a'), { params: { path: 'a' } })
  t.match(rooms.match('files:a:b::c:'), { params: { path: 'a:b::c:' } })
  t.match(rooms.match('x:1:2:3'), { params: { a: '1', rest: '2:3' } })
  t.equal(rooms.match('files'), null)
  t.equal(rooms.match('files:'), null)
  t.equal(rooms.match('x:1'), null)
})

await t.test('the most specific pattern wins, whatever the order of declaration', async (t) => {
  const patterns = ['{any*}', 'chat:{rest*}', 'chat:{id}', 'chat:general', 'chat:{id}:pins', 'x:{b}:{c}']
  for (const order of [patterns, [...patterns].reverse()]) {
    const rooms = table(...order)
    t.equal(rooms.match('chat:general')?.pattern, 'chat:general')
    t.equal(rooms.match('chat:1')?.pattern, 'chat:{id}')
    t.equal(rooms.match('chat:1:pins')?.pattern, 'chat:{id}:pins')
    t.equal(rooms.match('chat:1:pins:x')?.pattern, 'chat:{rest*}')
    t.equal(rooms.match('x:b:c')?.pattern, 'x:{b}:{c}')
    t.equal(rooms.match('x:b:c:d')?.pattern, '{any*}')
    t.equal(rooms.match('a')?.pattern, '{any*}')
  }
})

await t.test('what looked narrower and led nowhere does not hide a wider pattern', async (t) => {
  const rooms = table('a:b:{x}', 'a:{y}', 'a:{rest*}')
  t.equal(rooms.match('a:b')?.pattern, 'a:{y}')
  t.equal(rooms.match('a:b:c:d')?.pattern, 'a:{rest*}')
})

await t.test('names that objects inherit are only names', async (t) => {
  const rooms = table('{constructor}', 'toString:{hasOwnProperty}')
  t.equal(rooms.match('__proto__')?.params.constructor, '__proto__')
  t.equal(rooms.match('toString:__proto__')?.params.hasOwnProperty, '__proto__')
  t.equal(table('a').match('constructor'), null)
})

await t.test('ambiguous patterns are refused where they are declared', async (t) => {
  for (const [a, b] of [
    ['a:{x}', '{y}:b'],
    ['{a}:b:{c}', 'x:{b}:{c}'],
    ['a:{rest*}', '{x}:b'],
    ['{x}:b:{rest*}', 'a:{rest*}']
  ] as const) {
    t.throws(() => table(a).add(b, 1), MALFORMED, `${a} and ${b}`)
    t.throws(() => table(b).add(a, 1), MALFORMED, `${b} and ${a}`)
  }
  t.throws(() => table('chat:{id}').add('chat:{other}', 1), /matches the same rooms/)
  t.throws(() => table('chat').add('chat', 1), /matches the same rooms/)
  t.throws(() => table('{a*}').add('{b*}', 1), /matches the same rooms/)
})

await t.test('a refused pattern leaves the table as it was', async (t) => {
  const rooms = table('a:{x}')
  t.throws(() => rooms.add('{y}:b', 1))
  t.equal(rooms.match('c:b'), null)
  t.match(rooms.match('a:b'), { pattern: 'a:{x}' })
})

const malformed = [
  '', ':', 'a:', ':a', 'a::b', 'chat:{id', 'chat:id}', 'chat:{}', 'chat:{*}', 'chat:{1}', 'chat:{a b}', 'chat:x{id}', 'chat:{id}x',
  'chat:{rest*}:x', 'chat:{a}:{a}', 'chat:{a}:{a*}', 'chat:{a**}', 'chat:{{a}}', 'chat:\u0000', 'chat:\ud800', `chat:${'x'.repeat(200)}`
]

await t.test('malformed patterns', async (t) => {
  for (const pattern of malformed) t.throws(() => table(pattern), MALFORMED, JSON.stringify(pattern.slice(0, 20)))
})

await t.test('register and room() fail with RT_ERR_PATTERN', async (t) => {
  for (const pattern of malformed) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => await app.register(realtime, { auth: { secret: SECRET }, rooms: { [pattern]: {} } }), { code: 'RT_ERR_PATTERN' })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(realtime, { auth: { secret: SECRET }, rooms: { 'chat:{id}': {} } })
  for (const pattern of malformed) t.throws(() => app.realtime.room(pattern, {}), { code: 'RT_ERR_PATTERN' })
  t.throws(() => app.realtime.room('chat:{id}', {}), { code: 'RT_ERR_PATTERN' }, 'declared before')
  t.throws(() => app.realtime.room('{kind}:1', {}), { code: 'RT_ERR_PATTERN' }, 'ambiguous')
})

// --- against a matcher that tries every pattern by itself ---

const word = fc.constantFrom('a', 'b', 'c')
const segment = fc.oneof(word, fc.constant('{}'))
const shape = fc.tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
  .map(([segments, rest]) => rest ? [...segments, '{*}'] : segments)
  .filter((segments) => segments.length > 0)

function named (segments: readonly string[]): string {
  return segments.map((part, index) => part === '{}' ? `{p${index}}` : part === '{*}' ? `{p${index}*}` : part).join(':')
}

function naive (segments: readonly string[], parts: readonly string[]): Record<string, string> | null {
  const params: Record<string, string> = {}
  for (const [index, part] of segments.entries()) {
    const given = parts[index]
    if (given === undefined || given === '') return null
    if (part === '{*}') return { ...params, [`p${index}`]: parts.slice(index).join(':') }
    if (part === '{}') params[`p${index}`] = given
    else if (part !== given) return null
  }
  return parts.length === segments.length ? params : null
}

/** Whether `a` matches only rooms that `b` matches, said segment by segment. */
function within (a: readonly string[], b: readonly string[]): boolean {
  for (const [index, wide] of b.entries()) {
    const narrow = a[index]
    if (narrow === undefined) return false
    if (wide === '{*}') return true
    if (narrow === '{*}') return false
    if (wide !== '{}' && wide !== narrow) return false
  }
  return a.length === b.length
}

/** Whether some room matches both. */
function meet (a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; ; i++) {
    const x = a[i]
    const y = b[i]
    if (x === undefined || y === undefined) return x === y
    if (x === '{*}' || y === '{*}') return true
    if (x !== '{}' && y !== '{}' && x !== y) return false
  }
}

await t.test('agrees with trying every pattern', async (t) => {
  const room = fc.array(fc.oneof(word, fc.constant('d'), fc.constant('')), { minLength: 1, maxLength: 5 })
  fc.assert(fc.property(fc.array(shape, { maxLength: 8 }), fc.array(room, { maxLength: 8 }), (shapes, rooms) => {
    const patterns = new PatternTable<readonly string[]>()
    const declared: string[][] = []
    for (const candidate of shapes) {
      const clashes = declared.some((other) => meet(candidate, other) && within(candidate, other) === within(other, candidate))
      try {
        patterns.add(named(candidate), candidate)
        if (clashes) return false
        declared.push(candidate)
      } catch (err) {
        if (!(err instanceof PatternError) || !clashes) throw err
      }
    }
    for (const parts of rooms) {
      const matching = declared.filter((segments) => naive(segments, parts) !== null)
      const best = matching.find((segments) => matching.every((other) => within(segments, other)))
      const found = patterns.match(parts.join(':'))
      if (best === undefined) {
        if (found !== null || matching.length > 0) return false
      } else if (found?.value !== best || JSON.stringify(found.params) !== JSON.stringify(naive(best, parts))) {
        return false
      }
    }
    return true
  }), { numRuns: 2000 })
  t.pass()
})
