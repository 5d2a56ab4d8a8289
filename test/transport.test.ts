import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

import t, { type Test } from 'tap'
import { type ClientOptions, type RawData, WebSocket, WebSocketServer } from 'ws'

import { createFrame } from '../lib/core/frame.js'
import { Flusher, Outbox } from '../lib/core/outbox.js'
import type { Transport } from '../lib/core/transport.js'
import { createTransport } from '../lib/http/transport.js'

const MEBIBYTE = 1024 * 1024

interface Connection {
  readonly ws: WebSocket
  readonly socket: Socket
  readonly transport: Transport
  readonly outbox: Outbox
  readonly events: (string | number)[]
}

interface Setup {
  readonly server?: Server
  readonly perMessageDeflate?: boolean
  /** Hides the socket, as an injected connection does. */
  readonly injected?: boolean
  readonly limit?: number
  readonly flusher?: Flusher
}

/** A server whose connections have what the plugin would give them; all of it ends with the test. */
async function serve (t: Test, setup: Setup = {}) {
  const { server = createServer(), perMessageDeflate = false, injected = false, limit = 64 * MEBIBYTE } = setup
  const flusher = setup.flusher ?? new Flusher()
  const waiting: ((connection: Connection) => void)[] = []
  const wss = new WebSocketServer({
    server, perMessageDeflate: perMessageDeflate ? { threshold: 0 } : false
  })
  wss.on('connection', (ws, request) => {
    const events: (string | number)[] = []
    ws.on('error', () => events.push('error'))
    const transport = createTransport(ws, injected ? {} : request.socket, () => outbox.drained())
    const outbox = new Outbox({
      transport, flusher, limit, onOverflow: () => events.push('overflow'), onDropped: count => events.push(count)
    })
    ws.on('close', () => outbox.close())
    waiting.shift()?.({ ws, socket: request.socket, transport, outbox, events })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    flusher.close()
    for (const ws of wss.clients) ws.terminate()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { port } = address
  return {
    port,
    flusher,
    /** The server's side of the next connection. */
    accepted: () => new Promise<Connection>(resolve => waiting.push(resolve))
  }
}

async function open (t: Test, setup: Setup = {}, options: ClientOptions = {}, scheme = 'ws') {
  const { port, accepted, flusher } = await serve(t, setup)
  const connected = accepted()
  const client = new WebSocket(`${scheme}://127.0.0.1:${port}`, options)
  t.teardown(() => client.terminate())
  const [connection] = await Promise.all([connected, once(client, 'open')])
  return { ...connection, client, flusher }
}

/** A client that is only a TCP socket, after its handshake. */
async function openRaw (t: Test, setup: Setup = {}) {
  const { port, accepted, flusher } = await serve(t, setup)
  const connected = accepted()
  const client = connect(port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.on('error', () => {})
  client.write([
    'GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
    'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''
  ].join('\r\n'))
  const [connection, [response]] = await Promise.all([connected, once(client, 'data')])
  if (!String(response).endsWith('\r\n\r\n')) throw new Error('more than the handshake')
  return { ...connection, client, flusher }
}

/** Collects messages until `count` of them are there. */
function receive (client: WebSocket, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const messages: string[] = []
    client.on('message', (data: RawData, isBinary) => {
      if (isBinary) reject(new Error('binary'))
      messages.push(String(data))
      if (messages.length === count) resolve(messages)
    })
    client.once('close', code => reject(new Error(`closed with ${code} after ${messages.length} messages`)))
  })
}

/** Texts with a number in front: mostly small, every hundredth with a payload of 60 KB. */
function texts (count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}:`.padEnd(index % 100 === 99 ? 30_000 : 40 + index % 200, 'é'))
}

await t.test('finished frames go to the socket only where there is one and ws does not compress', async t => {
  t.equal((await open(t)).transport.raw, true)
  t.equal((await open(t, { injected: true })).transport.raw, false)
  t.equal((await open(t, { perMessageDeflate: true })).transport.raw, false)
  t.equal((await open(t, { perMessageDeflate: true }, { perMessageDeflate: false })).transport.raw, true)
})

for (const [name, setup] of Object.entries({
  'a raw socket': {}, 'an injected one': { injected: true }, compression: { perMessageDeflate: true }
})) {
  await t.test(`frames and the pongs of ws mix only at their boundaries, with ${name}`, async t => {
    const { outbox, client, flusher } = await open(t, setup)
    const expected = texts(5000)
    const received = receive(client, expected.length)
    let pings = 0
    let pongs = 0
    // ws closes a connection with more than 60 pings unanswered.
    const ping = (): void => {
      if (pings < 200 && pings - pongs < 20) client.ping(`ping ${pings++}`)
    }
    const answered = new Promise<void>(resolve => {
      client.on('pong', data => {
        t.equal(data.toString(), `ping ${pongs++}`)
        ping()
        if (pongs === 200) resolve()
      })
    })
    client.on('message', ping)
    for (const [index, text] of expected.entries()) {
      outbox.push(createFrame(text))
      if (index % 50 === 0) await turn()
    }
    t.same(await received, expected)
    await answered
    t.equal(flusher.queuedBytes, 0)
    t.equal(flusher.messagesOut, expected.length)
  })

  await t.test(`a client that stops reading and goes on misses nothing, with ${name}`, async t => {
    const { outbox, client, events, flusher } = await open(t, setup)
    const expected = texts(3000)
    const received = receive(client, expected.length)
    client.pause()
    for (const [index, text] of expected.entries()) {
      outbox.push(createFrame(text))
      if (index % 10 === 0) await turn()
    }
    client.resume()
    t.same(await received, expected)
    t.same(events, [])
    t.equal(flusher.queuedBytes, 0)
  })

  await t.test(`what waits for a client that does not read stops at the limit, with ${name}`, async t => {
    const { outbox, client, events, flusher, transport } = await open(t, { ...setup, limit: MEBIBYTE })
    client.pause()
    // Noise, since text of one letter would be compressed away.
    let state = 1
    const noise = Array.from({ length: 9000 }, () => String.fromCharCode(33 + (state = state * 48271 % 2147483647) % 90)).join('')
    const frame = createFrame(noise)
    let most = 0
    // The kernel takes some megabytes on both sides before anything waits here.
    for (let index = 0; index < 20_000 && events.length === 0; index++) {
      outbox.push(frame)
      most = Math.max(most, outbox.bytes)
      if (index % 10 === 0) await turn()
    }
    await turn()
    t.same(events, ['overflow'])
    t.ok(most <= MEBIBYTE, `at most ${most} bytes waited`)
    t.equal(flusher.queuedBytes, 0)
    const left = transport.bufferedAmount
    outbox.push(frame)
    await turn()
    t.same(events, ['overflow'])
    // What is still being compressed may get smaller meanwhile.
    t.ok(transport.bufferedAmount <= left, 'nothing was added')
  })

  await t.test(`a ping, with ${name}`, async t => {
    const { transport, client, ws } = await open(t, setup)
    const pong = once(ws, 'pong')
    transport.ping()
    await Promise.all([once(client, 'ping'), pong])
    transport.terminate()
    transport.ping()
  })

  await t.test(`nothing follows a close frame, with ${name}`, async t => {
    const { transport, outbox, client } = await open(t, setup)
    const messages: string[] = []
    client.on('message', data => messages.push(String(data)))
    const closed = once(client, 'close')
    outbox.push(createFrame('before'))
    outbox.flush()
    transport.close(4401, 'expired')
    transport.close(4403, 'a second call is ignored')
    t.equal(transport.raw ? transport.write(createFrame('after').wire) : true, true)
    t.equal(transport.send(Buffer.from('after')), true)
    transport.ping()
    outbox.push(createFrame('after'))
    await turn()
    const [code, reason] = await closed
    t.equal(code, 4401)
    t.equal(String(reason), 'expired')
    t.same(messages, ['before'])
  })

  await t.test(`a socket reset by the client is no error here, with ${name}`, async t => {
    const { transport, outbox, client, ws } = await openRaw(t, setup)
    client.resetAndDestroy()
    const closed = once(ws, 'close')
    const frame = createFrame('x'.repeat(60_000))
    for (let index = 0; ws.readyState !== ws.CLOSED; index++) {
      if (index < 100) outbox.push(frame)
      transport.ping()
      await turn()
    }
    await closed
    t.equal(transport.send(Buffer.from('after')), true)
    transport.close(1000, '')
    transport.terminate()
  })
}

await t.test('nothing follows the answer to the close frame of a client', async t => {
  const { ws, transport, outbox, client, socket } = await openRaw(t)
  const chunks: Buffer[] = []
  client.on('data', chunk => chunks.push(chunk))
  const ended = once(client, 'end')
  // In the turn in which ws reads the close frame, before and after it.
  socket.on('data', () => {
    t.not(ws.readyState, ws.OPEN)
    transport.write(createFrame('after').wire)
    outbox.push(createFrame('after'))
  })
  outbox.push(createFrame('before'))
  outbox.flush()
  client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]))
  await ended
  t.same(Buffer.concat(chunks), Buffer.concat([createFrame('before').wire, Buffer.from([0x88, 0x02, 0x03, 0xe8])]))
})

await t.test('codes that must not be sent become 1011', async t => {
  for (const [code, sent] of [
    [1000, 1000], [1001, 1001], [1012, 1012], [1013, 1013], [3000, 3000], [4410, 4410], [4999, 4999],
    [0, 1011], [999, 1011], [1004, 1011], [1005, 1011], [1006, 1011], [1015, 1011], [2000, 1011], [5000, 1011], [NaN, 1011]
  ] as const) {
    const { transport, client } = await open(t)
    const closed = once(client, 'close')
    transport.close(code, '')
    t.equal((await closed)[0], sent)
  }
})

await t.test('a reason is cut between two characters', async t => {
  for (const [reason, sent] of [
    ['', ''],
    ['x'.repeat(123), 'x'.repeat(123)],
    ['x'.repeat(124), 'x'.repeat(123)],
    ['é'.repeat(100), 'é'.repeat(61)],
    [`x${'é'.repeat(100)}`, `x${'é'.repeat(61)}`],
    ['日'.repeat(100), '日'.repeat(41)],
    [`xx${'日'.repeat(100)}`, `xx${'日'.repeat(40)}`],
    ['\u{1F600}'.repeat(100), '\u{1F600}'.repeat(30)],
    ['\ud800'.repeat(100), '\ufffd'.repeat(41)]
  ] as const) {
    const { transport, client } = await open(t)
    const closed = once(client, 'close')
    transport.close(4400, reason)
    t.equal(String((await closed)[1]), sent)
  }
})

await t.test('terminate drops the socket without a close frame', async t => {
  const { transport, client } = await open(t)
  const closed = once(client, 'close')
  transport.terminate()
  t.equal((await closed)[0], 1006)
})

await t.test('single messages go through a raw transport as well', async t => {
  const { transport, client } = await open(t)
  const received = receive(client, 2)
  t.equal(transport.send(Buffer.from('one')), true)
  transport.write(createFrame('two').wire)
  t.same(await received, ['one', 'two'])
})

await t.test('a write the kernel takes whole leaves the transport ready, however large', async t => {
  const { transport, client } = await open(t)
  const received = receive(client, 1)
  t.equal(transport.write(createFrame('x'.repeat(30_000)).wire), true)
  await received
})

await t.test('over TLS', async t => {
  // A shared key instead of certificates.
  const secure = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const
  const psk = Buffer.from('0123456789abcdef')
  const server = createSecureServer({ ...secure, pskCallback: () => psk })
  const options = { ...secure, pskCallback: () => ({ psk, identity: 'test' }), rejectUnauthorized: false }
  const { transport, outbox, client } = await open(t, { server }, options, 'wss')
  t.equal(transport.raw, true)
  const expected = texts(2000)
  const received = receive(client, expected.length)
  client.pause()
  for (const [index, text] of expected.entries()) {
    outbox.push(createFrame(text))
    if (index % 50 === 0) await turn()
  }
  client.resume()
  t.same(await received, expected)
  t.equal(outbox.bytes, 0)
})

await t.test('one client that does not read costs the others nothing', async t => {
  const flusher = new Flusher()
  const [stuck, ...healthy] = await Promise.all(Array.from({ length: 20 }, () => open(t, { flusher, limit: MEBIBYTE })))
  if (stuck === undefined) throw new Error('unreachable')
  stuck.client.pause()
  const expected = texts(10_000)
  const received = Promise.all(healthy.map(({ client }) => receive(client, expected.length)))
  for (const [index, text] of expected.entries()) {
    const frame = createFrame(text)
    for (const { outbox } of [stuck, ...healthy]) outbox.push(frame)
    if (index % 50 === 0) {
      // As fast as the others read.
      await Promise.all(healthy.map(({ client }) => {
        client.ping()
        return once(client, 'pong')
      }))
    }
  }
  for (const messages of await received) t.ok(messages.every((message, index) => message === expected[index]))
  t.same(stuck.events, ['overflow'])
  t.same(healthy.flatMap(({ events }) => events), [])
  t.equal(flusher.queuedBytes, 0)
})
