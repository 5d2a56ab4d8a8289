import t from 'tap'
import type { Test } from 'tap'
import type { Bridge, BridgeHandlers, ControlCommand } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { startProxy } from '../helpers/proxy.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { until } from '../helpers/until.js'

/** Long enough that nothing but a black hole makes a probe late. */
const PROBE = 1_000

let prefixes = 0

function disconnect (userId: string): ControlCommand {
  return { type: 'disconnect-user', userId, reason: 'test' }
}

/** What happened to a node, in order. */
interface Watched {
  readonly bridge: Bridge
  readonly log: string[]
  /** How old each user's command was when it began, in ms. */
  readonly ages: ReadonlyMap<string, number>
  /** Resolves when the log has this line. */
  until (line: string): Promise<void>
}

async function start (t: Test, port: number, prefix: string, handlers: Partial<BridgeHandlers> = {}): Promise<Watched> {
  const bridge = redisBridge({ port, prefix, lease: 15_000, probe: PROBE, timeout: 1_000 })
  const log: string[] = []
  const ages = new Map<string, number>()
  const waiting = new Set<() => void>()
  const note = (line: string): void => {
    log.push(line)
    for (const check of [...waiting]) check()
  }
  t.teardown(() => bridge.close())
  await bridge.start({
    onBroadcast: (payload) => note(payload.toString()),
    onControl: async (command, age) => {
      if (command.type !== 'disconnect-user') return 1
      ages.set(command.userId, age)
      note(command.userId)
      return 1
    },
    onAsk: async () => {
      note('asked')
      return 1
    },
    // Another reason is no other state.
    onStatus: ({ state }) => { if (log.findLast((line) => line === 'up' || line === 'down') !== state) note(state) },
    ...handlers
  })
  return {
    bridge,
    log,
    ages,
    until: (line) => new Promise((resolve) => {
      const check = (): void => {
        if (!log.includes(line)) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  }
}

const isCommand = (line: string): boolean => line !== 'up' && line !== 'down'

interface Cluster {
  readonly redis: RedisServer
  readonly prefix: string
  readonly far: Watched
}

async function cluster (t: Test, ...args: string[]): Promise<Cluster> {
  const redis = await startRedis(t, ...args)
  const prefix = `control-${++prefixes}`
  return { redis, prefix, far: await start(t, redis.port, prefix) }
}

await t.test('what was missed begins in the turn of up, in order and with its age, before any call is answered', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const proxy = await startProxy(t, redis.port)
  const near = await start(t, proxy.port, prefix)
  proxy.blackHole()
  await near.until('down')
  for (const user of ['alice', 'bob']) t.same((await far.bridge.control(disconnect(user), 500)).unreachable, [near.bridge.nodeId])
  t.same((await far.bridge.ask({ type: 'stats' }, 500)).unreachable, [near.bridge.nodeId])
  const calls = Promise.allSettled([near.bridge.userConnect('alice', 'c1', 10).then(() => near.log.push('connected'))])
  proxy.heal()
  await near.until('up')
  const late = near.bridge.userConnect('alice', 'c2', 10).then(() => near.log.push('connected'))
  const missed = ['up', 'alice', 'bob']
  t.same(near.log.slice(near.log.lastIndexOf('up')), missed)
  const [alice = 0, bob = 0] = ['alice', 'bob'].map((user) => near.ages.get(user))
  t.ok(alice > bob && bob > 500, `with their age: ${alice} ms, ${bob} ms`)
  await late
  await calls
  const begun = near.log.indexOf('up')
  t.same(near.log.slice(begun, begun + 3), missed)
  t.equal(near.log.filter((line) => line === 'alice' || line === 'bob').length, 2, 'once each')
  t.notOk(near.log.includes('asked'), 'an old question is not heard')
  t.same((await far.bridge.control(disconnect('carol'), 5_000)).unreachable, [])
  t.equal(near.log.at(-1), 'carol')
})

await t.test('a node that starts later has no part in earlier commands', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  await far.bridge.control(disconnect('alice'), 5_000)
  const near = await start(t, redis.port, prefix)
  await far.bridge.control(disconnect('bob'), 5_000)
  t.same(near.log, ['bob'])
})

await t.test('commands of a log that began anew are carried out, and none twice', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const proxy = await startProxy(t, redis.port)
  const near = await start(t, proxy.port, prefix)
  await far.bridge.control(disconnect('alice'), 5_000)
  proxy.blackHole()
  await near.until('down')
  const names = createNames(prefix, 0)
  await redis.admin.del(names.key('s:control', 'log'), names.key('s:control', 'head'))
  await far.bridge.control(disconnect('bob'), 100)
  proxy.heal()
  await near.until('up')
  await far.bridge.control(disconnect('carol'), 5_000)
  t.same(near.log.filter(isCommand), ['alice', 'bob', 'carol'])
  t.same(far.log, ['alice', 'bob', 'carol'])
})

