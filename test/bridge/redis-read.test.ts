import t from 'tap'
import type { Test } from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import { QUIET } from '../helpers/quiet.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { WHOLE } from './contract/fixture.js'

const { admin, port } = await startRedis(t)
const names = createNames('read', 0)
const bridge = redisBridge({ port, prefix: 'read', lease: 15_000 })
t.teardown(() => bridge.close())
await bridge.start(QUIET)

async function fill (channel: `r:${string}`, count: number, bytes: number, ttl = 600_000): Promise<void> {
  const head = `{"content":"${'x'.repeat(bytes)}"`
  for (let n = 0; n < count; n++) await bridge.publish({ channel, head, retention: { size: 200, ttl } })
}

/** Resolves with how many entries of the log each step of a call's script asks for. */
async function watchSteps (t: Test, channel: `r:${string}`): Promise<(call: () => Promise<unknown>) => Promise<number[]>> {
  const monitor = await admin.monitor()
  t.teardown(() => monitor.disconnect())
  const seen: string[][] = []
  monitor.on('monitor', (_time: string, args: string[]) => seen.push(args))
  return async (call) => {
    await call()
    await admin.ping('read')
    await until('all of it is seen', () => seen.some(([name, word]) => name?.toLowerCase() === 'ping' && word === 'read'))
    return seen.splice(0).flatMap((args) => {
      const [name = '', key] = args
      return /^x(?:rev)?range$/i.test(name) && key === names.key(channel, 'log') && args[4] === 'COUNT' ? [Number(args[5])] : []
    })
  }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}

await t.test('a read fetches little more than it answers, however large the entries are', async (t) => {
  await fill('r:large', 60, 60_000)
  const steps = await watchSteps(t, 'r:large')
  // Each also looks at the newest entry and at the oldest, to see whether the log is whole, and which are too old.
  const newest = await steps(() => bridge.read('r:large', { last: 1, limit: 1, maxBytes: 262_144 }))
  t.ok(sum(newest) <= 4, `${newest} for the newest one`)
  for (const query of [{ since: 'start' }, { last: 100 }]) {
    let answered = 0
    const all = await steps(async () => { answered = (await bridge.read('r:large', { ...query, limit: 100, maxBytes: 262_144 })).entries.length })
    t.equal(answered, 4)
    t.ok(sum(all) <= 8, `${all} for four`)
  }
})

await t.test('and takes few steps where they are small', async (t) => {
  await fill('r:small', 150, 20)
  const steps = await watchSteps(t, 'r:small')
  for (const query of [{ since: 'start' }, { last: 200 }]) {
    let answered = 0
    const all = await steps(async () => { answered = (await bridge.read('r:small', { ...query, ...WHOLE })).entries.length })
    t.equal(answered, 150)
    t.ok(all.length <= 16, `${all}`)
  }
})

await t.test('what is too old goes by little steps', async (t) => {
  await fill('r:old', 3, 60_000)
  // As if it had been published an hour ago: the log is there as long as its newest entry is kept.
  const log = names.key('r:old', 'log')
  const entries = await admin.xrange(log, '-', '+')
  await admin.del(log)
  for (const [index, [id, fields]] of entries.entries()) {
    if (index === 0) fields[5] = String(Number(fields[5]) - 3_600_000)
    await admin.xadd(log, id, ...fields)
  }
  const steps = await watchSteps(t, 'r:old')
  const all = await steps(() => bridge.read('r:old', { last: 1, limit: 1, maxBytes: 1 }))
  t.equal(await admin.xlen(log), 2)
  t.ok(sum(all) <= 6, `${all}`)
})
