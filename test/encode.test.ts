import fc from 'fast-check'
import t from 'tap'
import {
  broadcastHead, callAck, ContentError, contentText, directHead, errorFrame, expiringFrame, finishFrame, goawayFrame,
  historyAck, joinAck, joinedFrame, leftFrame, messageAck, messageHead, PING_FRAME, plainAck, presenceAck, presenceFrame, resetFrame,
  resumeAck, typingFrame, welcomeFrame
} from '../lib/protocol/encode.js'
import { errorCodes } from '../lib/protocol/error-codes.js'
import { formatPosition } from '../lib/protocol/position.js'

const position = formatPosition({ epoch: 'abc', offset: 5, chain: '0123456789ab' })
const timestamp = 1_700_000_000_000
const limits = { depth: 32, bytes: 65_536 }

/** Names and content that break what is put together carelessly. */
const hostile = ['"', '\\', '\\"', '","userId":"admin', '}', '$&', '$1', '%s', '__proto__', '\u2028', '</script>', '😀', '\ud800', '{"a":1}', '[', ']}']

await t.test('message', async (t) => {
  t.strictSame(
    JSON.parse(finishFrame(messageHead({ roomId: 'chat:1', event: 'note', userId: 'ada', content: '{"a":1}', key: 'k' }), timestamp, position)),
    { type: 'message', roomId: 'chat:1', event: 'note', userId: 'ada', content: { a: 1 }, key: 'k', timestamp, position }
  )
  t.strictSame(
    JSON.parse(finishFrame(messageHead({ roomId: 'chat:1', event: 'note', userId: null, content: 'null' }), timestamp)),
    { type: 'message', roomId: 'chat:1', event: 'note', userId: null, content: null, timestamp },
    'from the server, in a volatile room'
  )
})

await t.test('direct', async (t) => {
  t.strictSame(
    JSON.parse(finishFrame(directHead({ event: 'hi', userId: 'ada', content: '[1]', receipt: true }), timestamp, position)),
    { type: 'direct', event: 'hi', userId: 'ada', content: [1], receipt: true, timestamp, position }
  )
  t.strictSame(
    JSON.parse(finishFrame(directHead({ event: 'hi', userId: null, content: '1', receipt: false }), timestamp, position)),
    { type: 'direct', event: 'hi', userId: null, content: 1, timestamp, position }
  )
})

await t.test('broadcast', async (t) => {
  const expected = { type: 'broadcast', event: 'news', content: 'x', timestamp }
  t.strictSame(JSON.parse(finishFrame(broadcastHead('news', '"x"'), timestamp)), expected)
  t.strictSame(JSON.parse(finishFrame(broadcastHead('news', '"x"'), timestamp)), expected)
})

await t.test('a head holds hostile names and content, and what is appended is the last word', async (t) => {
  for (const text of hostile) {
    const content = contentText({ [text]: text }, limits)
    const frame = JSON.parse(finishFrame(messageHead({ roomId: text, event: text, userId: text, content, key: text }), timestamp, position))
    t.strictSame(frame, { type: 'message', roomId: text, event: text, userId: text, content: JSON.parse(content), key: text, timestamp, position })
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.jsonValue(), (text, value) => {
    const content = contentText(value, { depth: 1000, bytes: 1e9 })
    const frame = JSON.parse(finishFrame(messageHead({ roomId: text, event: text, userId: text, content }), timestamp, position))
    t.strictSame(frame, { type: 'message', roomId: text, event: text, userId: text, content: JSON.parse(JSON.stringify(value)), timestamp, position })
  }), { numRuns: 200 })
})

await t.test('error', async (t) => {
  t.strictSame(JSON.parse(errorFrame({ code: 'forbidden', id: 4, roomId: 'a' })), {
    type: 'error', id: 4, code: 'forbidden', message: errorCodes.forbidden.message, retryable: false, roomId: 'a'
  })
  t.strictSame(
    JSON.parse(errorFrame({ code: 'refused', message: 'no "way"', key: 'k', content: '{"why":1}', retryable: true, retryAfter: 250 })),
    { type: 'error', code: 'refused', message: 'no "way"', retryable: true, retryAfter: 250, content: { why: 1 }, key: 'k' }
  )
  t.equal(JSON.parse(errorFrame({ code: 'unavailable' })).retryable, true)
  t.equal(JSON.parse(errorFrame({ code: 'timeout' })).retryable, false, 'without a key it may happen twice')
})

