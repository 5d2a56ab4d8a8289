import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import realtime from '../lib/index.js'
import type { RealtimeOptions } from '../lib/index.js'
import { resolveOptions } from '../lib/options.js'
import type { ResolvedRedis } from '../lib/redis-option.js'
import { createApp } from './helpers/app.js'
import { freePort } from './helpers/free-port.js'
import { startRedis } from './helpers/redis.js'
import { SECRET } from './helpers/server.js'
import { until } from './helpers/until.js'

const SECRET_WORD = 'hunter2'

function resolve (redis: unknown): ResolvedRedis {
  const resolved = resolveOptions({ redis }).redis
  if (resolved === null) throw new Error('no redis')
  return resolved
}

function server (redis: unknown): object {
  const [target] = resolve(redis).targets
  if (target.kind !== 'server') throw new Error('a cluster')
  return target.options
}

function refusal (redis: unknown): string {
  try {
    resolveOptions({ redis })
  } catch (error) {
    if (error instanceof Error) return error.message.replace('Invalid option: ', '')
  }
  return 'accepted'
}

await t.test('every form leads to a server and the settings', async (t) => {
  t.equal(resolveOptions({ redis: undefined }).redis, null)
  t.strictSame(server('redis://h'), { host: 'h', port: 6379 })
  t.strictSame(server('rediss://u:p%40ss@h:1/2'), { host: 'h', port: 1, username: 'u', password: 'p@ss', db: 2, tls: {} })
  t.strictSame(server('redis://:p@[::1]:7?family=6&db=3'), { host: '::1', port: 7, password: 'p', db: 3, family: 6 })
  t.strictSame(server('/run/redis.sock'), { path: '/run/redis.sock' })
  t.strictSame(server({ host: 'h', port: 1, password: 'p', prefix: 'shop', lease: '30s' }), { host: 'h', port: 1, password: 'p' })
  t.strictSame(server({ sentinels: [{ host: 's', port: 1 }], name: 'main' }), { sentinels: [{ host: 's', port: 1 }], name: 'main' })
  t.strictSame(server({ url: 'redis://h/1', prefix: 'shop' }), { host: 'h', port: 6379, db: 1 })
  t.match(resolve({ host: 'h', prefix: 'shop', lease: '30s', probe: 500, timeout: '1s', replicas: 1, replicaTimeout: 50, db: 4 }), {
    prefix: 'shop', lease: 30_000, probe: 500, timeout: 1_000, replicas: 1, replicaTimeout: 50, db: 4
  })
  t.match(resolve('redis://h'), { prefix: 'realtime', lease: 15_000, probe: 5_000, timeout: 5_000, replicas: 0, replicaTimeout: 1_000, db: 0 })
  const instance = new Redis({ host: 'h', port: 1, password: 'p', db: 5, lazyConnect: true })
  for (const given of [instance, { client: instance }]) t.match(server(given), { host: 'h', port: 1, password: 'p', db: 5 })
  t.equal(resolve(instance).db, 5)
  for (const given of [['redis://a', { host: 'b' }], { shards: ['redis://a', { host: 'b' }] }]) {
    t.match(resolve(given).targets, [{ options: { host: 'a' } }, { options: { host: 'b' } }])
  }
  const cluster = new Cluster([{ host: 'h', port: 1 }], { lazyConnect: true })
  for (const given of [cluster, { client: cluster }, { cluster: { nodes: [{ host: 'h', port: 1 }] }, prefix: 'shop' }]) {
    t.equal(resolve(given).targets[0].kind, 'cluster')
  }
})

await t.test('what is wrong is named, and nothing of it shown', async (t) => {
  for (const [given, message] of [
    [`http://u:${SECRET_WORD}@h`, /^redis must be a URL such as .*got a string$/],
    [SECRET_WORD, /^redis must be a URL/],
    [`redis://:${SECRET_WORD}@h/x`, /^redis must be a URL/],
    [`redis://:${SECRET_WORD}@h?lazyConnect=no`, /^redis has the parameter "lazyConnect"/],
    [`redis://:${SECRET_WORD}%zz@h`, /^redis has a % that stands for nothing/],
    [5, /^redis must be a URL, .*got a number$/],
    [[], /^redis must be an array of 1 to 64 servers/],
    [new Map(), /^redis must be/],
    [{ hots: 'h' }, /^redis.hots is unknown; did you mean redis.host\?$/],
    [{ url: 'redis://h', host: SECRET_WORD }, /^redis.url and redis.host exclude each other$/],
    [{ shards: ['redis://a'], host: 'h' }, /^redis.shards and redis.host exclude each other$/],
    [['redis://a', { host: 'b', lease: 1 }], /^redis\[1\].lease belongs to all servers/],
    [['redis://a/1', 'redis://b/2'], /^redis has servers with different numbers of the database/],
    [{ port: 70_000 }, /^redis.port must be an integer from 0 to 65535, got a number$/],
    [{ host: '' }, /^redis.host must be a host name/],
    [{ sentinels: [{ host: 's' }] }, /^redis.name must be the name of the master/],
    [{ cluster: { nodes: [] } }, /^redis.cluster.nodes must be/],
    [['redis://a', { host: 'A', port: 6379 }], /^redis has a:6379 twice$/],
    [{ client: {} }, /^redis.client must be an ioredis instance/],
    [{ host: 'h', lease: '1ms' }, /^redis.lease must be a duration from 1s to 10m/],
    [{ host: 'h', replicas: -1 }, /^redis.replicas must be an integer from 0 to 10/]
  ] as const) {
    t.match(refusal(given), message)
    t.notMatch(refusal(given), SECRET_WORD)
  }
  for (const prefix of ['', 'a{b', 'a}b', 'a b', 'a\n', 'é'.repeat(33), 'shop@1', 5]) t.match(refusal({ host: 'h', prefix }), /^redis.prefix must be/)
})