await t.test('a log that was rolled back brings no command a second time', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const names = createNames(prefix, 0)
  const keys = [names.key('s:control', 'log'), names.key('s:control', 'head')]
  await far.bridge.control(disconnect('alice'), 5_000)
  const kept = await Promise.all(keys.map((key) => redis.admin.dumpBuffer(key)))
  await far.bridge.control(disconnect('bob'), 5_000)
  for (const [index, key] of keys.entries()) await redis.admin.restore(key, 60_000, kept[index] ?? '', 'REPLACE')
  const near = await start(t, redis.port, prefix)
  await near.bridge.control(disconnect('carol'), 5_000)
  t.same(far.log, ['alice', 'bob', 'carol'])
  t.same(near.log, ['carol'])
})

await t.test('a command that is certainly not in the log is unavailable, one that may be is a timeout', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const proxy = await startProxy(t, redis.port)
  const near = await start(t, proxy.port, prefix)
  proxy.blackHole({ directions: ['down'] })
  await t.rejects(near.bridge.control(disconnect('alice'), 50), { code: 'unavailable' }, 'it was not sent before it was known who is there')
  await near.until('down')
  await t.rejects(near.bridge.control(disconnect('bob'), 5_000), { code: 'unavailable' })
  t.same(far.log, [])
})

await t.test('closing settles what waits', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const near = await start(t, redis.port, prefix, { onControl: () => new Promise(() => {}), onAsk: () => new Promise(() => {}) })
  const pending = Promise.allSettled([far.bridge.control(disconnect('alice'), 2 ** 40), far.bridge.ask({ type: 'stats' }, 2 ** 40)])
  await far.until('asked')
  await far.until('alice')
  await far.bridge.close()
  t.equal((await pending).length, 2)
  t.same(near.log, [])
})

await t.test('what is not ours is dropped', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const names = createNames(prefix, 0)
  const garbage = ['', '1', '1Q\n', '1Q\n{}', '1Q\nnull', '1Q\n{"id":"a","from":"../x","until":9e15,"query":{"type":"stats"}}', '1A\n{"id":1}', 'x'.repeat(100), '1L a b c\n']
  for (const name of [names.service('nodes'), names.service(`replies:${far.bridge.nodeId}`), names.channel('s:control')]) {
    for (const text of [...garbage, 'x'.repeat(5 * 1024 * 1024)]) await redis.admin.publish(name, text)
  }
  t.match(await far.bridge.control(disconnect('alice'), 5_000), { replies: [{ value: 1 }], unreachable: { length: 0 } })
  t.same(far.log.filter((line) => line !== 'asked'), ['alice'])
})

await t.test('a ticket is taken once, also by a call that is made again', async (t) => {
  const { redis, prefix, far } = await cluster(t)
  const proxy = await startProxy(t, redis.port)
  const near = await start(t, proxy.port, prefix)
  // So that Redis knows the script, and does not ask for it through the black hole.
  await far.bridge.takeTicket('none')
  await far.bridge.putTicket('secret-ticket', 'alice', 30_000)
  t.same((await redis.admin.keys('*')).filter((key) => key.includes('secret-ticket')), [], 'the store does not know what opens it')
  proxy.blackHole({ directions: ['down'] })
  const taken = near.bridge.takeTicket('secret-ticket')
  // Taken in the store, though nobody here knows of it yet.
  const gone = async (): Promise<boolean> => (await redis.admin.keys('*:taken')).length > 0
  await until('it is taken', gone)
  t.equal(await far.bridge.takeTicket('secret-ticket'), null)
  proxy.heal()
  proxy.reset()
  t.equal(await taken, 'alice')
  t.equal(await near.bridge.takeTicket('secret-ticket').catch(() => null), null)
  for (const key of await redis.admin.keys('*')) t.ok(await redis.admin.pttl(key) > 0, `${key} ends some day`)
})