await t.test('acks', async (t) => {
  const page = { members: [{ userId: 'ada', status: 'online', devices: 2 }], count: 1 }
  const message = finishFrame(messageHead({ roomId: 'a', event: 'm', userId: 'é', content: '"€"' }), timestamp, position)
  const parsed = JSON.parse(message)

  t.strictSame(JSON.parse(plainAck(1)), { type: 'ack', id: 1 })
  t.strictSame(JSON.parse(plainAck(1, 'a')), { type: 'ack', id: 1, roomId: 'a' })
  t.strictSame(JSON.parse(callAck(1, '{"n":1}')), { type: 'ack', id: 1, content: { n: 1 } })
  t.strictSame(JSON.parse(joinAck(1, { roomId: 'a' })), { type: 'ack', id: 1, roomId: 'a' }, 'volatile')
  t.strictSame(JSON.parse(joinAck(1, { roomId: 'a', position })), { type: 'ack', id: 1, roomId: 'a', position })
  t.strictSame(
    JSON.parse(joinAck(1, { roomId: 'a', position, recovered: true, messages: [message, Buffer.from(message)], more: true, presence: page })),
    { type: 'ack', id: 1, roomId: 'a', position, recovered: true, messages: [parsed, parsed], more: true, presence: page },
    'finished frames as text or bytes'
  )
  t.strictSame(
    JSON.parse(joinAck(1, { roomId: 'a', position, recovered: false, reason: 'trimmed', messages: [], more: false })),
    { type: 'ack', id: 1, roomId: 'a', position, recovered: false, reason: 'trimmed', messages: [] }
  )
  t.strictSame(JSON.parse(messageAck(1, { roomId: 'a', timestamp })), { type: 'ack', id: 1, roomId: 'a', timestamp })
  t.strictSame(
    JSON.parse(messageAck(1, { roomId: 'a', timestamp, position, key: 'k', duplicate: true })),
    { type: 'ack', id: 1, roomId: 'a', position, timestamp, key: 'k', duplicate: true }
  )
  t.strictSame(JSON.parse(presenceAck(1, 'a', { ...page, more: true })), { type: 'ack', id: 1, roomId: 'a', ...page, more: true })
  t.strictSame(
    JSON.parse(historyAck(1, { roomId: 'a', messages: [message], more: true, reason: 'expired' })),
    { type: 'ack', id: 1, roomId: 'a', messages: [parsed], more: true, reason: 'expired' }
  )
})

await t.test('resume', async (t) => {
  t.strictSame(
    JSON.parse(resumeAck(1, {
      inbox: { position, recovered: true, messages: ['{"type":"direct"}'] },
      rooms: [{ roomId: 'a', position, recovered: false, reason: 'diverged' }, { roomId: 'b', error: { code: 'unavailable', retryAfter: 100 } }]
    })),
    {
      type: 'ack',
      id: 1,
      inbox: { position, recovered: true, messages: [{ type: 'direct' }] },
      rooms: [
        { roomId: 'a', position, recovered: false, reason: 'diverged' },
        { roomId: 'b', error: { code: 'unavailable', message: errorCodes.unavailable.message, retryable: true, retryAfter: 100 } }
      ]
    }
  )
  t.strictSame(
    JSON.parse(resumeAck(1, { inbox: { error: { code: 'internal' } }, rooms: [] })),
    { type: 'ack', id: 1, inbox: { error: { code: 'internal', message: errorCodes.internal.message, retryable: false } }, rooms: [] }
  )
  t.strictSame(JSON.parse(resumeAck(1, { inbox: {}, rooms: [] })), { type: 'ack', id: 1, inbox: {}, rooms: [] })
})

