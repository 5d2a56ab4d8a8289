import fc from 'fast-check'
import t from 'tap'
import { decode, MAX_RESUME_ROOMS } from '../lib/protocol/decode.js'
import type { Decoded } from '../lib/protocol/decode.js'
import type { ClientFrame } from '../lib/protocol/frames.js'
import { parsePosition } from '../lib/protocol/position.js'

const limits = { depth: 32 }

function read (frame: unknown): Decoded {
  return decode(JSON.stringify(frame), limits)
}

/** The error a text is answered with, as `code: message`, and its id. */
function failure (decoded: Decoded): { answer: string, id: number | undefined } {
  if (decoded.ok) throw new Error('expected a failure')
  if (decoded.counts !== (decoded.code === 'bad_frame')) throw new Error('exactly bad frames count')
  return { answer: `${decoded.code}: ${decoded.message}`, id: decoded.id }
}

function frameOf (decoded: Decoded): ClientFrame {
  if (!decoded.ok) throw new Error(`${decoded.code}: ${decoded.message}`)
  return decoded.frame
}

await t.test('what is not a JSON object is a bad frame without an id', async (t) => {
  for (const text of ['', ' ', 'nonsense', '{', '{"type":"pong"', "{'type':'pong'}", '{"type":"pong"}{}', '\ufeff{"type":"pong"}', 'NaN', 'undefined', '"\\ud8"']) {
    t.same(failure(decode(text, limits)), { answer: 'bad_frame: the frame is not JSON', id: undefined }, text)
  }
  for (const text of ['null', '[]', '1', '""', 'true', '[{"type":"pong"}]', '1e999']) {
    t.same(failure(decode(text, limits)), { answer: 'bad_frame: the frame is not a JSON object', id: undefined }, text)
  }
})

await t.test('an invalid id is a bad frame without id', async (t) => {
  for (const id of ['-1', '0', '-0', '1.5', '1e999', '-1e999', '9007199254740992', '"1"', 'null', 'true', '{}', '[]', '[1]']) {
    t.same(
      failure(decode(`{"type":"leave","id":${id},"roomId":"a"}`, limits)),
      { answer: 'bad_frame: id must be an integer from 1 to 9007199254740991', id: undefined },
      id
    )
  }
  for (const id of [1, 2, Number.MAX_SAFE_INTEGER]) t.equal(frameOf(read({ type: 'leave', id, roomId: 'a' })).id, id)
  t.equal(frameOf(decode('{"type":"leave","id":1e3,"roomId":"a"}', limits)).id, 1000)
})

