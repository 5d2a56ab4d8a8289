import t from 'tap'
import { closeCodes } from '../../lib/protocol/close-codes.js'
import type { CloseAction } from '../../lib/protocol/close-codes.js'
import { createBackoff } from '../../lib/client/backoff.js'
import { createClient } from '../../lib/client/index.js'
import type { Status } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, createSdk, heard, untilStatus } from '../helpers/sdk.js'

await t.test('one event for every change, with the reason', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const seen: Status[] = []
  client.on('status', (status) => seen.push(status))
  t.match(client.status, { state: 'idle' })
  const connected = client.connect()
  const first = await server.peer()
  first.welcome()
  await first.resumed()
  await connected
  await client.connect()
  first.ws.close(1012)
  const second = await admit(server, client)
  second.ws.close(4403, 'banned')
  await untilStatus(client, 'closed')
  t.strictSame(seen.map(({ state, reason, code }) => ({ state, reason, code })), [
    { state: 'connecting', reason: undefined, code: undefined },
    { state: 'connected', reason: undefined, code: undefined },
    { state: 'waiting', reason: 'lost', code: 1012 },
    { state: 'connecting', reason: 'lost', code: undefined },
    { state: 'connected', reason: undefined, code: undefined },
    { state: 'closed', reason: 'server', code: 4403 }
  ])
  t.equal(new Set(seen).size, seen.length, 'each a new object')
  const waiting = seen[2]
  t.type(waiting?.retryAt, 'number')
  t.equal(waiting?.attempt, 1)

  const again = client.connect()
  const third = await server.peer()
  third.welcome()
  await third.resumed()
  await again
  const before = seen.length
  client.close()
  client.close()
  t.strictSame(seen.slice(before).map(({ state, reason }) => [state, reason]), [['closed', 'closed']], 'closing is told once, and nothing after it')
  t.match(await third.closed, { code: 1000 })
})

await t.test('every close code leads to what the table of the protocol says', async (t) => {
  const server = await createScriptedServer(t)
  const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000, 4400, 4401, 4402, 4403, 4408, 4409, 4410, 4429, 4500, 4555, 4599, 4600]
  for (const code of codes) {
    const reasons: string[] = []
    const { client } = createSdk(t, server, 'ann', { getToken: ({ reason }) => { reasons.push(reason); return server.token() } })
    const peer = await admit(server, client)
    const action = actionOn(code)
    const next = new Promise<Status>((resolve) => client.on('status', resolve))
    peer.ws.close(code)
    const { state, code: told } = await next
    t.equal(told, code)
    t.equal(state, action === 'stop' ? 'closed' : 'waiting', `${code}: ${action}`)
    if (action === 'renew') {
      await server.peer()
      t.strictSame(reasons, ['connect', 'expired'])
    }
    client.close()
  }
})

await t.test('waits grow with full jitter between floor and limit, and start over once a connection held', async (t) => {
  const server = await createScriptedServer(t)
  server.refuse = 502
  const clock = createFakeClock({ seed: 5 })
  const { client } = createSdk(t, server, 'ann', { clock, backoff: {} })
  const waits: number[] = []
  for (let i = 0; i < 10; i++) {
    const { retryAt = 0, state } = await untilStatus(client, 'waiting')
    t.equal(state, 'waiting')
    waits.push(retryAt - clock.wall())
    if (i === 9) server.refuse = 0
    clock.advance(retryAt - clock.wall() + 1)
  }
  for (const [i, wait] of waits.entries()) t.ok(wait >= 500 && wait <= Math.min(20_000, 500 * 2 ** (i + 1)), `wait ${i}: ${wait}`)
  t.equal(new Set(waits).size, waits.length, 'no two alike')
  const peer = await admit(server, client)
  clock.advance(6_000)
  peer.ws.terminate()
  const { retryAt = 0, attempt } = await untilStatus(client, 'waiting')
  t.equal(attempt, 1)
  t.ok(retryAt - clock.wall() <= 1_000)
})

await t.test('a limit on attempts ends them', async (t) => {
  const server = await createScriptedServer(t)
  server.refuse = 502
  const { client } = createSdk(t, server, 'ann', { backoff: { min: 10, max: 10, attempts: 3 } })
  t.match(await untilStatus(client, 'closed'), { reason: 'attempts' })
  t.equal(server.attempts, 4, 'the first, and three more')
  await t.rejects(client.connect(), { code: 'closed' })
})

await t.test('goaway: the socket is used on, closed in time with its reason, and resumed elsewhere at once', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  clock.advance(10_000)
  peer.send({ type: 'goaway', reconnectIn: 1_830 })
  const sent = room.send('still here')
  await peer.acked()
  await sent
  const call = t.rejects(client.call('slow', 1), { code: 'disconnected' }, 'calls are never sent twice')
  await peer.next('call')
  const unanswered = room.send('again')
  const { key } = await peer.next('message')
  clock.advance(1_829)
  t.equal(client.status.state, 'connected')
  clock.advance(2)
  t.match(await peer.closed, { code: 1000, reason: 'goaway' })
  await call
  const next = await server.peer()
  next.welcome()
  await next.resumed()
  t.match(await next.acked(), { key, content: 'again' })
  await unanswered
})

