// Bugs that were found in other clients (the numbers are those of centrifuge-js and centrifuge-go), and one found in this one.
import t from 'tap'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { admit, createSdk, untilStatus } from '../helpers/sdk.js'

const message = (content: unknown, position: string, roomId = 'chat:1'): object =>
  ({ type: 'message', roomId, event: 'message', userId: 'bob', content, timestamp: 1, position })

await t.test('#425: the position has moved when a handler sees the message', async (t) => {
  const server = await createScriptedServer(t)
  const { client, sockets } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const seen: unknown[] = []
  room.on('message', ({ position }) => {
    seen.push([position, room.position])
    throw new Error('in the handler')
  })
  client.on('direct', ({ position }) => seen.push([position, client.inbox]))
  const peer = await admit(server, client)
  const got = new Promise((resolve) => client.on('broadcast', resolve))
  peer.send(message('a', 'p1'))
  peer.send({ type: 'direct', event: 'note', userId: null, content: 1, timestamp: 1, position: 'i1' })
  peer.send({ type: 'broadcast', event: 'over', content: null, timestamp: 1 })
  await got
  t.strictSame(seen, [['p1', 'p1'], ['i1', 'i1']])
  sockets.last.terminate()
  const next = await server.peer()
  next.welcome()
  t.match(await next.resumed(), { inbox: 'i1', rooms: [{ roomId: 'chat:1', since: 'p1' }] })
})

await t.test('#393: what was recovered is not emitted after the client is closed, nor after the room is left', async (t) => {
  const server = await createScriptedServer(t)
  for (const end of ['close', 'leave'] as const) {
    const { client } = createSdk(t, server, 'ann', { inbox: 'i0' })
    const room = client.room('chat:1', { since: 'p0' })
    const seen: unknown[] = []
    room.on('message', ({ content }) => {
      seen.push(content)
      if (end === 'close') client.close()
      else room.leave()
    })
    room.on('message', ({ content }) => seen.push(['second handler', content]))
    client.on('message', ({ content }) => seen.push(['client', content]))
    const other = client.room('other:1')
    other.on('message', ({ content }) => seen.push(['other', content]))
    const peer = await server.peer()
    peer.welcome()
    await peer.resumed({
      'chat:1': { position: 'p3', recovered: true, messages: [message('a', 'p1'), message('b', 'p2'), message('c', 'p3')] },
      'other:1': { position: 'q1', messages: [message('d', 'q1', 'other:1')] }
    })
    if (end === 'close') {
      t.match(await peer.closed, { code: 1000 })
      t.strictSame(seen, ['a'])
      t.equal(room.position, 'p1', 'what was not handed over does not count as read')
    } else {
      await peer.next('leave')
      t.strictSame(seen, ['a', ['second handler', 'a'], ['client', 'a'], ['other', 'd'], ['client', 'd']])
      client.close()
    }
  }
})

await t.test('#420: a handler that throws is reported, and the stream goes on', async (t) => {
  const server = await createScriptedServer(t)
  const { client, errors } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const seen: unknown[] = []
  const first = new Error('at once')
  const second = new Error('later')
  room.on('message', ({ content }) => { if (content === 'a') throw first })
  room.on('message', async ({ content }) => {
    await Promise.resolve()
    if (content === 'a') throw second
  })
  room.on('message', ({ content }) => seen.push(content))
  client.on('status', () => { throw new Error('in status') })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed({ 'chat:1': { messages: [message('a', 'p1'), message('b', 'p2')], position: 'p2' } })
  await untilStatus(client, 'connected')
  const sent = room.send('c')
  const frame = await peer.next('message')
  peer.send(message('c', 'p3'))
  peer.send({ type: 'ack', id: frame.id, roomId: 'chat:1', key: frame.key, timestamp: 1, position: 'p3' })
  await sent
  t.strictSame(seen, ['a', 'b', 'c'])
  t.ok(errors.includes(first) && errors.includes(second))
  t.match(errors.filter((error) => error !== first && error !== second), [{ message: 'in status' }])
})

await t.test('#420: a handler of errors that throws does not make a loop', async (t) => {
  const server = await createScriptedServer(t)
  let calls = 0
  const { client } = createSdk(t, server, 'ann', {
    onError () {
      calls++
      throw new Error('again')
    }
  })
  client.on('broadcast', () => { throw new Error('first') })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  const told = new Promise((resolve) => client.on('direct', resolve))
  peer.send({ type: 'broadcast', event: 'x', content: 1, timestamp: 1 })
  peer.send({ type: 'direct', event: 'x', userId: null, content: 1, timestamp: 1, position: 'i1' })
  await told
  t.equal(calls, 1)
})

