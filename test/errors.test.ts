import t from 'tap'
import Fastify from 'fastify'
import { errors, isRefusal, publicContentError, Refusal } from '../lib/errors.js'
import { closeCodes } from '../lib/protocol/close-codes.js'
import { ContentError } from '../lib/protocol/encode.js'
import { errorCodes } from '../lib/protocol/error-codes.js'

await t.test('every error carries the code it is listed under', async (t) => {
  for (const [code, RealtimeError] of Object.entries(errors)) {
    const cause = new Error('why')
    const err = Reflect.construct(RealtimeError, ['a detail', { cause }])
    t.match(err, { code, cause })
    t.ok(err instanceof Error && err instanceof RealtimeError)
    t.ok(err.statusCode >= 400 && err.statusCode < 600, code)
    t.notMatch(err.message, /%s|undefined/)
  }
})

await t.test('a detail is text, whatever is in it', async (t) => {
  t.equal(new errors.RT_ERR_OPTION('limits.depth %s %d').message, 'Invalid option: limits.depth %s %d')
})

await t.test('an error that leaves a route handler is answered with its status', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', () => { throw new errors.RT_ERR_UNAVAILABLE('the backplane is down') })
  const response = await app.inject('/')
  t.equal(response.statusCode, 503)
  t.equal(response.json().code, 'RT_ERR_UNAVAILABLE')
})

await t.test('content errors become public ones, others stay', async (t) => {
  const cause = new TypeError('BigInt')
  t.match(publicContentError(new ContentError('not_serializable', 'm', { cause })), { code: 'RT_ERR_CONTENT_NOT_SERIALIZABLE', cause })
  t.match(publicContentError(new ContentError('too_deep', 'm')), { code: 'RT_ERR_CONTENT_TOO_DEEP' })
  t.match(publicContentError(new ContentError('too_large', 'm')), { code: 'RT_ERR_CONTENT_TOO_LARGE' })
  t.equal(publicContentError(cause), cause)
})

await t.test('a refusal', async (t) => {
  const cause = new Error('why')
  const refusal = new Refusal('You are muted', { content: { minutes: 5 }, cause })
  t.match(refusal, { name: 'Refusal', message: 'You are muted', content: { minutes: 5 }, cause, statusCode: 403 })
  t.ok(refusal instanceof Error)
  t.ok(isRefusal(refusal))
  t.notOk('content' in new Refusal('no') && new Refusal('no').content !== undefined)
  t.notOk('cause' in new Refusal('no'))
})

await t.test('a refusal of another copy of the module is one too', async (t) => {
  const other: { Refusal: typeof Refusal } = await import(`../lib/errors.js?copy=${Date.now()}`)
  t.not(other.Refusal, Refusal)
  t.ok(isRefusal(new other.Refusal('no')))
  t.ok(isRefusal(Object.assign(new Error('no'), { [Symbol.for('fastify-realtime.refusal')]: true })))
})

await t.test('nothing else is a refusal', async (t) => {
  for (const value of [undefined, null, 'no', 1, {}, new Error('no'), { name: 'Refusal' }, new errors.RT_ERR_CONFLICT()]) t.notOk(isRefusal(value))
})

await t.test('what a client does on a close', async (t) => {
  const actions = Object.fromEntries(Object.values(closeCodes).map(({ code, action }) => [code, action]))
  t.strictSame(actions, {
    1000: 'stop',
    1001: 'reconnect',
    1002: 'stop',
    1003: 'stop',
    1007: 'stop',
    1009: 'stop',
    1012: 'reconnect',
    1013: 'reconnect',
    4400: 'stop',
    4401: 'renew',
    4403: 'stop',
    4408: 'reconnect',
    4409: 'stop',
    4410: 'reconnect',
    4429: 'reconnect'
  })
  t.strictSame(Object.values(closeCodes).flatMap(({ code, backoff }) => backoff ? [code] : []), [1013, 4429])
})

await t.test('only what was certainly not applied may be sent again', async (t) => {
  const retryable = Object.entries(errorCodes).filter(([, entry]) => entry.retryable).map(([code]) => code)
  t.strictSame(retryable, ['rate_limited', 'unavailable'])
})