await t.test('a connection that does not come about in time is given up', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, timeout: 3_000 })
  const peer = await server.peer()
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(3_001)
  t.match(client.status, { reason: 'timeout' })
  await peer.closed
  clock.advance(30)
  const next = await server.peer()
  next.welcome()
  await next.next('resume')
  clock.advance(3_001)
  t.match(client.status, { reason: 'timeout' }, 'neither is one whose resume is not answered')
})

await t.test('silence longer than the heartbeat and ten seconds is the end of a connection', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, backoff: {} })
  const peer = await server.peer()
  peer.welcome({ heartbeat: 20_000 })
  await peer.resumed()
  await untilStatus(client, 'connected')
  clock.advance(29_000)
  peer.send({ type: 'ping' })
  t.match(await peer.next('pong'), { id: undefined })
  clock.advance(29_900)
  t.equal(client.status.state, 'connected')
  clock.advance(101)
  t.match(client.status, { state: 'waiting', reason: 'silent' })
})

await t.test('a clock that is set back does not make a dead connection look alive', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, backoff: {} })
  await admit(server, client)
  clock.setWall(clock.wall() - 86_400_000)
  clock.advance(40_100)
  t.match(client.status, { state: 'waiting', reason: 'silent' })
})

await t.test('signs of the network: a probe while connected, an earlier attempt while waiting, never at once', async (t) => {
  const page = new EventTarget()
  const methods = ['addEventListener', 'removeEventListener'] as const
  for (const method of methods) Object.defineProperty(globalThis, method, { configurable: true, value: page[method].bind(page) })
  t.teardown(() => { for (const method of methods) Reflect.deleteProperty(globalThis, method) })
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, backoff: {} })
  const peer = await admit(server, client)
  page.dispatchEvent(new Event('visibilitychange'))
  page.dispatchEvent(new Event('online'))
  const { id } = await peer.next('pong')
  peer.send({ type: 'ack', id })
  const heard = new Promise((resolve) => client.on('broadcast', resolve))
  peer.send({ type: 'broadcast', event: 'x', content: 1, timestamp: 1 })
  await heard
  clock.advance(5_100)
  t.equal(client.status.state, 'connected')
  t.equal(peer.frames.filter(({ type }) => type === 'pong').length, 1, 'a flock of signs is one question')
  page.dispatchEvent(new Event('offline'))
  clock.advance(5_100)
  t.match(client.status, { reason: 'silent' }, 'no answer')

  server.refuse = 502
  for (let i = 0; i < 6; i++) {
    const { retryAt = 0 } = await untilStatus(client, 'waiting')
    clock.advance(retryAt - clock.wall() + 1)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { retryAt: late = 0 } = await untilStatus(client, 'waiting')
  page.dispatchEvent(new Event('online'))
  const { retryAt: soon = 0 } = client.status
  t.ok(soon - clock.wall() >= 500 && soon - clock.wall() <= 1_000 && soon < late, 'soon')
  for (let i = 0; i < 20; i++) page.dispatchEvent(new Event('online'))
  t.ok((client.status.retryAt ?? 0) <= soon, 'signs do not put it off')

  server.http = () => ({ status: 503, headers: { 'retry-after': '30' } })
  clock.advance(soon - clock.wall() + 1)
  await new Promise((resolve) => client.on('status', (status) => { if (status.reason === 'refused') resolve(null) }))
  const { retryAt: asked } = client.status
  page.dispatchEvent(new Event('online'))
  t.equal(client.status.retryAt, asked, 'what the server asked for is kept')
  client.close()
  page.dispatchEvent(new Event('online'))
  t.equal(client.status.state, 'closed')
})

await t.test('a real server that drains: away and back without a gap', async (t) => {
  const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }
  const first = await createApp(t, { rooms })
  const { client } = createSdk(t, first, 'ann')
  await client.joinRoom('chat:1')
  await untilStatus(client, 'connected')
  const reasons: unknown[] = []
  client.on('status', ({ state, reason, code }) => reasons.push([state, reason, code]))
  await first.app.close()
  await untilStatus(client, 'waiting')
  t.ok(reasons.length > 0)
  t.match(reasons[0], ['waiting', /goaway|lost/])
})

await t.test('an address that is none, with or without a page, is a TypeError of createClient', async (t) => {
  for (const url of ['http://', 'localhost:3000/realtime', 'ftp://example.com/realtime', 'mailto:ann']) {
    t.throws(() => createClient({ url, autoConnect: false }), TypeError, url)
  }
  t.throws(() => createClient({ url: 'ftp://example.com/x', autoConnect: false }), { message: 'url: ftp://example.com/x' })
  for (const url of ['ws://example.com', 'wss://example.com/realtime', 'http://example.com', 'https://example.com/realtime?x=1']) {
    t.doesNotThrow(() => createClient({ url, autoConnect: false }), url)
  }
})

