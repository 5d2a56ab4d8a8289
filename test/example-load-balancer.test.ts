import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import type { Room } from '../lib/client/index.js'
import { findProgram } from '../scripts/provision.js'
import { freePort } from './helpers/free-port.js'
import { deleteWithTests, endWithTests } from './helpers/leftovers.js'
import { startRedis } from './helpers/redis.js'
import type { RedisServer } from './helpers/redis.js'
import { createSdk, untilStatus } from './helpers/sdk.js'
import type { Sdk } from './helpers/sdk.js'

const root = fileURLToPath(new URL('..', import.meta.url))
// Two deploys of some 15 s, and as much again on a busy machine.
t.setTimeout(300_000)
const example = join(root, 'examples/load-balancer')
const SECRET = 'a secret of this test, with 32 bytes or more'
const ROOM = 'chat:load'
/** Between two messages of one publisher, in ms; well below `limits.messages`. */
const PACE = 150

type Name = 'a' | 'b'

/** The balancers: what is started, and how one is told to give a node nothing new. */
const balancers = {
  nginx: {
    program: 'nginx',
    config: 'nginx.conf',
    args: (folder: string, config: string) => ['-p', folder, '-c', config, '-e', 'stderr'],
    async takeOut (t: Test, { child, config, ports }: Balancer) {
      const line = `server 127.0.0.1:${ports.a} `
      const source = await readFile(config, 'utf8')
      t.ok(source.includes(line))
      await writeFile(config, source.replaceAll(line, `${line}down `))
      child.kill('SIGHUP')
    }
  },
  HAProxy: {
    program: 'haproxy',
    config: 'haproxy.cfg',
    args: (_folder: string, config: string) => ['-db', '-f', config],
    async takeOut (t: Test, balancer: Balancer) {
      t.equal((await command(balancer, 'set server realtime/a state drain; set server api/a state drain')).trim(), '')
    }
  }
} as const

interface Balancer {
  readonly kind: keyof typeof balancers
  readonly child: ChildProcess
  readonly folder: string
  readonly config: string
  readonly ports: Readonly<Record<Name, number>>
  readonly url: string
}

interface Node {
  /** SIGTERM; resolves with how the process ended. */
  stop (): Promise<unknown[]>
  readonly running: boolean
}

interface Scene extends Balancer {
  start (name: Name): Promise<Node>
  readonly nodes: Record<Name, Node>
  readonly redis: RedisServer
  /** Signs in and connects, both through the balancer. */
  enter (userId: string): Promise<Member>
}

interface Member extends Sdk<unknown> {
  readonly userId: string
  readonly room: Room<Record<string, unknown>>
  /** What it got of the room, in that order. */
  readonly got: string[]
  /** Every state it was in since it connected, with the reason. */
  readonly states: string[]
  /** Who came, went or changed, as it was told. */
  readonly presence: string[]
  /** What must not come: gaps, being put out, failures. */
  readonly trouble: unknown[]
}

function start (t: Test, program: string, args: readonly string[], options: { cwd: string, env?: NodeJS.ProcessEnv }): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options })
  endWithTests(child)
  const exited = once(child, 'exit')
  t.teardown(async () => {
    // So that nginx takes its workers along.
    child.kill('SIGTERM')
    const cancel = new AbortController()
    void wait(5_000, null, { signal: cancel.signal }).then(() => child.kill('SIGKILL'), () => {})
    await exited
    cancel.abort()
  })
  return child
}