await t.test('the type', async (t) => {
  t.same(failure(read({ id: 7 })), { answer: 'bad_frame: type is missing', id: 7 })
  for (const type of [1, null, {}, ['pong'], true]) {
    t.same(failure(read({ id: 7, type })), { answer: 'bad_frame: type must be a string', id: 7 })
  }
  for (const type of ['', 'nope', 'JOIN', 'ack', 'welcome', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x'.repeat(60_000)]) {
    t.same(failure(read({ id: 7, type })), { answer: 'bad_request: type is unknown', id: 7 }, type.slice(0, 20))
  }
  t.same(failure(read({ type: 'nope' })), { answer: 'bad_request: type is unknown', id: undefined })
})

await t.test('types that are answered need an id', async (t) => {
  const room = { roomId: 'a' }
  for (const frame of [
    { type: 'join', ...room }, { type: 'leave', ...room }, { type: 'presence', ...room }, { type: 'history', limit: 1, ...room },
    { type: 'call', event: 'a', content: 1 }, { type: 'resume', rooms: [] }
  ]) {
    t.same(failure(read(frame)), { answer: 'bad_request: id is missing', id: undefined }, frame.type)
    t.ok(read({ ...frame, id: 1 }).ok, frame.type)
  }
  for (const frame of [
    { type: 'message', content: 1, ...room }, { type: 'typing', typing: true, ...room }, { type: 'status', status: 'away', ...room },
    { type: 'received', positions: ['a'] }, { type: 'pong' }
  ]) {
    t.ok(read(frame).ok, frame.type)
    t.ok(read({ ...frame, id: 1 }).ok, frame.type)
  }
})

await t.test('every frame, with all its fields', async (t) => {
  const frames: ClientFrame[] = [
    { type: 'join', id: 1, roomId: 'chat:1', since: 'e.1.a', history: 10, presence: true },
    { type: 'leave', id: 2, roomId: 'chat:1' },
    { type: 'message', id: 3, roomId: 'chat:1', event: 'note', content: { a: [1, null] }, key: 'k1' },
    { type: 'typing', id: 4, roomId: 'chat:1', typing: false },
    { type: 'presence', id: 5, roomId: 'chat:1', after: 'ada' },
    { type: 'status', id: 6, roomId: 'chat:1', status: 'away', meta: { until: 5 } },
    { type: 'history', id: 7, roomId: 'chat:1', before: 'e.1.a', after: undefined, limit: 100 },
    { type: 'call', id: 8, event: 'orders.get', content: null },
    { type: 'resume', id: 9, inbox: 'start', rooms: [{ roomId: 'a', since: 's', history: 0, presence: true }] },
    { type: 'received', id: 10, positions: ['e.1.a', 'e.2.b'] },
    { type: 'pong', id: 11 }
  ]
  for (const frame of frames) t.strictSame(frameOf(read(frame)), frame, frame.type)
})

await t.test('defaults of what may be left out', async (t) => {
  t.match(frameOf(read({ type: 'join', id: 1, roomId: 'a' })), { since: undefined, history: undefined, presence: false })
  t.match(frameOf(read({ type: 'message', roomId: 'a', content: 0 })), { id: undefined, event: 'message', key: undefined, content: 0 })
  t.match(frameOf(read({ type: 'resume', id: 1, rooms: [{ roomId: 'a' }] })), { inbox: undefined, rooms: [{ roomId: 'a', presence: false }] })
})

await t.test('a field that is missing', async (t) => {
  const cases: Array<[frame: Record<string, unknown>, message: string]> = [
    [{ type: 'join' }, 'roomId is missing'],
    [{ type: 'leave' }, 'roomId is missing'],
    [{ type: 'message', content: 1 }, 'roomId is missing'],
    [{ type: 'message', roomId: 'a' }, 'content is missing'],
    [{ type: 'typing', roomId: 'a' }, 'typing is missing'],
    [{ type: 'presence' }, 'roomId is missing'],
    [{ type: 'status', status: 'away' }, 'roomId is missing'],
    [{ type: 'status', roomId: 'a' }, 'status and meta are both missing'],
    [{ type: 'history', roomId: 'a' }, 'limit is missing'],
    [{ type: 'call', content: 1 }, 'event is missing'],
    [{ type: 'call', event: 'a' }, 'content is missing'],
    [{ type: 'resume' }, 'rooms is missing'],
    [{ type: 'resume', rooms: [{}] }, 'rooms[0].roomId is missing'],
    [{ type: 'received' }, 'positions is missing']
  ]
  for (const [frame, message] of cases) {
    t.same(failure(read({ id: 5, ...frame })), { answer: `bad_request: ${message}`, id: 5 }, JSON.stringify(frame))
  }
})

await t.test('a field of the wrong type', async (t) => {
  const join = { type: 'join', roomId: 'a' }
  const cases: Array<[frame: Record<string, unknown>, message: string]> = [
    [{ type: 'join', roomId: 1 }, 'roomId must be a string'],
    [{ type: 'join', roomId: null }, 'roomId must be a string'],
    [{ type: 'join', roomId: ['a'] }, 'roomId must be a string'],
    [{ type: 'join', roomId: { toString: 'a' } }, 'roomId must be a string'],
    [{ ...join, since: 5 }, 'since must be a string'],
    [{ ...join, since: null }, 'since must be a string'],
    [{ ...join, since: { offset: 1 } }, 'since must be a string'],
    [{ ...join, history: '10' }, 'history must be a number'],
    [{ ...join, history: true }, 'history must be a number'],
    [{ ...join, presence: 'yes' }, 'presence must be a boolean'],
    [{ ...join, presence: 1 }, 'presence must be a boolean'],
    [{ type: 'message', roomId: 'a', content: 1, event: 1 }, 'event must be a string'],
    [{ type: 'message', roomId: 'a', content: 1, key: 1 }, 'key must be a string'],
    [{ type: 'typing', roomId: 'a', typing: 1 }, 'typing must be a boolean'],
    [{ type: 'presence', roomId: 'a', after: 1 }, 'after must be a string'],
    [{ type: 'status', roomId: 'a', status: 1 }, 'status must be a string'],
    [{ type: 'history', roomId: 'a', limit: '5' }, 'limit must be a number'],
    [{ type: 'history', roomId: 'a', limit: 5, before: 1 }, 'before must be a string'],
    [{ type: 'history', roomId: 'a', limit: 5, after: 1 }, 'after must be a string'],
    [{ type: 'call', event: {}, content: 1 }, 'event must be a string'],
    [{ type: 'resume', rooms: {} }, 'rooms must be an array'],
    [{ type: 'resume', rooms: 'a' }, 'rooms must be an array'],
    [{ type: 'resume', rooms: ['a'] }, 'rooms[0] must be an object'],
    [{ type: 'resume', rooms: [{ roomId: 'a' }, null] }, 'rooms[1] must be an object'],
    [{ type: 'resume', rooms: [{ roomId: 'a', since: 1 }] }, 'rooms[0].since must be a string'],
    [{ type: 'resume', rooms: [], inbox: 1 }, 'inbox must be a string'],
    [{ type: 'received', positions: 'a' }, 'positions must be an array'],
    [{ type: 'received', positions: ['a', 1] }, 'positions[1] must be a string']
  ]
  for (const [frame, message] of cases) {
    t.same(failure(read({ id: 5, ...frame })), { answer: `bad_frame: ${message}`, id: 5 }, JSON.stringify(frame))
  }
})

await t.test('a value without meaning', async (t) => {
  const name = 'without control characters, braces and lone surrogates'
  const cases: Array<[frame: Record<string, unknown>, message: string]> = [
    [{ type: 'join', roomId: '' }, `roomId must be 1 to 200 bytes ${name}`],
    [{ type: 'join', roomId: 'a\nb' }, `roomId must be 1 to 200 bytes ${name}`],
    [{ type: 'join', roomId: 'chat:{id}' }, `roomId must be 1 to 200 bytes ${name}`],
    [{ type: 'join', roomId: '\ud800' }, `roomId must be 1 to 200 bytes ${name}`],
    [{ type: 'join', roomId: 'x'.repeat(10_000) }, `roomId must be 1 to 200 bytes ${name}`],
    [{ type: 'join', roomId: 'a', history: -1 }, 'history must be an integer from 0 to 9007199254740991'],
    [{ type: 'join', roomId: 'a', history: 1.5 }, 'history must be an integer from 0 to 9007199254740991'],
    [{ type: 'message', roomId: 'a', content: 1, event: '' }, `event must be 1 to 64 bytes ${name}`],
    [{ type: 'message', roomId: 'a', content: 1, key: 'x'.repeat(65) }, `key must be 1 to 64 bytes ${name}`],
    [{ type: 'presence', roomId: 'a', after: '' }, `after must be 1 to 200 bytes ${name}`],
    [{ type: 'status', roomId: 'a', status: '' }, `status must be 1 to 64 bytes ${name}`],
    [{ type: 'history', roomId: 'a', limit: 0 }, 'limit must be an integer from 1 to 100'],
    [{ type: 'history', roomId: 'a', limit: 101 }, 'limit must be an integer from 1 to 100'],
    [{ type: 'history', roomId: 'a', limit: 1, before: 'x', after: 'y' }, 'before and after exclude each other'],
    [{ type: 'resume', rooms: [{ roomId: 'a' }, { roomId: 'b' }, { roomId: 'a' }] }, 'rooms[2].roomId is named twice'],
    [{ type: 'resume', rooms: new Array(MAX_RESUME_ROOMS + 1).fill(0) }, 'rooms must have 0 to 1000 items'],
    [{ type: 'received', positions: [] }, 'positions must have 1 to 100 items'],
    [{ type: 'received', positions: new Array(101).fill('a') }, 'positions must have 1 to 100 items']
  ]
  for (const [frame, message] of cases) {
    t.same(failure(read({ id: 5, ...frame })), { answer: `bad_request: ${message}`, id: 5 }, JSON.stringify(frame).slice(0, 80))
  }
  t.match(frameOf(decode('{"type":"join","id":1,"roomId":"a","history":9007199254740991}', limits)), { history: Number.MAX_SAFE_INTEGER })
  t.same(failure(decode('{"type":"join","id":1,"roomId":"a","history":1e999}', limits)).id, 1)
})

await t.test('a position is never an error, only expired', async (t) => {
  for (const position of ['', 'nonsense', 'start', '{}', '\u0000', '\ud800', 'e.99999999999999999999.a', '../../etc/passwd']) {
    t.match(frameOf(read({ type: 'join', id: 1, roomId: 'a', since: position })), { since: position })
    t.match(frameOf(read({ type: 'received', positions: [position] })), { positions: [position] })
  }
  const long = 'long'.repeat(10_000)
  const frames = [
    frameOf(read({ type: 'join', id: 1, roomId: 'a', since: long })),
    frameOf(read({ type: 'history', id: 1, roomId: 'a', limit: 1, before: long })),
    frameOf(read({ type: 'history', id: 1, roomId: 'a', limit: 1, after: long })),
    frameOf(read({ type: 'resume', id: 1, inbox: long, rooms: [{ roomId: 'a', since: long }] })),
    frameOf(read({ type: 'received', positions: [long] }))
  ]
  for (const frame of frames) t.notMatch(JSON.stringify(frame), /long/, 'one that is too long is not carried along')
  t.equal(parsePosition(''), null, 'and what stands for it is expired')
})

await t.test('depth is checked before anything recursive sees the frame', async (t) => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  const frame = (content: string) => `{"type":"message","id":3,"roomId":"a","content":${content}}`
  t.ok(decode(frame(nested(31)), limits).ok, 'the frame itself is one level')
  t.same(failure(decode(frame(nested(32)), limits)), { answer: 'bad_frame: the frame is nested deeper than 32 levels', id: undefined })
  t.ok(decode(frame('{"a":'.repeat(31) + '1' + '}'.repeat(31)), limits).ok)
  t.notOk(decode(frame('{"a":'.repeat(32) + '1' + '}'.repeat(32)), limits).ok)
  t.ok(decode(frame('[' + '[],'.repeat(20_000) + '[]]'), limits).ok, 'width is not depth')
  t.ok(decode(frame(JSON.stringify('['.repeat(500))), limits).ok, 'brackets in a string are text')
  t.ok(decode(frame(JSON.stringify('\\"[[{{'.repeat(500))), limits).ok, 'after escapes too')
  t.notOk(decode(frame('"\\\\",' + nested(40)), limits).ok, 'a string that ends with a backslash ends')
  t.equal(failure(decode('"' + '['.repeat(100), limits)).answer, 'bad_frame: the frame is not JSON', 'an open string')
})

