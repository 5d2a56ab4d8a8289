/**
 * What Redis pays for the nodes: commands, CPU and memory, for one thing at a time. Two nodes in this process, a redis-server of
 * its own, real sockets.
 *
 *     npx tsx bench/redis-cost.ts
 *
 * Commands are those that nodes send, as MONITOR shows them, without what scripts call; connections are in CLIENT LIST; CPU is that
 * of the redis-server process (INFO cpu, user and system), out is what Redis sends, in bytes, memory is used_memory. CPU depends on the
 * machine, the rest hardly does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { WebSocket } from 'ws'
import realtime from '../lib/index.js'
import { findProgram } from '../scripts/provision.js'

const CONTENT = 'x'.repeat(200)
const NO_LIMIT = { max: 1_000_000, timeWindow: '1s' }
const SECRET = 'a secret of this benchmark, with 32 bytes or more'

const program = findProgram('redis-server')
if (program === undefined) throw new Error('redis-server is missing: sudo apt-get install redis-server')
const probe = createServer().listen(0, '127.0.0.1')
await once(probe, 'listening')
const { port } = probe.address() as AddressInfo
probe.close()
const server = spawn(program, ['--port', String(port), '--save', '', '--bind', '127.0.0.1'], { stdio: 'ignore' })
process.on('exit', () => server.kill('SIGKILL'))
const redis = new Redis({ port, retryStrategy: () => 50, replyMapping: 'legacy' })
redis.on('error', () => {})
await new Promise<void>((resolve) => redis.once('ready', () => resolve()))

async function createNode (): Promise<FastifyInstance> {
  const app = Fastify()
  const join = (): boolean => true
  await app.register(realtime, {
    auth: { secret: SECRET },
    redis: `redis://127.0.0.1:${port}`,
    limits: { handshakes: NO_LIMIT, joins: NO_LIMIT, messages: NO_LIMIT, messagesPerUser: NO_LIMIT, rooms: 10_000 },
    drain: { spread: 0, deadline: '2s' },
    rooms: {
      'log:{id}': { join, history: { size: 10_000, ttl: '1h' } },
      'volatile:{id}': { join, history: false },
      'presence:{id}': { join, history: false, presence: true }
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

async function connect (app: FastifyInstance, userId: string): Promise<(frame: object) => Promise<void>> {
  const { port } = app.server.address() as AddressInfo
  const token = app.jwt.sign({ sub: userId }, { expiresIn: '1h' })
  const socket = new WebSocket(`ws://127.0.0.1:${port}/realtime`, ['realtime.v1', `bearer.${token}`])
  const waiting = new Map<number, () => void>()
  let requests = 0
  const welcome = new Promise<void>((resolve) => waiting.set(0, resolve))
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as { type: string, id?: number }
    if (frame.type === 'ping') socket.send('{"type":"pong"}')
    else if (frame.type === 'welcome') waiting.get(0)?.()
    else if (frame.type === 'ack' && frame.id !== undefined) waiting.get(frame.id)?.()
    else if (frame.type === 'error') throw new Error(String(data))
  })
  await welcome
  return async (frame) => {
    const id = ++requests
    socket.send(JSON.stringify({ id, ...frame }))
    await new Promise<void>((resolve) => waiting.set(id, resolve))
  }
}

async function info (section: string, field: string): Promise<number> {
  return Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(await redis.info(section))?.[1])
}

async function cpu (): Promise<number> {
  return await info('cpu', 'used_cpu_user') + await info('cpu', 'used_cpu_sys')
}

/** Asked by this script. */
const OURS = new Set(['echo', 'info', 'dbsize', 'memory'])

interface Cost { readonly sent: string, readonly micros: number, readonly out: number, readonly memory: number, readonly keys: number }

/**
 * What one of `count` costs, `size` of them in each piece of work. During a share of them every command is listened to, which costs too
 * much to measure anything else.
 */