async function startNode (t: Test, name: Name, port: number, redis: number): Promise<Node> {
  // tap's own loaders must not come along.
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const env = { ...inherited, NODE_NAME: name, PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redis}`, JWT_SECRET: SECRET }
  const child = start(t, process.execPath, ['--import', 'tsx', 'examples/load-balancer/app.ts'], { cwd: root, env })
  const exited = once(child, 'exit')
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => { if (String(chunk).includes('listens on')) resolve() })
    child.once('exit', (code) => reject(new Error(`node ${name} ended with ${code}`)))
  })
  return {
    get running () { return child.exitCode === null && child.signalCode === null },
    async stop () {
      child.kill('SIGTERM')
      return await exited
    }
  }
}

/** Starts a balancer with the configuration of the example, apart from its ports. */
async function startBalancer (t: Test, kind: keyof typeof balancers, ports: Balancer['ports']): Promise<Balancer> {
  const { program: name, config: file, args } = balancers[kind]
  const program = findProgram(name)
  if (program === undefined) throw new Error(`${name} is missing: sudo apt-get install ${name}`)
  const folder = await mkdtemp(join(tmpdir(), `realtime-${name}-`))
  deleteWithTests(folder)
  // Workers of nginx may run as another user.
  await chmod(folder, 0o755)
  const port = await freePort()
  let source = await readFile(join(example, file), 'utf8')
  for (const [from, to] of [[3001, ports.a], [3002, ports.b], [8080, port]]) {
    t.ok(source.includes(`127.0.0.1:${from}`), `${file} names port ${from}`)
    source = source.replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`)
  }
  const config = join(folder, file)
  await writeFile(config, source)
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const child = start(t, program, args(folder, config), { cwd: folder })
  return { kind, child, folder, config, ports, url: `http://127.0.0.1:${port}` }
}

async function createScene (t: Test, kind: keyof typeof balancers): Promise<Scene> {
  const redis = await startRedis(t)
  const ports = { a: await freePort(), b: await freePort() }
  const start = (name: Name): Promise<Node> => startNode(t, name, ports[name], redis.port)
  const [a, b] = await Promise.all([start('a'), start('b')])
  const balancer = await startBalancer(t, kind, ports)
  const seen = new Set<string>()
  await until(async () => seen.add(await whichNode(balancer)).has('a') && seen.has('b'))
  return { ...balancer, start, nodes: { a, b }, redis, enter: (userId) => enter(t, balancer, userId) }
}

async function signIn (t: Test, { url }: Balancer, userId: string): Promise<Sdk<unknown>> {
  const answer = await fetch(`${url}/login`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: userId })
  })
  const { token } = await answer.json() as { token: string }
  // As an application would: with the client's own waits.
  return createSdk(t, { wsUrl: `${url.replace('http', 'ws')}/realtime`, token: () => token }, userId, { backoff: {} })
}

async function enter (t: Test, balancer: Balancer, userId: string): Promise<Member> {
  const sdk = await signIn(t, balancer, userId)
  const { client, errors: trouble } = sdk
  const room = client.room(ROOM)
  const [got, states, presence] = [[], [], []] as [string[], string[], string[]]
  room.on('message', ({ content }) => { got.push(String(content)) })
  room.on('presence', ({ change, userId }) => { presence.push(`${userId} ${change}`) })
  for (const bad of ['reset', 'left', 'error'] as const) room.on(bad, (what) => { trouble.push([bad, what]) })
  await untilStatus(client, 'connected')
  await room.ready()
  client.on('status', ({ state, reason = '', code = '' }) => { states.push(`${state} ${reason}${code}`.trim()) })
  return { ...sdk, userId, room, got, states, presence, trouble }
}

async function nodeOf ({ client }: Member): Promise<unknown> {
  return await client.call('node', null)
}

/** Where a new connection comes to. */
async function nodeOfNew (t: Test, balancer: Balancer): Promise<unknown> {
  const { client } = await signIn(t, balancer, 'probe')
  await untilStatus(client, 'connected')
  const node = await client.call('node', null)
  client.close()
  return node
}

async function nodesOf (members: readonly Member[]): Promise<{ a: number, b: number }> {
  const count = { a: 0, b: 0 }
  for (const member of members) count[await nodeOf(member) === 'a' ? 'a' : 'b']++
  return count
}

/** Which node answers an ordinary request; the status, if none does. */
async function whichNode ({ url }: Balancer): Promise<string> {
  try {
    const answer = await fetch(`${url}/node`)
    return answer.ok ? (await answer.json() as { node: string }).node : String(answer.status)
  } catch {
    return 'none'
  }
}

async function until (condition: () => Promise<boolean> | boolean): Promise<void> {
  const started = performance.now()
  while (!await condition()) {
    if (performance.now() - started > 30_000) throw new Error('not within 30 s')
    await wait(20)
  }
}

/** Asks HAProxy over its socket. */
async function command ({ folder }: Balancer, line: string): Promise<string> {
  const socket = connect(join(folder, 'haproxy.sock'))
  socket.end(`${line}\n`)
  return await text(socket)
}