await t.test('64 KB of nested arrays cost well under a millisecond', async (t) => {
  const text = '['.repeat(65_536)
  const times = Array.from({ length: 101 }, () => {
    const start = performance.now()
    decode(text, limits)
    return performance.now() - start
  }).sort((a, b) => a - b)
  t.ok((times[50] ?? Infinity) < 0.5, `median ${times[50]} ms`)
})

await t.test('own __proto__ and constructor keys change nothing', async (t) => {
  const hidden = '{"__proto__":{"type":"pong","id":1},"constructor":{"prototype":{"type":"pong"}}}'
  t.equal(failure(decode(hidden, limits)).answer, 'bad_frame: type is missing')
  t.equal(
    failure(decode('{"type":"join","id":1,"__proto__":{"roomId":"a"}}', limits)).answer,
    'bad_request: roomId is missing'
  )
  t.equal(
    failure(decode('{"type":"resume","id":1,"rooms":[{"__proto__":{"roomId":"a"}}]}', limits)).answer,
    'bad_request: rooms[0].roomId is missing'
  )
  const frame = frameOf(decode('{"type":"message","roomId":"__proto__","event":"constructor","key":"__proto__","content":{"__proto__":{"admin":true}},"__proto__":{"x":1}}', limits))
  if (frame.type !== 'message') throw new Error('expected a message')
  t.equal(Object.getPrototypeOf(frame), Object.prototype)
  t.equal(frame.roomId, '__proto__', 'as a name it is a name')
  t.equal(JSON.stringify(frame.content), '{"__proto__":{"admin":true}}', 'content is handed on as it was parsed')
  t.equal(Reflect.get({}, 'admin'), undefined)
})