await t.test('#398: after sleep a timer that is overdue does not beat the ack that waits in the socket', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client } = createSdk(t, server, 'ann', { clock })
  const room = client.room('chat:1')
  const peer = await admit(server, client)
  const sent = room.send('once')
  const call = client.call('ask', 1, { timeout: 5_000 })
  const asked = await peer.next('call')
  // The answers are written; the machine sleeps before they are read.
  await peer.acked()
  peer.send({ type: 'ack', id: asked.id, content: 2 })
  clock.stall(60_000)
  await sent
  t.equal(await call, 2)
  t.equal(peer.frames.filter(({ type }) => type === 'message').length, 1, 'nothing was published twice')
})

await t.test('#423: after sleep, what waits in the socket counts before silence does', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  const { client, sockets } = createSdk(t, server, 'ann', { clock })
  const states: string[] = []
  client.on('status', ({ state, reason }) => states.push(`${state} ${reason ?? ''}`))
  const peer = await admit(server, client)
  clock.stall(3_600_000)
  t.equal(client.status.state, 'connected', 'nothing is concluded from a timer that is late')
  const probe = await peer.next('pong')
  t.type(probe.id, 'number', 'a sign of life is asked for')
  peer.send({ type: 'ack', id: probe.id })
  await new Promise<void>((resolve) => {
    client.on('broadcast', () => resolve())
    peer.send({ type: 'broadcast', event: 'x', content: 1, timestamp: 1 })
  })
  clock.advance(30_000)
  t.equal(sockets.all.length, 1)
  t.strictSame(states, ['connecting ', 'connected '])

  clock.stall(3_600_000)
  clock.advance(4_900)
  t.equal(client.status.state, 'connected')
  clock.advance(200)
  t.ok(states.includes('waiting silent'), 'no sign within five seconds')
})

await t.test('#407, #408: nothing makes a loop of attempts without a wait', async (t) => {
  const ways: Array<[string, (server: Awaited<ReturnType<typeof createScriptedServer>>) => void]> = [
    ['refused 401', (server) => { server.refuse = 401; server.http = () => ({ status: 401 }) }],
    ['refused 503 that wants to be asked at once', (server) => { server.refuse = 503; server.http = () => ({ status: 503, headers: { 'retry-after': '0' } }) }],
    ['no websocket', (server) => { server.refuse = 500 }],
    ['closed 4401 on arrival', () => {}],
    ['sent away at once', () => {}],
    ['closed 1012 on arrival', () => {}],
    ['resume refused', () => {}]
  ]
  for (const [way, prepare] of ways) {
    const server = await createScriptedServer(t)
    prepare(server)
    const clock = createFakeClock()
    const { client } = createSdk(t, server, 'ann', { clock, backoff: {}, onError: () => {} })
    const waits: number[] = []
    const open = (async () => {
      for (;;) {
        const peer = await server.peer()
        peer.welcome()
        if (way === 'closed 4401 on arrival') peer.ws.close(4401)
        else if (way === 'closed 1012 on arrival') peer.ws.close(1012)
        else if (way === 'resume refused') {
          const { id } = await peer.next('resume')
          peer.send({ type: 'error', id, code: 'rate_limited', message: 'no', retryable: true, retryAfter: 0 })
        } else {
          await peer.resumed()
          peer.send({ type: 'goaway', reconnectIn: 0 })
        }
      }
    })()
    open.catch(() => {})
    while (waits.length < 6) {
      const status = await new Promise<{ retryAt?: number }>((resolve) => {
        const off = client.on('status', (status) => {
          if (status.state === 'connected') setImmediate(() => clock.advance(1))
          if (status.state !== 'waiting') return
          off()
          resolve(status)
        })
      })
      waits.push((status.retryAt ?? 0) - clock.wall())
      clock.advance((status.retryAt ?? 0) - clock.wall() + 1)
    }
    client.close()
    t.ok(waits.filter((ms) => ms < 500).length <= 1, `${way}: at most the first goes at once`)
    t.ok(waits.every((ms) => ms <= 20_000), `${way}: none waits longer than the limit`)
    t.ok((waits[5] ?? 0) > (waits[0] ?? 0), `${way}: they grow: ${waits.map(Math.round).join(' ')}`)
  }
})

await t.test('#401: 4401 without getToken is not the end: a cookie may be renewed elsewhere', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { getToken: undefined })
  const peer = await server.peer()
  t.equal(peer.protocol, 'realtime.v1')
  peer.welcome()
  await peer.resumed()
  await untilStatus(client, 'connected')
  peer.ws.close(4401)
  await admit(server, client)
})

