import { once } from 'node:events'
import { Redis } from 'ioredis'
import t from 'tap'
import { BridgeError, roomChannel } from '../../lib/bridge/bridge.js'
import { LogStore } from '../../lib/bridge/redis/log-store.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { Store } from '../../lib/bridge/redis/store.js'
import { systemClock } from '../../lib/clock.js'
import { startRedis } from '../helpers/redis.js'
import { KEEP } from './contract/fixture.js'

const TIMEOUT = 400
const CHANNEL = roomChannel('room')

const { admin, port } = await startRedis(t)
const client = new Redis({ port })
t.teardown(() => client.disconnect())
await once(client, 'ready')
const store = new Store({ client, clock: systemClock, timeout: TIMEOUT, maxPending: 1_000, fanOut: () => 'PUBLISH' })
const logs = new LogStore({ clock: systemClock, names: createNames('queue', 0), storeOf: () => store })

function append (number: number): Promise<string> {
  return logs.append({ channel: CHANNEL, head: `{"type":"message","content":${number}`, retention: KEEP }).then(({ status }) => status, (error: unknown) => {
    if (!(error instanceof BridgeError)) throw error
    return error.code
  })
}

await t.test('what waits behind a call that takes long is given up when its own time is over, and was not applied', async (t) => {
  await admin.client('PAUSE', 3 * TIMEOUT, 'ALL')
  const began = performance.now()
  const outcomes = await Promise.all(Array.from({ length: 1_000 }, (_value, number) => append(number)))
  t.ok(performance.now() - began < 2 * TIMEOUT, 'all of it in bounded time')
  const doubtful = outcomes.lastIndexOf('timeout') + 1
  t.same(outcomes, outcomes.map((_outcome, index) => index < doubtful ? 'timeout' : 'unavailable'))
  await admin.client('UNPAUSE')
  t.equal(await append(1_000), 'published')
  t.equal((await logs.head(CHANNEL)).head.offset, doubtful + 1)
})

await t.test('more than can ever be sent is refused', async (t) => {
  const outcomes = await Promise.all(Array.from({ length: 100_010 }, (_value, number) => append(number)))
  t.same(outcomes.slice(100_000), Array.from({ length: 10 }, () => 'unavailable'))
  t.equal(await append(0), 'published', 'and is taken again')
})
