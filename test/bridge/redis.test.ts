import t from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { Bridge, BridgeStatus } from '../../lib/bridge/bridge.js'
import { startProxy, subscribes } from '../helpers/proxy.js'
import type { Proxy } from '../helpers/proxy.js'
import { startRedis } from '../helpers/redis.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { bridgeContract } from './contract.js'

const server = await startRedis(t)
const { admin } = server
/** One before each node: tests run one after the other, so they share them. */
const proxies = [await startProxy(t, server.port), await startProxy(t, server.port)]
let clusters = 0

interface Node {
  readonly bridge: Bridge
  readonly proxy: Proxy
  /** Resolves when it is, or comes to be, in this state. */
  until (state: BridgeStatus['state']): Promise<void>
}

await bridgeContract('redis', {
  nodes: 2,
  faults: ['loseEntries', 'loseHead', 'loseAll', 'snapshot', 'cutLink', 'cutStore'],
  async create () {
    const prefix = `test-${++clusters}`
    const names = createNames(prefix, 0)
    const nodes: Node[] = []
    const free = [...proxies]
    const nodeOf = (bridge: Bridge): Node => {
      const node = nodes.find((one) => one.bridge === bridge)
      if (node === undefined) throw new Error('a node of another fixture')
      return node
    }
    return {
      async createNode (handlers) {
        const proxy = free.shift()
        if (proxy === undefined) throw new Error('more nodes than the contract asks for')
        const bridge = redisBridge({ port: proxy.port, prefix, lease: 6_000 })
        const waiting = new Set<() => void>()
        nodes.push({
          bridge,
          proxy,
          until: (state) => new Promise((resolve) => {
            const check = (): void => {
              if (bridge.status().state !== state) return
              waiting.delete(check)
              resolve()
            }
            waiting.add(check)
            check()
          })
        })
        await bridge.start({
          ...handlers,
          onStatus (status) {
            handlers.onStatus(status)
            for (const check of waiting) check()
          }
        })
        return bridge
      },
      async close () {
        for (const { proxy } of nodes) proxy.heal()
        await Promise.all(nodes.map(({ bridge }) => bridge.close()))
      },
      faults: {
        async loseEntries (channel) { await admin.del(names.key(channel, 'log')) },
        async loseHead (channel) { await admin.del(names.key(channel, 'head')) },
        async loseAll () { await admin.flushall() },
        async snapshot () {
          const kept = await Promise.all((await admin.keys('*')).map(async (key) => ({ key, ttl: await admin.pttl(key), value: await admin.dumpBuffer(key) })))
          return async () => {
            await admin.flushall()
            for (const { key, ttl, value } of kept) await admin.restore(key, Math.max(0, ttl), value)
          }
        },
        async cutLink (bridge) {
          const { proxy } = nodeOf(bridge)
          proxy.blackHole({ which: subscribes })
          // A link that lost something stays dead: only the node's probe can find out.
          return async () => proxy.heal()
        },
        async cutStore (bridge) {
          const { proxy, until } = nodeOf(bridge)
          proxy.blackHole()
          return async () => {
            proxy.heal()
            const unnoticed = bridge.status().state === 'up'
            proxy.reset()
            if (unnoticed) await until('down')
            await until('up')
          }
        }
      }
    }
  }
})