await t.test('waits that are no waits are at least ten milliseconds and at most an hour', (t) => {
  const random = (): number => 0.999
  for (const options of [{ min: NaN }, { min: -5 }, { min: 0, max: 0 }, { max: NaN }, { min: 50, max: 20 }, { min: Infinity }, { min: 1e12, max: Infinity }, { min: 500, max: Infinity }]) {
    const backoff = createBackoff(random, options)
    for (let i = 0; i < 2_000; i++) {
      const wait = backoff.next()
      if (!(wait >= 10 && wait <= 3_600_000)) t.fail(`${JSON.stringify(options)}: ${wait}`)
    }
  }
  for (const after of [NaN, -1e9, undefined, -Infinity]) t.ok(createBackoff(random, { min: 10 }).next(after) >= 10, String(after))
  t.ok(createBackoff(random).next(Infinity) < 2 ** 31)
  t.end()
})

await t.test('a server that asks to come back in the past makes no loop', async (t) => {
  const server = await createScriptedServer(t)
  server.refuse = 503
  server.http = () => ({ status: 503, headers: { 'retry-after': '-3600' } })
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, backoff: {} })
  const { retryAt = 0 } = await untilStatus(client, 'waiting')
  t.ok(retryAt - clock.wall() >= 500)
})

await t.test('closed, it has no timers left', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  room.setTyping(true)
  void room.send('a')
  client.call('x', 1).catch(() => {})
  await peer.next('call')
  room.leave()
  client.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(clock.armed, 0)
})

await t.test('closed by a handler that hears of an attempt, it makes none', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock, autoConnect: false })
  const states: string[] = []
  client.on('status', ({ state }) => {
    states.push(state)
    if (state === 'connecting') client.close()
  })
  await t.rejects(client.connect(), { code: 'closed' })
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  t.same(states, ['connecting', 'closed'])
  t.equal(clock.armed, 0)
  t.equal(server.attempts, 0)
})

await t.test('closed by getToken, which then fails, it is closed', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client, errors } = createSdk(t, server, 'ann', {
    clock,
    autoConnect: false,
    getToken () {
      client.close()
      throw new Error('signed out elsewhere')
    }
  })
  await t.rejects(client.connect(), { code: 'closed' })
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  t.match(client.status, { state: 'closed', reason: 'closed' })
  t.equal(clock.armed, 0)
  t.same(errors, [])
})

await t.test('whoever closes it over its end settles what waits for it, too', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  client.on('status', ({ state }) => { if (state === 'closed') client.close() })
  const peer = await admit(server, client)
  const room = client.room('chat:1')
  const waiting = Promise.allSettled([room.ready(), room.messages().next()])
  await peer.next('join')
  peer.ws.close(4403)
  t.match(await waiting, [{ status: 'rejected', reason: { code: 'closed' } }, { status: 'fulfilled', value: { done: true } }])
})

await t.test('closed in the middle of everything, it has no timers left either', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  await room.ready()
  const failed = new Promise((resolve) => client.on('error', resolve))
  server.http = () => ({ status: 503 })
  const typing = heard<{ typing: boolean }>(room, 'typing')
  peer.send({ type: 'typing', roomId: 'chat:1', userId: 'bob', typing: true })
  await typing
  room.setTyping(true)
  client.room('chat:2')
  const { id, roomId } = await peer.next('join')
  peer.send({ type: 'error', id, roomId, code: 'unavailable', message: 'later', retryable: true, retryAfter: 1e9 })
  peer.send({ type: 'expiring', expiresAt: 0 })
  peer.send({ type: 'goaway', reconnectIn: 1e12 })
  // The answer to this one comes behind all of them.
  peer.ws.send('no frame')
  await failed
  while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  client.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(clock.armed, 0)
})

await t.test('a server that wants to be left in the distant future is left within the hour', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const peer = await admit(server, client)
  const failed = new Promise((resolve) => client.on('error', resolve))
  peer.send({ type: 'goaway', reconnectIn: 2 ** 31 })
  peer.ws.send('no frame')
  await failed
  t.equal(client.status.state, 'connected', 'and not at once, as timers would have it')
  for (let i = 0; i < 720; i++) {
    peer.send({ type: 'ping' })
    await peer.next('pong')
    clock.advance(5_000)
  }
  t.match(client.status, { reason: 'goaway' })
})

/** By the table, and docs/protocol.md for what is not in it: newer servers may send more of 45xx. */
function actionOn (code: number): CloseAction {
  const known = Object.values(closeCodes).find((entry) => entry.code === code)
  return known?.action ?? (code >= 4500 && code <= 4599 ? 'stop' : 'reconnect')
}
