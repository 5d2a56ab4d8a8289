import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createClients } from '../../lib/bridge/redis/clients.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import { systemClock } from '../../lib/clock.js'
import type { Clock } from '../../lib/clock.js'
import { redis } from '../../lib/redis-option.js'
import type { RealtimeOptions } from '../../types/options.js'
import type { ContractOptions } from '../bridge/contract.js'
import { QUIET } from './quiet.js'

/** A bridge as the option `redis` makes it, not started. */
export function bridgeOf (option: RealtimeOptions['redis'], clock: Clock = systemClock): Bridge {
  const resolved = redis().read(option, 'redis')
  if (resolved === null) throw new Error('there is no Redis')
  return createRedisBridge({ clock, ...resolved, clients: createClients({ ...resolved, clock }) })
}

/** The same, started, and closed with the test. */
export async function startBridge (t: Test, option: RealtimeOptions['redis'], clock?: Clock): Promise<Bridge> {
  const bridge = bridgeOf(option, clock)
  t.teardown(() => bridge.close())
  await bridge.start(QUIET)
  return bridge
}

let clusters = 0

/**
 * The contract over any kind of Redis.
 * @param optionOf - the option for nodes with this prefix
 * @param masters - every server with keys
 */
export function redisContract (optionOf: (prefix: string) => RealtimeOptions['redis'], masters: readonly Redis[]): ContractOptions {
  return {
    nodes: 2,
    faults: ['loseEntries', 'loseHead', 'loseAll', 'snapshot'],
    async create () {
      const prefix = `test-${++clusters}`
      const names = createNames(prefix, 0)
      const nodes: Bridge[] = []
      // Who has it is not for the fixture to know: the others of a cluster refuse, those of a list do not have it.
      const remove = async (key: string): Promise<void> => {
        const removed = await Promise.allSettled(masters.map(async (master) => await master.del(key)))
        if (!removed.some((result) => result.status === 'fulfilled' && result.value === 1)) throw new Error(`nobody has ${key}`)
      }
      return {
        async createNode (handlers) {
          const bridge = bridgeOf(optionOf(prefix))
          nodes.push(bridge)
          await bridge.start(handlers)
          return bridge
        },
        async close () {
          await Promise.all(nodes.map((node) => node.close()))
        },
        faults: {
          async loseEntries (channel) { await remove(names.key(channel, 'log')) },
          async loseHead (channel) { await remove(names.key(channel, 'head')) },
          async loseAll () { await Promise.all(masters.map((master) => master.flushall())) },
          async snapshot () {
            const restores = await Promise.all(masters.map(async (master) => {
              const keys = await master.keys('*')
              const kept = await Promise.all(keys.map(async (key) => ({ key, ttl: await master.pttl(key), value: await master.dumpBuffer(key) })))
              return async () => {
                await master.flushall()
                for (const { key, ttl, value } of kept) if (ttl !== -2) await master.restore(key, Math.max(0, ttl), value)
              }
            }))
            return async () => { await Promise.all(restores.map((restore) => restore())) }
          }
        }
      }
    }
  }
}