await t.test('frames the server sends by itself', async (t) => {
  const welcome = {
    connectionId: 'c1',
    userId: 'ada',
    heartbeat: 25_000,
    expiresAt: timestamp,
    inbox: position,
    limits: { maxPayload: 65_536, rooms: 100, messages: { max: 100, window: 10_000 }, joins: { max: 200, window: 10_000 }, keyTtl: 600_000 }
  }
  t.strictSame(JSON.parse(welcomeFrame(welcome)), { type: 'welcome', ...welcome })
  t.notOk('expiresAt' in JSON.parse(welcomeFrame({ ...welcome, expiresAt: undefined })))
  t.strictSame(JSON.parse(typingFrame('a', 'ada', false)), { type: 'typing', roomId: 'a', userId: 'ada', typing: false })
  t.strictSame(
    JSON.parse(presenceFrame('a', 'updated', { userId: 'ada', status: 'away', meta: { x: 1 }, devices: 1 }, timestamp)),
    { type: 'presence', roomId: 'a', userId: 'ada', change: 'updated', status: 'away', meta: { x: 1 }, devices: 1, timestamp }
  )
  t.strictSame(
    JSON.parse(presenceFrame('a', 'left', { userId: 'ada', status: 'away', meta: null, devices: 0 }, timestamp)),
    { type: 'presence', roomId: 'a', userId: 'ada', change: 'left', status: 'away', devices: 0, timestamp },
    'cleared meta is no meta'
  )
  t.strictSame(JSON.parse(joinedFrame({ roomId: 'a' })), { type: 'joined', roomId: 'a' })
  t.strictSame(
    JSON.parse(joinedFrame({ roomId: 'a', position, presence: { members: [], count: 0 } })),
    { type: 'joined', roomId: 'a', position, presence: { members: [], count: 0 } }
  )
  t.strictSame(JSON.parse(leftFrame('a', 'revoked')), { type: 'left', roomId: 'a', reason: 'revoked' })
  t.strictSame(JSON.parse(resetFrame({ roomId: 'a', reason: 'trimmed', position })), { type: 'reset', roomId: 'a', reason: 'trimmed', position })
  t.strictSame(JSON.parse(resetFrame({ inbox: true, reason: 'expired', position })), { type: 'reset', inbox: true, reason: 'expired', position })
  t.strictSame(JSON.parse(PING_FRAME), { type: 'ping' })
  t.strictSame(JSON.parse(expiringFrame(timestamp)), { type: 'expiring', expiresAt: timestamp })
  t.strictSame(JSON.parse(goawayFrame(1500)), { type: 'goaway', reconnectIn: 1500 })
})

await t.test('no member field but those of the protocol leaves the server', async (t) => {
  const member = { userId: 'ada', status: 'online', devices: 1, connections: ['secret'], email: 'a@b.c' }
  const text = presenceAck(1, 'a', { members: [member], count: 1 }) + presenceFrame('a', 'joined', member, timestamp)
  t.notMatch(text, /secret|email/)
})

await t.test('content is any JSON', async (t) => {
  t.equal(contentText(undefined, limits), 'null')
  t.equal(contentText(null, limits), 'null')
  t.equal(contentText(NaN, limits), 'null')
  t.equal(contentText('\ud800', limits), '"\\ud800"', 'a lone surrogate is escaped, so the frame stays UTF-8')
  t.equal(contentText(new Date(0), limits), '"1970-01-01T00:00:00.000Z"')
  t.equal(contentText({ a: undefined, b: () => {} }, limits), '{}')
  t.equal(contentText(JSON.parse('{"__proto__":1}'), limits), '{"__proto__":1}')
})

await t.test('content that is not JSON', async (t) => {
  const cycle: { self?: object } = {}
  cycle.self = cycle
  const thrower = { toJSON () { throw new Error('mine') } }
  const invalidTime = { toJSON () { return new Date(NaN).toISOString() } }
  const primitive = { toJSON () { throw 'text' } } // eslint-disable-line no-throw-literal
  for (const content of [1n, { a: [1n] }, cycle, () => {}, Symbol('x'), thrower, invalidTime, primitive, { toJSON () {} }, { get a () { throw new Error('mine') } }]) {
    const err = problem(content)
    t.equal(err.problem, 'not_serializable')
    t.notMatch(err.message, /\n/)
  }
  t.match(problem(cycle).message, /circular/)
  t.match(problem(thrower).cause, { message: 'mine' })
})

await t.test('content nested too deep', async (t) => {
  t.equal(contentText(nested(32), limits).length, 64)
  t.equal(problem(nested(33)).problem, 'too_deep')
  t.equal(problem(nested(5_000)).problem, 'too_deep')
  t.equal(problem(nested(1_000_000)).problem, 'too_deep', 'deeper than the stack')
})

await t.test('content too large', async (t) => {
  t.equal(problem({ toJSON: () => 'x'.repeat(2 ** 30) }).problem, 'too_large', 'longer than a string can be')
  t.equal(contentText('x'.repeat(limits.bytes - 2), limits).length, limits.bytes)
  t.equal(problem('x'.repeat(limits.bytes - 1)).problem, 'too_large')
  t.equal(problem('€'.repeat(limits.bytes / 3)).problem, 'too_large', 'in bytes, not characters')
})

function nested (levels: number): unknown {
  let value: unknown[] = []
  for (let i = 1; i < levels; i++) value = [value]
  return value
}

function problem (content: unknown): ContentError {
  try {
    contentText(content, limits)
  } catch (err) {
    if (err instanceof ContentError) return err
    throw err
  }
  throw new Error('expected a ContentError')
}
