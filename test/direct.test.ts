import t from 'tap'
import { createApp } from './helpers/app.js'

await t.test('every device of the user gets it, nobody else does', async (t) => {
  const { app, connect } = await createApp(t)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  const bob = await connect('bob')
  await Promise.all([phone.settled(), laptop.settled()])
  const { position, timestamp, ...rest } = await app.realtime.sendDirect('ann', 'order-ready', { n: 1 })
  t.same(rest, {})
  const frame = await phone.next('direct')
  t.strictSame(frame, { type: 'direct', event: 'order-ready', userId: null, content: { n: 1 }, timestamp, position })
  t.strictSame(await laptop.next('direct'), frame)
  await bob.settled()
  t.same(bob.all('direct'), [])
})

await t.test('the sender is who the server says', async (t) => {
  const { app, connect } = await createApp(t)
  const ann = await connect('ann')
  await ann.settled()
  await app.realtime.sendDirect('ann', 'hello', null, { userId: 'bob' })
  t.match(await ann.next('direct'), { userId: 'bob', content: null })
  t.match(await ann.request({ type: 'direct', userId: 'bob', event: 'hello', content: 'forged' }), { type: 'error', code: 'bad_request' },
    'there is no such frame for clients')
})

await t.test('many arrive in the order of the calls', async (t) => {
  const { app, connect } = await createApp(t, { inbox: { size: 1000 } })
  const ann = await connect('ann')
  await ann.settled()
  const sent = await Promise.all(Array.from({ length: 500 }, (_, n) => app.realtime.sendDirect('ann', 'n', n)))
  await ann.next((frame) => frame.type === 'direct' && frame.content === 499)
  t.same(ann.all('direct').map((frame) => frame.content), sent.map((_, n) => n))
  t.same(ann.all('direct').map((frame) => frame.position), sent.map(({ position }) => position))
})

await t.test('a key used twice sends once; with other content it is a conflict', async (t) => {
  const { app, connect } = await createApp(t)
  const ann = await connect('ann')
  await ann.settled()
  const first = await app.realtime.sendDirect('ann', 'order', { n: 1 }, { key: 'k' })
  const again = await app.realtime.sendDirect('ann', 'order', { n: 1 }, { key: 'k' })
  t.strictSame(again, { ...first, duplicate: true })
  await t.rejects(app.realtime.sendDirect('ann', 'order', { n: 2 }, { key: 'k' }), { code: 'RT_ERR_CONFLICT' })
  await t.rejects(app.realtime.sendDirect('ann', 'other', { n: 1 }, { key: 'k' }), { code: 'RT_ERR_CONFLICT' })
  t.notOk('duplicate' in await app.realtime.sendDirect('bob', 'order', { n: 1 }, { key: 'k' }), 'keys are per user')
  await app.realtime.sendDirect('ann', 'last', null)
  await ann.next((frame) => frame.event === 'last')
  t.same(ann.all('direct').map((frame) => frame.event), ['order', 'last'])
})

await t.test('bad arguments reject and name themselves', async (t) => {
  const { app, connect } = await createApp(t)
  const ann = await connect('ann')
  await ann.settled()
  const { realtime } = app
  // As JavaScript calls it.
  const send = (...args: unknown[]): Promise<unknown> => Reflect.apply(realtime.sendDirect, realtime, args)
  const bad = (name: string, ...args: unknown[]): Promise<unknown> =>
    t.rejects(send(...args), { code: 'RT_ERR_BAD_ARGUMENT', message: new RegExp(name) }, `${name}: ${JSON.stringify(args)}`)
  await bad('userId', '', 'e', 1)
  await bad('userId', 'a{b', 'e', 1)
  await bad('userId', 'x'.repeat(201), 'e', 1)
  await bad('userId', undefined, 'e', 1)
  await bad('event', 'ann', '', 1)
  await bad('event', 'ann', 'reset', 1)
  await bad('event', 'ann', 'x'.repeat(65), 1)
  await bad('options', 'ann', 'e', 1, 5)
  await bad('options.sender', 'ann', 'e', 1, { sender: 'bob' })
  await bad('options.key', 'ann', 'e', 1, { key: '' })
  await bad('options.userId', 'ann', 'e', 1, { userId: 7 })
  await bad('options.receipt', 'ann', 'e', 1, { receipt: 'yes' })
  await bad('options.timeout', 'ann', 'e', 1, { receipt: true, timeout: '2m' })
  await bad('options.timeout', 'ann', 'e', 1, { receipt: true, timeout: -1 })
  const cycle: { self?: object } = {}
  cycle.self = cycle
  const deep = JSON.parse('['.repeat(5000) + ']'.repeat(5000))
  await t.rejects(send('ann', 'e', 1n), { code: 'RT_ERR_CONTENT_NOT_SERIALIZABLE' })
  await t.rejects(send('ann', 'e', cycle), { code: 'RT_ERR_CONTENT_NOT_SERIALIZABLE' })
  await t.rejects(send('ann', 'e', deep), { code: 'RT_ERR_CONTENT_TOO_DEEP' })
  await t.rejects(send('ann', 'e', 'x'.repeat(300 * 1024)), { code: 'RT_ERR_CONTENT_TOO_LARGE' })
  await realtime.sendDirect('ann', 'fine', 1)
  t.match(await ann.next('direct'), { event: 'fine' })
  t.equal(ann.all('direct').length, 1)
})