await t.test('go#160: a position is taken over whole, so none is made of two logs', async (t) => {
  const server = await createScriptedServer(t)
  const { client, sockets } = createSdk(t, server, 'ann')
  const room = client.room('chat:1')
  const gaps: unknown[] = []
  room.on('reset', (gap) => gaps.push([gap, room.position]))
  client.on('reset', (gap) => gaps.push([gap, client.inbox]))
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed({ 'chat:1': { position: 'old.1000.aa' } })
  const over = new Promise((resolve) => client.on('broadcast', resolve))
  peer.send({ type: 'reset', roomId: 'chat:1', reason: 'expired', position: 'new.3.bb' })
  peer.send({ type: 'reset', inbox: true, reason: 'trimmed', position: 'in.9.cc' })
  peer.send({ type: 'broadcast', event: 'x', content: 1, timestamp: 1 })
  await over
  t.match(gaps, [
    [{ roomId: 'chat:1', reason: 'expired', position: 'new.3.bb' }, 'new.3.bb'],
    [{ reason: 'trimmed', position: 'in.9.cc' }, 'in.9.cc']
  ])
  sockets.last.terminate()
  const next = await server.peer()
  next.welcome()
  t.match(await next.resumed(), { inbox: 'in.9.cc', rooms: [{ since: 'new.3.bb' }] })
})

await t.test('#436: positions are texts, whatever they look like', async (t) => {
  const server = await createScriptedServer(t)
  const huge = '99999999999999999999999999'
  const { client, sockets } = createSdk(t, server, 'ann', { inbox: huge })
  client.room('chat:1', { since: huge })
  const peer = await server.peer()
  peer.welcome()
  t.match(await peer.resumed(), { inbox: huge, rooms: [{ since: huge }] })
  await untilStatus(client, 'connected')
  sockets.last.terminate()
  const next = await server.peer()
  next.welcome()
  t.match(await next.resumed({}, { position: huge, recovered: true }), { rooms: [{ since: huge }] })
})

await t.test('#410: connected and ready mean that everything missed was handed over', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { autoConnect: false })
  const order: string[] = []
  const room = client.room('chat:1', { since: 'p0' })
  room.on('message', ({ content }) => order.push(`message ${String(content)}`))
  room.ready().then(() => order.push('ready'), () => {})
  const connected = client.connect().then(() => order.push('connected'))
  const peer = await server.peer()
  peer.welcome()
  const { id } = await peer.next('resume')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(client.status.state, 'connecting', 'a welcome is not enough')
  peer.send({
    type: 'ack',
    id,
    inbox: { position: 'i0', recovered: true },
    rooms: [{ roomId: 'chat:1', position: 'p2', recovered: true, messages: [message('a', 'p1'), message('b', 'p2')] }]
  })
  await connected
  t.strictSame(order, ['message a', 'message b', 'ready', 'connected'])
})

await t.test('frames that come in one piece with an answer follow it', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { inbox: 'i0' })
  const room = client.room('chat:1', { since: 'p0' })
  const seen: unknown[] = []
  room.on('message', ({ content }) => seen.push(content))
  client.on('direct', ({ content }) => seen.push(content))
  const peer = await server.peer()
  peer.welcome()
  const { id } = await peer.next('resume')
  const { _socket: tcp } = Object(peer.ws)
  tcp.cork()
  peer.send({
    type: 'ack',
    id,
    inbox: { position: 'i1', recovered: true, messages: [{ type: 'direct', event: 'x', userId: null, content: 'i1', timestamp: 1, position: 'i1' }] },
    rooms: [{ roomId: 'chat:1', position: 'p1', recovered: true, messages: [message('p1', 'p1')], more: true }]
  })
  peer.send({ type: 'direct', event: 'x', userId: null, content: 'i2', timestamp: 1, position: 'i2' })
  tcp.uncork()
  const more = await peer.next('join')
  t.match(more, { roomId: 'chat:1', since: 'p1' })
  tcp.cork()
  peer.send({ type: 'ack', id: more.id, roomId: 'chat:1', position: 'p2', recovered: true, messages: [message('p2', 'p2')] })
  peer.send(message('p3', 'p3'))
  peer.send({ type: 'broadcast', event: 'x', content: 1, timestamp: 1 })
  const over = new Promise((resolve) => client.on('broadcast', resolve))
  tcp.uncork()
  await over
  t.strictSame(seen, ['i1', 'p1', 'i2', 'p2', 'p3'])
  t.equal(room.position, 'p3')
  t.equal(client.inbox, 'i2')
})
