import t from 'tap'
import type { RedisOptions } from 'ioredis'
import { createClients } from '../../lib/bridge/redis/clients.js'
import type { ClientsOptions } from '../../lib/bridge/redis/clients.js'
import { systemClock } from '../../lib/clock.js'
import { redis } from '../../lib/redis-option.js'
import { seeded } from '../helpers/events.js'

type Delay = (times: number) => unknown

/** What each connection of a node waits before its nth try to connect, by what it is for. */
function delays (random: () => number): ReadonlyMap<string, Delay> {
  const found = new Map<string, Delay>()
  const add = (what: string, delay: unknown): void => {
    if (typeof delay !== 'function') throw new Error(`${what} knows no delay`)
    found.set(what, (times) => delay(times))
  }
  const all = (what: string, options: RedisOptions): void => {
    add(what, options.retryStrategy)
    add(`${what}, sentinels`, options.sentinelRetryStrategy)
  }
  for (const [what, option] of [
    ['server', { host: '127.0.0.1', port: 1, replicas: 1, retryStrategy: () => 0 }],
    ['cluster', { cluster: { nodes: [{ host: '127.0.0.1', port: 1 }], options: { clusterRetryStrategy: () => 0 } } }]
  ] as const) {
    const resolved = redis().read(option, 'redis')
    if (resolved === null) throw new Error('there is no Redis')
    const options: ClientsOptions = { ...resolved, clock: { ...systemClock, random } }
    for (const clients of createClients(options)) {
      // Not connected: nothing has to be ended.
      if ('connectionTo' in clients) {
        add(what, clients.command.options.clusterRetryStrategy)
        all(`${what}, a master`, clients.connectionTo({ host: '127.0.0.1', port: 1 }, 'subscriber').options)
      } else {
        for (const [role, client] of Object.entries({ command: clients.command, subscriber: clients.subscriber, replicas: clients.replicas })) {
          if (client !== undefined) all(`${what}, ${role}`, client.options)
        }
      }
    }
  }
  return found
}

const TRIES = [1, 2, 3, 4, 5, 6, 10, 100, 100_000]
const CEILINGS = [100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000, 2_000]

await t.test('a lost connection is made again after 50 ms at least, and a ceiling that doubles up to 2 s', async (t) => {
  for (const [what, delay] of delays(() => 0)) t.same(TRIES.map(delay), TRIES.map(() => 50), what)
  for (const [what, delay] of delays(() => 1 - Number.EPSILON)) t.same(TRIES.map(delay), CEILINGS, what)
})

await t.test('nodes that lose Redis in one moment come back spread over all of that time', async (t) => {
  for (const [what, delay] of delays(seeded(7))) {
    const tenths = new Map<number, number>()
    for (let node = 0; node < 1_000; node++) {
      const tenth = Math.floor((Number(delay(10)) - 50) / 195.1)
      tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1)
    }
    t.same([...tenths.keys()].sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], what)
    t.ok(Math.max(...tenths.values()) < 150, `${what}: at most ${Math.max(...tenths.values())} of 1000 in a tenth of it`)
  }
})
