/**
 * The way out of one node, without rooms and policies: 1,000 sockets, 200 bytes of content, bursts of K messages, the next
 * burst once all sockets have drained. Compares the outbox with a bare `socket.write` of the same finished frames.
 *
 *     npx tsx bench/fan-out-core.ts [connections] [seconds each]
 *
 * The clients are plain TCP sockets in a process of their own that only count bytes; in the end both counts must agree.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { WebSocketServer } from 'ws'

import { createFrame, type Frame } from '../lib/core/frame.js'
import { Flusher, Outbox } from '../lib/core/outbox.js'
import { createTransport } from '../lib/http/transport.js'

const CONTENT = 'x'.repeat(200)
const ROUNDS = 5

interface Member {
  readonly socket: Socket
  readonly outbox: Outbox
}

type Strategy = (members: readonly Member[], frames: readonly Frame[]) => void

const strategies: Record<string, Strategy> = {
  'socket.write' (members, frames) {
    for (const frame of frames) {
      for (const { socket } of members) socket.write(frame.wire)
    }
  },
  outbox (members, frames) {
    for (const frame of frames) {
      for (const { outbox } of members) outbox.push(frame)
    }
  }
}

async function serve (connections: number, seconds: number): Promise<void> {
  const flusher = new Flusher()
  const members: Member[] = []
  const server = createServer()
  const wss = new WebSocketServer({ server, perMessageDeflate: false })
  wss.on('connection', (ws, request) => {
    ws.on('error', () => {})
    const transport = createTransport(ws, request.socket, () => outbox.drained())
    const outbox = new Outbox({ transport, flusher, limit: 16 * 1024 * 1024, onOverflow: () => ws.terminate() })
    members.push({ socket: request.socket, outbox })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const clients = fork(fileURLToPath(import.meta.url), ['clients', String(address.port), String(connections)])
  await once(clients, 'message')

  console.log(`${connections} connections, ${CONTENT.length} bytes of content, ${seconds} s each`)
  console.log('strategy         K   deliveries/s   server CPU us/delivery')
  for (const size of [1, 10, 100]) {
    const results = new Map<string, Result[]>(Object.keys(strategies).map(name => [name, []]))
    // In turns, so that whatever else the machine does hits all alike; the first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, strategy] of Object.entries(strategies)) {
        const result = await measure(strategy, size, seconds * 1000 / ROUNDS, members, clients)
        if (round > 0) results.get(name)?.push(result)
      }
    }
    for (const [name, rounds] of results) {
      console.log([
        name.padEnd(14),
        String(size).padStart(3),
        Math.round(median(rounds.map(({ rate }) => rate))).toLocaleString('en').padStart(14),
        median(rounds.map(({ cpu }) => cpu)).toFixed(3).padStart(24)
      ].join(' '))
    }
  }
  clients.kill()
  for (const { socket } of members) socket.destroy()
  server.close()
}

interface Result {
  /** Deliveries a second. */
  readonly rate: number
  /** Microseconds of the server's CPU for each. */
  readonly cpu: number
}

async function measure (
  strategy: Strategy, size: number, ms: number, members: readonly Member[], clients: ChildProcess
): Promise<Result> {
  const before = await received(clients)
  const usage = process.cpuUsage()
  const start = performance.now()
  let bytes = 0
  let bursts = 0
  while (performance.now() - start < ms) {
    const frames: Frame[] = []
    for (let index = 0; index < size; index++) {
      frames.push(createFrame(`{"type":"message","roomId":"room","event":"message","userId":"u","content":"${CONTENT}"}`))
    }
    for (const frame of frames) bytes += frame.size * members.length
    strategy(members, frames)
    bursts++
    do await turn(); while (members.some(({ socket, outbox }) => socket.writableLength > 0 || outbox.bytes > 0))
  }
  const { user, system } = process.cpuUsage(usage)
  let count = 0
  do count = await received(clients) - before; while (count < bytes)
  const seconds = (performance.now() - start) / 1000
  if (count !== bytes) throw new Error(`${count} bytes arrived of ${bytes}`)
  const deliveries = bursts * size * members.length
  return { rate: deliveries / seconds, cpu: (user + system) / deliveries }
}

function median (numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN
}

async function received (clients: ChildProcess): Promise<number> {
  clients.send('count')
  const [count] = await once(clients, 'message')
  return Number(count)
}

/** The other process: opens the connections, then counts. */
async function runClients (port: number, connections: number): Promise<void> {
  const buffer = Buffer.alloc(256 * 1024)
  let bytes = 0
  for (let index = 0; index < connections; index++) {
    await new Promise<void>(resolve => {
      let upgraded = false
      const socket = connect({
        port,
        host: '127.0.0.1',
        // One buffer for all: what is read is only counted.
        onread: {
          buffer,
          callback (length) {
            if (upgraded) bytes += length
            upgraded = true
            resolve()
            return true
          }
        }
      })
      socket.write([
        'GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
        'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''
      ].join('\r\n'))
    })
  }
  process.on('message', () => process.send?.(bytes))
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

const [role = '1000', first = '3', second = '0'] = process.argv.slice(2)
if (role === 'clients') {
  await runClients(Number(first), Number(second))
} else {
  await serve(Number(role), Number(first))
}
