import fc from 'fast-check'
import t from 'tap'
import { isEventName, isKey, isPositionText, isRoomId, isStatus, isUserId, utf8Length } from '../lib/protocol/names.js'

const ids = { isRoomId, isUserId }
const names = { isEventName, isKey, isStatus }

await t.test('lengths are bytes of UTF-8', async (t) => {
  const cases: Array<[rules: Record<string, (value: unknown) => boolean>, max: number]> = [[ids, 200], [names, 64]]
  for (const [rules, max] of cases) {
    for (const [rule, accepts] of Object.entries(rules)) {
      t.notOk(accepts(''), `${rule}: empty`)
      t.ok(accepts('a'), `${rule}: one byte`)
      t.ok(accepts('a'.repeat(max)), `${rule}: ${max} bytes`)
      t.notOk(accepts('a'.repeat(max + 1)), `${rule}: one more`)
      t.ok(accepts('é'.repeat(max / 2)), `${rule}: two bytes each`)
      t.notOk(accepts('é'.repeat(max / 2) + 'a'), `${rule}: two bytes each and one more`)
      t.ok(accepts('€'.repeat(Math.floor(max / 3))), `${rule}: three bytes each`)
      t.notOk(accepts('€'.repeat(Math.floor(max / 3) + 1)), `${rule}: three bytes each, one more`)
      t.ok(accepts('😀'.repeat(max / 4)), `${rule}: four bytes each`)
      t.notOk(accepts('😀'.repeat(max / 4) + 'a'), `${rule}: four bytes each and one more`)
      t.notOk(accepts('a'.repeat(10_000)), `${rule}: 10,000`)
    }
  }
})

await t.test('any text but control characters, braces and lone surrogates', async (t) => {
  for (const name of ['chat:42', '__proto__', 'constructor', 'a b', 'ünïcode', '日本語', '👩‍👩‍👧', '\u00a0', '\u2028', '\ufeff', '\uffff', '"\\/']) {
    t.ok(isRoomId(name), shown(name))
    t.ok(isEventName(name), shown(name))
  }
  for (const name of ['a\u0000', '\u001f', 'a\nb', '\u007f', '\u0080', '\u009f', '{', 'a}b', 'chat:{id}', '\ud800', 'a\udc00', '\ud800a', '\udc00\ud800', '\ud83d']) {
    t.notOk(isRoomId(name), shown(name))
    t.notOk(isEventName(name), shown(name))
  }
})

await t.test('only text is a name', async (t) => {
  for (const value of [undefined, null, 1, true, {}, [], ['a'], new String('a'), { toString: () => 'a' }]) { // eslint-disable-line no-new-wrappers
    t.notOk(isRoomId(value))
    t.notOk(isKey(value))
    t.notOk(isPositionText(value))
  }
})

await t.test('a position is any text of at most 100 bytes', async (t) => {
  t.ok(isPositionText(''))
  t.ok(isPositionText('{nonsense}'))
  t.ok(isPositionText('x'.repeat(100)))
  t.notOk(isPositionText('x'.repeat(101)))
  t.notOk(isPositionText('é'.repeat(51)))
})

await t.test('agrees with a rule written the slow way', async () => {
  const slow = (value: string) => {
    const bytes = Buffer.byteLength(value)
    return bytes >= 1 && bytes <= 200 && !/\p{Cs}/u.test(value) && !/[\p{Cc}{}]/u.test(value)
  }
  fc.assert(fc.property(anyText(), (value) => isRoomId(value) === slow(value)), { numRuns: 2000 })
})

await t.test('counts bytes as an encoder does', async () => {
  fc.assert(fc.property(anyText(), (value) => utf8Length(value) === Buffer.byteLength(value)), { numRuns: 2000 })
})

/** As a test's title: TAP would read braces as a subtest. */
function shown (name: string): string {
  return Buffer.from(name).toString('hex')
}

/** Text with every kind of code unit, lone surrogates too. */
function anyText () {
  const unit = fc.oneof(
    fc.integer({ min: 0x20, max: 0x7a }), fc.integer({ min: 0, max: 0xff }), fc.integer({ min: 0xd700, max: 0xe0ff }), fc.integer({ min: 0, max: 0xffff })
  ).map((code) => String.fromCharCode(code))
  return fc.oneof(
    fc.array(unit, { maxLength: 300 }).map((units) => units.join('')),
    fc.string({ unit: 'binary', maxLength: 220 }),
    fc.string({ unit: 'grapheme', maxLength: 100 })
  )
}