/** HAProxy's own opinion of node a. */
async function opinionOfA (balancer: Balancer): Promise<string> {
  const [head = '', ...rows] = (await command(balancer, 'show stat')).slice(2).split('\n')
  const columns = head.split(',')
  const row = rows.find((row) => row.startsWith('realtime,a,'))?.split(',') ?? []
  return row[columns.indexOf('status')] ?? ''
}

interface Load {
  stop (): Promise<{ acknowledged: string[], refused: unknown[], answers: string[] }>
}

/** Members that publish at a steady rate, and an API that is asked at the same: what was acknowledged, and what the API answered. */
function load (publishers: readonly Member[], balancer: Balancer): Load {
  const stopping = new AbortController()
  const acknowledged: string[] = []
  const refused: unknown[] = []
  const answers: string[] = []
  const sends: Array<Promise<unknown>> = []
  const steadily = async (work: (number: number) => Promise<unknown>): Promise<void> => {
    for (let number = 0; !stopping.signal.aborted; number++) {
      sends.push(work(number))
      await wait(PACE)
    }
  }
  const done = Promise.all([
    ...publishers.map(({ userId, room }) => steadily(async (number) => {
      const content = `${userId} ${number}`
      await room.send(content).then(() => acknowledged.push(content), (error: unknown) => refused.push(error))
    })),
    steadily(async () => answers.push(await whichNode(balancer)))
  ])
  return {
    async stop () {
      stopping.abort()
      await done
      await Promise.all(sends)
      return { acknowledged, refused, answers }
    }
  }
}