await t.test('a polluted prototype is not read', async (t) => {
  const prototype: object = Object.prototype
  const pollution = { type: 'pong', id: 5, roomId: 'a', content: 1, limit: 3, presence: true }
  t.teardown(() => Object.keys(pollution).forEach((key) => Reflect.deleteProperty(Object.prototype, key)))
  Object.entries(pollution).forEach(([key, value]) => Object.defineProperty(prototype, key, { value, configurable: true, enumerable: false }))
  const bare = decode('{}', limits)
  const join = decode('{"type":"join","id":1,"roomId":"b"}', limits)
  const message = decode('{"type":"message","roomId":"b"}', limits)
  Object.keys(pollution).forEach((key) => Reflect.deleteProperty(Object.prototype, key))
  t.equal(failure(bare).answer, 'bad_frame: type is missing')
  t.match(frameOf(join), { presence: false })
  t.equal(failure(message).answer, 'bad_request: content is missing')
})

await t.test('unknown fields are dropped, a forged sender too', async (t) => {
  t.strictSame(
    frameOf(read({ type: 'typing', roomId: 'a', typing: true, userId: 'admin', timestamp: 1, position: 'x', user: { id: 'admin' } })),
    { type: 'typing', id: undefined, roomId: 'a', typing: true }
  )
})