await t.test('register fails in bounded time where there is no Redis, and says where', async (t) => {
  const port = await freePort()
  for (const [redis, place] of [
    [{ host: '127.0.0.1', port, password: SECRET_WORD, timeout: 300 }, `127.0.0.1:${port}`],
    [{ url: `redis://:${SECRET_WORD}@127.0.0.1:${port}`, timeout: 300 }, `127.0.0.1:${port}`],
    [{ sentinels: [{ host: '127.0.0.1', port }], name: 'main', password: SECRET_WORD, timeout: 300 }, 'main of the sentinels']
  ] satisfies Array<[RealtimeOptions['redis'], string]>) {
    const lines: string[] = []
    const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
    const started = Date.now()
    const error: unknown = await failure(app, redis)
    t.match(error, { code: 'RT_ERR_REDIS', message: place })
    t.match(error, { message: /no connection to Redis/ })
    t.ok(Date.now() - started < 3_000)
    t.notMatch(String(error) + lines.join(''), SECRET_WORD)
    t.ok(lines.length < 5, 'the log is not flooded')
    await app.close()
  }
})

await t.test('a wrong password fails in the same way, and is nowhere shown', async (t) => {
  const redis = await startRedis(t, '--requirepass', 'right')
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  const error: unknown = await failure(app, { port: redis.port, password: SECRET_WORD, timeout: 500 })
  t.match(error, { code: 'RT_ERR_REDIS', message: /WRONGPASS/ })
  t.notMatch(String(error) + JSON.stringify(error) + lines.join(''), SECRET_WORD)
  await app.close()
})

await t.test('an instance is neither used nor closed, and its connections are ours alone', async (t) => {
  const redis = await startRedis(t)
  const instance = new Redis({ port: redis.port, db: 3, keyPrefix: 'theirs:', lazyConnect: true })
  t.teardown(() => instance.disconnect())
  const { app } = await createApp(t, { redis: { client: instance, prefix: 'shop' }, rooms: { 'chat:{id}': {} } })
  t.equal(instance.status, 'wait')
  await app.realtime.notifyRoom('chat:1', 'note', { n: 1 })
  t.match(await names(redis.admin), ['shop:command', 'shop:rate-limit', 'shop:subscriber'])
  await instance.connect()
  t.ok((await redis.admin.call('info', 'keyspace') as string).includes('db3'), 'in the database of the instance')
  await redis.admin.select(3)
  const keys = await redis.admin.keys('*')
  t.ok(keys.length > 0)
  for (const key of keys) {
    t.match(key, /^shop@3:\{/)
    t.ok(await redis.admin.pttl(key) > 0, `${key} ends some day`)
  }
  await app.close()
  t.equal(instance.status, 'ready')
  // Redis notices a moment later that they are gone.
  await until('they are gone', async () => (await names(redis.admin)).length === 0)
})

await t.test('two nodes are one cluster: a message, a broadcast, a ticket and the count of handshakes', async (t) => {
  const redis = await startRedis(t)
  const options: RealtimeOptions = {
    redis: `redis://127.0.0.1:${redis.port}`,
    rooms: { 'chat:{id}': { join: () => true, publish: 'members' } },
    limits: { handshakes: { max: 4, timeWindow: '1m' } }
  }
  const [one, two] = [await createApp(t, options), await createApp(t, options)]
  const alice = await one.connect('alice')
  const bob = await two.connect('bob')
  for (const client of [alice, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  await alice.request({ type: 'message', roomId: 'chat:1', event: 'message', content: 'hi' })
  t.match(await bob.next('message'), { content: 'hi', userId: 'alice' })
  await one.app.realtime.broadcast('news', { n: 1 })
  t.match(await bob.next('broadcast'), { event: 'news', content: { n: 1 } })
  t.match(await one.app.realtime.disconnectUser('bob', 'enough'), { unreachable: { length: 0 } })
  t.equal(await bob.closed.then(({ code }) => code), 4403)
  t.equal((await one.app.realtime.stats()).activeConnections, 1)

  const seen = new Set<number>()
  for (const app of [one.app, two.app, one.app, two.app]) seen.add((await handshake(app)).statusCode)
  t.ok(seen.has(429), 'handshakes of both count together')
})

async function failure (app: FastifyInstance, redis: RealtimeOptions['redis']): Promise<unknown> {
  try {
    await app.register(realtime, { auth: { secret: SECRET }, redis })
    return null
  } catch (error) {
    return error
  }
}

async function handshake (app: FastifyInstance): Promise<{ statusCode: number }> {
  return await app.inject({ url: '/realtime' })
}

/** Names of the connections that are not the test's. */
async function names (admin: Redis): Promise<string[]> {
  const list = String(await admin.client('LIST'))
  return [...list.matchAll(/ name=(\S+)/g)].map(([, name = '']) => name).sort()
}