async function cost (count: number, work: (number: number) => Promise<unknown>, size = 1, share = 0.1): Promise<Cost> {
  const pieces = count / size
  const listened = Math.ceil(pieces * share)
  const sent = new Map<string, number>()
  const monitor = await redis.monitor()
  monitor.on('monitor', (_time: string, [name = '']: string[], source: string) => {
    if (source !== 'lua') sent.set(name.toLowerCase(), (sent.get(name.toLowerCase()) ?? 0) + 1)
  })
  for (let piece = 0; piece < listened; piece++) await work(piece)
  // What it still has to tell comes before the answer to this.
  await redis.echo('end')
  while (!sent.has('echo')) await wait(10)
  monitor.disconnect()
  const counts = [...sent].filter(([name]) => !OURS.has(name)).map(([name, number]) => `${name} ${round(number / (listened * size))}`)

  const [memory, keys] = [await info('memory', 'used_memory'), await redis.dbsize()]
  const [out, time] = [await info('stats', 'total_net_output_bytes'), await cpu()]
  for (let piece = listened; piece < pieces; piece++) await work(piece)
  const rest = (pieces - listened) * size
  return {
    sent: counts.join(', '),
    micros: round((await cpu() - time) * 1e6 / rest),
    out: Math.round((await info('stats', 'total_net_output_bytes') - out) / rest),
    memory: Math.round((await info('memory', 'used_memory') - memory) / rest),
    keys: round((await redis.dbsize() - keys) / rest)
  }
}

function round (number: number): number {
  return Math.round(number * 100) / 100
}

const rows: Record<string, Cost> = {}
const [a, b] = [await createNode(), await createNode()]
const connections = String(await redis.client('LIST')).trim().split('\n').length - 1
await wait(1_000)

const SECONDS = 60
rows['two nodes with nothing to do, a second'] = await cost(SECONDS, () => wait(1_000), 1, 0.5)

const first = await connect(a, 'first')
const second = await connect(b, 'second')
for (const request of [first, second]) {
  for (const roomId of ['log:1', 'volatile:1']) await request({ type: 'join', roomId })
}
const N = 5_000
await a.realtime.notifyRoom('log:1', 'message', CONTENT)
rows['a publish, logged room, one at a time'] = await cost(N, () => a.realtime.notifyRoom('log:1', 'message', CONTENT))
rows['a publish with a key, one at a time'] = await cost(N, (i) => a.realtime.notifyRoom('log:2', 'message', CONTENT, { key: `key-${i}` }))
const BURST = 100
rows['a publish, logged room, 100 in a turn'] = await cost(N, () => {
  return Promise.all(Array.from({ length: BURST }, () => a.realtime.notifyRoom('log:3', 'message', CONTENT)))
}, BURST)
rows['a publish, volatile room'] = await cost(N, () => a.realtime.notifyRoom('volatile:1', 'message', CONTENT))
const perMessage = Number(await redis.call('MEMORY', 'USAGE', 'realtime:{r:log:3}:log', 'SAMPLES', '0')) / N

const R = 1_000
rows['the first join of a logged room on a node'] = await cost(R, (i) => first({ type: 'join', roomId: `log:join-${i}` }))
const third = await connect(a, 'third')
rows['a further join of it there'] = await cost(R, (i) => third({ type: 'join', roomId: `log:join-${i}` }))
const users: Array<(frame: object) => Promise<void>> = []
rows['a connection of a user'] = await cost(R, async (i) => {
  users.push(await connect(i % 2 === 0 ? a : b, `user-${String(i).padStart(6, '0')}`))
})
rows['a member of a room with presence, 10 in each'] = await cost(R, async (i) => {
  await users[i]?.({ type: 'join', roomId: `presence:${Math.floor(i / 10)}` })
})
rows['a member of a room with presence, 1,000 in it'] = await cost(R, async (i) => {
  await users[i]?.({ type: 'join', roomId: 'presence:all' })
})

console.table(rows)
console.log(`connections of a node: ${connections / 2}`)
console.log(`a message of ${CONTENT.length} bytes in the log: ${Math.round(perMessage)} bytes (MEMORY USAGE of the log, ${N} in it)`)
redis.disconnect()
server.kill('SIGKILL')
process.exit()