await t.test('no message repeats the input', async (t) => {
  const secret = 'S3CRET'.repeat(1000)
  for (const frame of [{ type: secret }, { type: 'join', id: 1, roomId: secret }, { type: 'join', id: secret }, { type: 'call', id: 1, event: secret }, { [secret]: 1 }]) {
    const { answer } = failure(read(frame))
    t.notMatch(answer, /S3CRET/)
    t.ok(answer.length < 200)
  }
})

await t.test('fuzz: any text is answered, nothing throws, nothing is polluted', async (t) => {
  const before = Object.getOwnPropertyNames(Object.prototype).join()
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), almostFrames().map((frame) => JSON.stringify(frame))), (text) => {
    const decoded = decode(text, limits)
    if (decoded.ok) return
    if (decoded.code !== 'bad_frame' && decoded.code !== 'bad_request') throw new Error(decoded.code)
    if (decoded.message.length > 200) throw new Error('unbounded message')
  }), { numRuns: 5000 })
  t.equal(Object.getOwnPropertyNames(Object.prototype).join(), before)
})

await t.test('fuzz: what is valid comes out as it went in', async () => {
  fc.assert(fc.property(validFrames(), (frame) => {
    const text = JSON.stringify(frame)
    const decoded = frameOf(decode(text, { depth: 128 }))
    // Through JSON both, so that absent and undefined are the same.
    t.strictSame(JSON.parse(JSON.stringify(decoded)), { ...defaults(frame), ...JSON.parse(text) })
  }), { numRuns: 500 })
})

function defaults (frame: object): object {
  if (!('type' in frame)) return {}
  if (frame.type === 'message') return { event: 'message' }
  return frame.type === 'join' ? { presence: false } : {}
}

/** Objects that look like frames: the right keys with any values. */
function almostFrames () {
  const values = fc.oneof({ depthSize: 'small' }, fc.anything({ maxDepth: 2 }).filter(isJson), fc.string(), fc.integer(), fc.constant(null))
  const type = fc.constantFrom('join', 'leave', 'message', 'typing', 'presence', 'status', 'history', 'call', 'resume', 'received', 'pong')
  return fc.record({
    type,
    id: fc.oneof(fc.integer({ min: 1 }), values),
    roomId: fc.oneof(fc.constant('a'), values),
    event: values,
    content: values,
    key: values,
    since: values,
    history: values,
    presence: values,
    typing: values,
    status: values,
    meta: values,
    before: values,
    after: values,
    limit: values,
    inbox: values,
    rooms: fc.oneof(values, fc.array(values)),
    positions: fc.oneof(values, fc.array(values)),
    __proto__: values
  }, { requiredKeys: [] })
}

function isJson (value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

function validFrames () {
  const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => Buffer.byteLength(text) <= 64 && !/[\p{Cc}{}]/u.test(text))
  const content = fc.jsonValue()
  const position = fc.string({ maxLength: 100 })
  const room = { roomId: name, since: position, history: fc.nat(), presence: fc.boolean() }
  return fc.oneof(
    record('join', { id, ...room }, ['id', 'roomId']),
    record('leave', { id, roomId: name }, ['id', 'roomId']),
    record('message', { id, roomId: name, event: name, content, key: name }, ['roomId', 'content']),
    record('typing', { roomId: name, typing: fc.boolean() }, ['roomId', 'typing']),
    record('presence', { id, roomId: name, after: name }, ['id', 'roomId']),
    record('status', { id, roomId: name, status: name, meta: content }, ['roomId', 'meta']),
    record('history', { id, roomId: name, before: position, limit: fc.integer({ min: 1, max: 100 }) }, ['id', 'roomId', 'limit']),
    record('call', { id, event: name, content }, ['id', 'event', 'content']),
    record('resume', { id, inbox: position, rooms: fc.uniqueArray(fc.record(room), { selector: ({ roomId }) => roomId }) }, ['id', 'rooms']),
    record('received', { positions: fc.array(position, { minLength: 1, maxLength: 100 }) }, ['positions']),
    record('pong', { id }, [])
  )

  function record<Fields extends object> (type: string, fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }, requiredKeys: Array<keyof Fields>) {
    return fc.record(fields, { requiredKeys }).map((frame): object => ({ type, ...frame }))
  }
}
