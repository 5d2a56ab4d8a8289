import { once } from 'node:events'
import { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { BridgeError, roomChannel } from '../../lib/bridge/bridge.js'
import { LogStore } from '../../lib/bridge/redis/log-store.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { Store } from '../../lib/bridge/redis/store.js'
import type { StoreOptions } from '../../lib/bridge/redis/store.js'
import { systemClock } from '../../lib/clock.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { KEEP } from './contract/fixture.js'

const TIMEOUT = 400
const MAX_BYTES = 1024 * 1024
const CONTENT = 'x'.repeat(60_000)
/** As many as fit. */
const FITTING = 17
const MANY = 40

const { admin, port } = await startRedis(t)

async function connect (t: Test, prefix: string, bounds: Partial<StoreOptions> = { maxBytes: MAX_BYTES }): Promise<{ store: Store, logs: LogStore }> {
  const client = new Redis({ port })
  t.teardown(() => client.disconnect())
  await once(client, 'ready')
  const store = new Store({ client, clock: systemClock, timeout: TIMEOUT, fanOut: () => 'PUBLISH', ...bounds })
  return { store, logs: new LogStore({ clock: systemClock, names: createNames(prefix, 0), storeOf: () => store }) }
}

async function outcome (call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'done'
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error
    return error.code
  }
}

function counts (outcomes: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const each of outcomes) found[each] = (found[each] ?? 0) + 1
  return found
}

await t.test('messages for logs wait for Redis up to so many bytes, whatever their number', async (t) => {
  const { store, logs } = await connect(t, 'logged')
  const append = (room: number): Promise<string> => outcome(
    logs.append({ channel: roomChannel(`room-${room}`), head: `{"type":"message","content":"${CONTENT}"`, retention: KEEP })
  )
  await admin.client('PAUSE', 4 * TIMEOUT, 'ALL')
  t.same(counts(await Promise.all(Array.from({ length: MANY }, (_value, number) => append(number % 3)))), {
    timeout: FITTING, unavailable: MANY - FITTING
  })
  t.equal(await append(0), 'unavailable', 'calls that were given up are still on their way')
  t.equal(await outcome(store.publish('channel', CONTENT)), 'unavailable')
  await until('they were answered', async () => await append(0) === 'done')
  const heads = await Promise.all([0, 1, 2].map(async (room) => await logs.head(roomChannel(`room-${room}`))))
  t.equal(heads.reduce((sum, { head }) => sum + head.offset, 0), FITTING + 1, 'what was refused was not applied')
})

await t.test('what is kept nowhere waits up to so many bytes, too', async (t) => {
  const { store } = await connect(t, 'volatile')
  await admin.client('PAUSE', 4 * TIMEOUT, 'ALL')
  t.same(counts(await Promise.all(Array.from({ length: MANY }, () => outcome(store.publish('channel', CONTENT))))), {
    timeout: FITTING, unavailable: MANY - FITTING
  })
  t.equal(await outcome(store.publish('channel', CONTENT)), 'unavailable', 'calls that were given up are still on their way')
  await until('they were answered', async () => await outcome(store.publish('channel', CONTENT)) === 'done')
  t.same(counts(await Promise.all(Array.from({ length: FITTING }, () => outcome(store.publish('channel', CONTENT))))), { done: FITTING })
})

await t.test('what was given up before it was sent takes no room any more', async (t) => {
  const { logs } = await connect(t, 'behind')
  const append = (): Promise<string> => logs.append({
    channel: roomChannel('room'), head: `{"type":"message","content":"${CONTENT}"`, retention: KEEP
  }).then(() => 'done', String)
  await admin.client('PAUSE', 4 * TIMEOUT, 'ALL')
  const outcomes = await Promise.all(Array.from({ length: MANY }, append))
  const called = outcomes.lastIndexOf('BridgeError: Redis did not answer in time') + 1
  t.ok(called > 0 && called < FITTING, 'some went, the others waited for them')
  t.same(counts(outcomes), {
    'BridgeError: Redis did not answer in time': called,
    'BridgeError: Redis was too slow for what waited before it': FITTING - called,
    'BridgeError: too much is waiting for Redis': MANY - FITTING
  })
  await until('they were answered', async () => await append() === 'done')
  t.same(counts(await Promise.all(Array.from({ length: FITTING }, append))), { done: FITTING })
})

await t.test('calls that find out whether Redis is there are not refused for it', async (t) => {
  for (const bounds of [{ maxBytes: MAX_BYTES }, { maxPending: FITTING }]) {
    const { store } = await connect(t, 'probe', bounds)
    await admin.client('PAUSE', TIMEOUT / 2, 'ALL')
    const sent = Array.from({ length: MANY }, () => outcome(store.publish('channel', CONTENT)))
    t.equal(String(await store.run({ source: 'return ARGV[1]', sha: '0'.repeat(40) }, [], [CONTENT], true)), CONTENT)
    t.same(counts(await Promise.all(sent)), { done: FITTING, unavailable: MANY - FITTING })
  }
})