for (const kind of ['nginx', 'HAProxy'] as const) {
  await t.test(`${kind}: two nodes are rolled, one after the other, under load`, async (t) => {
    const scene = await createScene(t, kind)
    const { nodes, enter } = scene
    const members: Member[] = []
    for (let i = 0; i < 12; i++) members.push(await enter(`user-${i}`))
    t.same(await nodesOf(members), { a: 6, b: 6 }, 'each new one goes where fewest are')

    const publishers = members.slice(0, 4)
    t.same(await nodesOf(publishers), { a: 2, b: 2 })
    const [first] = members
    if (first === undefined) throw new Error('nobody there')
    await until(() => first.room.members.size === members.length)
    for (const { presence } of members) presence.length = 0
    const onA = new Set<Member>()
    for (const member of members) if (await nodeOf(member) === 'a') onA.add(member)
    const traffic = load(publishers, scene)
    await until(() => members.every(({ got }) => got.length > 20))

    const gone = nodes.a.stop()
    if (kind === 'HAProxy') {
      await until(async () => (await opinionOfA(scene)).startsWith('DOWN'))
      t.ok(nodes.a.running, 'readiness took it out while it was still there')
    }
    t.strictSame(await gone, [0, null], 'node a drained and ended')
    await until(() => members.every(({ client }) => client.status.state === 'connected'))
    t.same(await nodesOf(members), { a: 0, b: 12 }, 'all are on the other node')
    for (const member of members) {
      t.same(member.states, onA.has(member) ? ['waiting goaway', 'connecting goaway', 'connected'] : [], 'moved once, refused by nobody')
      member.states.length = 0
    }

    nodes.a = await scene.start('a')
    // Both pools have to have it back: with none left in one of them there is nobody to ask.
    await until(async () => await nodeOfNew(t, scene) === 'a')
    await until(async () => await whichNode(scene) === 'a')
    const late: Member[] = []
    for (let i = 0; i < 6; i++) late.push(await enter(`late-${i}`))
    t.same(await nodesOf(late), { a: 6, b: 0 }, 'new ones fill up the node that came back')

    t.strictSame(await nodes.b.stop(), [0, null], 'node b drained and ended')
    await until(() => members.every(({ client }) => client.status.state === 'connected'))
    t.same(await nodesOf([...members, ...late]), { a: 18, b: 0 })
    for (const { states } of members) t.same(states, ['waiting goaway', 'connecting goaway', 'connected'])
    for (const { states } of late) t.same(states, [])

    const { acknowledged, refused, answers } = await traffic.stop()
    t.same(refused, [], 'every message was acknowledged')
    t.same(answers.filter((answer) => answer !== 'a' && answer !== 'b'), [], `${answers.length} requests to the API were answered`)
    await until(() => [...members, ...late].every(({ got }) => got.includes(acknowledged.at(-1) ?? '')))
    // One more through the room: whatever came twice would be there before it.
    await first.room.send('end')
    await until(() => [...members, ...late].every(({ got }) => got.at(-1) === 'end'))

    const order = first.got
    t.equal(order.length, acknowledged.length + 1)
    t.same([...order].sort(), [...acknowledged, 'end'].sort(), `${acknowledged.length} messages, each exactly once`)
    for (const { userId } of publishers) {
      const own = order.filter((content) => content.startsWith(`${userId} `))
      t.same(own, own.map((_, number) => `${userId} ${number}`), `those of ${userId} in the order they were sent`)
    }
    for (const { got, userId } of members) t.same(got, order, `${userId} got the same`)
    for (const { got, userId } of late) t.same(got, order.slice(-got.length), `${userId} got the same since it came`)
    for (const { trouble } of [...members, ...late]) t.same(trouble, [])
    for (const { presence } of members) {
      t.same(presence, late.map(({ userId }) => `${userId} joined`), 'nobody seemed to go or come who only moved')
    }
  })

  await t.test(`${kind}: addresses are those of clients; a node taken out by hand gets nothing new and keeps what it has`, async (t) => {
    const scene = await createScene(t, kind)
    const claims: Array<Record<string, string>> = [{}, { 'x-forwarded-for': '8.8.8.8' }]
    for (const headers of claims) {
      t.equal((await askAs(scene.url, '127.0.0.2', headers)).address, '127.0.0.2', 'whatever the client claims')
    }
    const old = [await scene.enter('one'), await scene.enter('two')]
    t.same(await nodesOf(old), { a: 1, b: 1 })
    await balancers[kind].takeOut(t, scene)
    // Over new connections: an old worker of nginx still serves those that were open.
    await until(async () => {
      for (let i = 0; i < 4; i++) if ((await askAs(scene.url, '127.0.0.1')).node !== 'b') return false
      return true
    })
    const late = [await scene.enter('three'), await scene.enter('four'), await scene.enter('five')]
    t.same(await nodesOf(late), { a: 0, b: 3 })
    t.same(await nodesOf(old), { a: 1, b: 1 })
    for (const { states } of old) t.same(states, [])
  })

  await t.test(`${kind}: without Redis the API beside is served as ever, and all comes back`, async (t) => {
    const scene = await createScene(t, kind)
    const { url, ports, redis, enter } = scene
    const member = await enter('one')
    await redis.kill()
    const ready = async (port: number): Promise<number> => (await fetch(`http://127.0.0.1:${port}/realtime/health/ready`)).status
    await until(async () => await ready(ports.a) === 503 && await ready(ports.b) === 503)
    if (kind === 'HAProxy') await until(async () => (await opinionOfA(scene)).startsWith('DOWN'))
    for (let i = 0; i < 20; i++) {
      // What nobody can serve now must not count against what anybody can.
      await fetch(`${url}/realtime/health/ready`)
      t.match(await whichNode(scene), /^[ab]$/)
    }
    t.same(member.states, [], 'its connection stays')
    await redis.restart()
    await until(async () => await ready(ports.a) === 200 && await ready(ports.b) === 200)
    await until(async () => (await fetch(`${url}/realtime/health/ready`)).status === 200)
    await member.room.send('again')
    await until(() => member.got.includes('again'))
    t.same(member.states, [])
  })

  await t.test(`${kind}: silence is for the node to judge`, async (t) => {
    const { config } = balancers[kind]
    const source = await readFile(join(example, config), 'utf8')
    const found = [...source.matchAll(/(?:proxy_(?:read|send)_timeout|timeout (?:client|server|tunnel)) +(\d+)s/g)]
    t.ok(found.length >= 2)
    for (const [line, seconds] of found) t.ok(Number(seconds) > 25 + 20, `${line} is above the heartbeat's interval and timeout`)
  })
}

/** Asks over a connection of its own, from an address. */
async function askAs (url: string, localAddress: string, headers: Record<string, string> = {}): Promise<{ node: string, address: string }> {
  return await new Promise((resolve, reject) => {
    get(`${url}/node`, { localAddress, headers, agent: false }, (response) => {
      text(response).then((body) => resolve(JSON.parse(body)), reject)
    }).on('error', reject)
  })
}
