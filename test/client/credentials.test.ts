import t from 'tap'
import type { TokenReason } from '../../lib/client/index.js'
import { createApp } from '../helpers/app.js'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, createSdk, untilStatus } from '../helpers/sdk.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

await t.test('the token goes as a subprotocol, and is asked for once', async (t) => {
  const server = await createScriptedServer(t)
  const reasons: TokenReason[] = []
  const { client, sockets } = createSdk(t, server, 'ann', { getToken: ({ reason }) => { reasons.push(reason); return 'a.b.c' } })
  const peer = await server.peer()
  t.equal(peer.protocol, 'realtime.v1,bearer.a.b.c')
  peer.welcome()
  await peer.resumed()
  await untilStatus(client, 'connected')
  sockets.last.terminate()
  const next = await server.peer()
  t.equal(next.protocol, 'realtime.v1,bearer.a.b.c', 'the one in hand may still be good')
  t.strictSame(reasons, ['connect'])
})

await t.test('a one-time ticket instead, a new one for every connection, with a real server', async (t) => {
  const app = await createApp(t, { rooms })
  const { client, sockets, errors } = createSdk(t, app, 'ann', { ticket: true })
  await client.connect()
  t.equal(client.userId, 'ann')
  t.match(sockets.last.url, /\/realtime\?ticket=/)
  t.equal(sockets.last.protocol, 'realtime.v1')
  const { url } = sockets.last
  sockets.last.terminate()
  await untilStatus(client, 'waiting')
  await untilStatus(client, 'connected')
  t.not(sockets.last.url, url)
  t.strictSame(errors, [])
})

await t.test('a ticket that is refused says why', async (t) => {
  const server = await createScriptedServer(t)
  server.http = () => ({ status: 403 })
  const { client } = createSdk(t, server, 'ann', { ticket: true })
  t.match(await untilStatus(client, 'closed'), { reason: 'server', code: 403 })
  t.equal(server.attempts, 0)
  t.match(server.requests, [{ method: 'POST', url: '/realtime/ticket', authorization: 'Bearer header.payload.signature' }])
})

await t.test('a token that has run out is found out by the plain GET, and asked for again', async (t) => {
  const app = await createApp(t, { rooms })
  const reasons: TokenReason[] = []
  const { client } = createSdk(t, app, 'ann', {
    getToken ({ reason }) {
      reasons.push(reason)
      return reason === 'connect' ? app.token('ann', { exp: 1 }) : app.token('ann')
    }
  })
  const seen: unknown[] = []
  client.on('status', ({ state, reason, code }) => seen.push([state, reason, code]))
  await client.connect()
  t.strictSame(reasons, ['connect', 'expired'])
  t.strictSame(seen, [['connecting', undefined, undefined], ['waiting', 'expired', 401], ['connecting', 'expired', undefined], ['connected', undefined, undefined]])
})

await t.test('the plain GET tells 403, 429, 503 and no answer apart', async (t) => {
  const server = await createScriptedServer(t)
  for (const [status, retryAfter] of [[403, 0], [400, 0], [429, 7], [503, 3], [404, 0], [0, 0]] as const) {
    server.refuse = 500
    server.http = () => ({ status, headers: { 'retry-after': String(retryAfter) } })
    const clock = createFakeClock()
    const { client } = createSdk(t, server, 'ann', {
      clock,
      backoff: {},
      ...(status === 0 && { fetch: () => Promise.reject(new Error('no network')) })
    })
    const stops = status === 403 || status === 400
    const { reason, code, retryAt = 0 } = await untilStatus(client, stops ? 'closed' : 'waiting')
    t.equal(code, status)
    t.equal(reason, stops ? 'server' : retryAfter === 0 ? 'lost' : 'refused', `${status}`)
    if (!stops) t.ok(retryAt - clock.wall() >= 500 + retryAfter * 1000 && retryAt - clock.wall() <= 1_000 + retryAfter * 1000, 'jitter on top')
    client.close()
  }
  t.ok(server.requests.every(({ method, url, authorization }) => method === 'GET' && url === '/realtime' && authorization !== undefined))
})

await t.test('a real server that refuses: the wrong origin', async (t) => {
  const app = await createApp(t, { rooms, origins: ['https://app.example.com'], allowNoOrigin: false })
  const { client } = createSdk(t, app, 'ann')
  t.match(await untilStatus(client, 'closed'), { reason: 'server', code: 403 })
})

await t.test('getToken that fails backs off, `null` stops, and signing in again begins anew', async (t) => {
  const server = await createScriptedServer(t)
  let calls = 0
  let answer: () => string | null | Promise<string | null> = () => { throw new Error('login server is down') }
  const { client, errors } = createSdk(t, server, 'ann', {
    getToken () {
      calls++
      return answer()
    }
  })
  t.match(await untilStatus(client, 'waiting'), { reason: 'token' })
  t.match(errors, [{ message: 'login server is down' }])
  answer = () => Promise.reject(new Error('still'))
  await untilStatus(client, 'connecting')
  t.match(await untilStatus(client, 'waiting'), { reason: 'token', attempt: 2 })
  answer = () => null
  t.match(await untilStatus(client, 'closed'), { reason: 'signed-out' })
  t.equal(calls, 3)
  t.equal(server.attempts, 0)
  answer = () => 'x.y.z'
  const connected = client.connect()
  const peer = await server.peer()
  t.equal(peer.protocol, 'realtime.v1,bearer.x.y.z')
  peer.welcome()
  await peer.resumed()
  await connected
})

await t.test('getToken that answers after the client was closed opens nothing', async (t) => {
  const server = await createScriptedServer(t)
  let give = (_token: string): void => {}
  const { client } = createSdk(t, server, 'ann', { getToken: () => new Promise((resolve) => { give = resolve }) })
  await new Promise((resolve) => setImmediate(resolve))
  client.close()
  give('x.y.z')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(server.attempts, 0)
})

await t.test('4401 asks for a new token and resumes', async (t) => {
  const server = await createScriptedServer(t)
  const reasons: TokenReason[] = []
  const { client } = createSdk(t, server, 'ann', { getToken: ({ reason }) => { reasons.push(reason); return `t.${reasons.length}.x` } })
  client.room('chat:1')
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  peer.ws.close(4401)
  const next = await server.peer()
  t.equal(next.protocol, 'realtime.v1,bearer.t.2.x')
  next.welcome()
  t.match(await next.resumed(), { rooms: [{ since: 'p0' }] })
  t.strictSame(reasons, ['connect', 'expired'])
})

await t.test('a token about to end is renewed over HTTP while the socket stays, with a real server', async (t) => {
  const app = await createApp(t, { rooms })
  const reasons: TokenReason[] = []
  const renewed: number[] = []
  const { client, sockets } = createSdk(t, app, 'ann', {
    getToken ({ reason }) {
      reasons.push(reason)
      return app.token('ann', reason === 'connect' ? { exp: Math.floor(Date.now() / 1000) + 2 } : {})
    },
    async fetch (url, init) {
      const response = await fetch(url, init)
      renewed.push(response.status)
      resolve()
      return response
    }
  })
  let resolve = (): void => {}
  const done = new Promise<void>((_resolve) => { resolve = _resolve })
  const room = await client.joinRoom('chat:1')
  await done
  t.strictSame(reasons, ['connect', 'expiring'])
  t.strictSame(renewed, [200])
  await room.send('still the same socket')
  t.equal(sockets.all.length, 1)
})

await t.test('a renewal that fails for a while is tried again, one that is refused is left to 4401', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const statuses = [503, 0, 200]
  let fails = true
  const asked: TokenReason[] = []
  const { client, errors } = createSdk(t, server, 'ann', {
    clock,
    getToken ({ reason }) {
      asked.push(reason)
      if (reason === 'expiring' && fails) {
        fails = false
        throw new Error('no token')
      }
      return 'a.b.c'
    },
    fetch: async (url, init) => {
      server.requests.push({ method: init.method, url: new URL(url).pathname, authorization: init.headers.authorization, body: init.body ?? '' })
      const status = statuses.shift() ?? 401
      if (status === 0) throw new Error('no network')
      return { status, headers: { get: () => '2' }, json: () => Promise.resolve({ expiresAt: 1 }) }
    }
  })
  const peer = await server.peer()
  peer.welcome({ connectionId: 'c42' })
  await peer.resumed()
  await untilStatus(client, 'connected')
  const settle = async (): Promise<void> => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)) }
  peer.send({ type: 'expiring', expiresAt: 1 })
  await new Promise((resolve) => client.on('error', resolve))
  t.match(errors, [{ message: 'no token' }])
  await settle()
  for (let i = 0; i < 3; i++) {
    clock.advance(10_000)
    await settle()
    peer.send({ type: 'ping' })
    await peer.next('pong')
  }
  t.match(server.requests, Array.from({ length: 3 }, () => ({ method: 'POST', url: '/realtime/renew', body: '{"connectionId":"c42"}' })))
  clock.advance(30_000)
  await settle()
  t.equal(server.requests.length, 3, 'a success is the end of it')
  t.strictSame(new Set(asked), new Set(['connect', 'expiring']))
  t.equal(server.attempts, 1)
})

await t.test('signed out in the middle: the client stops', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { getToken: ({ reason }) => reason === 'expiring' ? null : 'a.b.c' })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  peer.send({ type: 'expiring', expiresAt: 1 })
  t.match(await untilStatus(client, 'closed'), { reason: 'signed-out' })
  t.match(await peer.closed, { code: 1000 })
})

await t.test('what cannot be sent as a token is reported, and another one asked for', async (t) => {
  const server = await createScriptedServer(t)
  const answers = ['<html>502 Bad Gateway</html>', '{"error":"Unauthorized"}', 'a.b.c']
  const { client, errors } = createSdk(t, server, 'ann', { getToken: () => answers.shift() ?? 'd.e.f' })
  const peer = await server.peer()
  t.equal(peer.protocol, 'realtime.v1,bearer.a.b.c')
  t.equal(errors.length, 2)
  t.match(client.status, { state: 'connecting', reason: 'token' })
})

await t.test('after a renewal for which there was no token, 4401 asks for one that has expired', async (t) => {
  const server = await createScriptedServer(t)
  const reasons: TokenReason[] = []
  const { client, errors } = createSdk(t, server, 'ann', {
    getToken ({ reason }) {
      reasons.push(reason)
      if (reason === 'expiring') throw new Error('no network')
      return 'a.b.c'
    }
  })
  const failed = new Promise((resolve) => client.on('error', resolve))
  const peer = await admit(server, client)
  peer.send({ type: 'expiring', expiresAt: 0 })
  await failed
  peer.ws.close(4401)
  await server.peer()
  t.equal(reasons.at(-1), 'expired')
  t.ok(reasons.slice(1, -1).every((reason) => reason === 'expiring'), reasons.join())
  t.match(errors[0], { message: 'no network' })
})
