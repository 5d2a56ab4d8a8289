import type { Test } from 'tap'
import { SLOTS, slotOf } from '../../lib/bridge/redis/slots.js'
import { freePort } from './free-port.js'
import { cutReplicas, startRedis } from './redis.js'
import type { RedisServer } from './redis.js'
import { until } from './until.js'

export interface ClusterServer extends RedisServer {
  readonly id: string
}

/** Three masters of a Redis Cluster, with replicas if they are asked for. */
export interface ClusterServers {
  /** For the option `redis`. */
  readonly nodes: ReadonlyArray<{ readonly host: string, readonly port: number }>
  readonly masters: readonly ClusterServer[]
  readonly replicas: readonly ClusterServer[]
  /** Who has the slot of a key or channel now, by what a server says that has it. */
  ownerOf (name: string): Promise<ClusterServer>
  /**
   * Gives the slot of a key or channel, with all keys in it, to another master, as resharding does it.
   * @param taken - called as the other master takes the slot, before the one that had it may know
   */
  moveSlot (name: string, to: ClusterServer, taken?: () => Promise<void>): Promise<void>
  /** The master takes writes, and its replicas get them no more. */
  cutReplicas (master: ClusterServer): Promise<void>
  /** Ends a master as kill -9 does; resolves when a replica has taken over what it had. */
  failOver (master: ClusterServer): Promise<ClusterServer>
}

const MASTERS = 3

/**
 * A cluster of one master, which has all slots: for what is not about who has which.
 * @param args - more options of redis-server
 */
export async function startLoneMaster (t: Test, ...args: readonly string[]): Promise<RedisServer> {
  // Others would tell it where it is.
  const place = ['--cluster-port', String(await freePort()), '--cluster-announce-ip', '127.0.0.1']
  const master = await startRedis(t, '--cluster-enabled', 'yes', ...place, ...args)
  await master.admin.call('cluster', 'addslotsrange', 0, SLOTS - 1)
  await until('the cluster works', async () => String(await master.admin.call('cluster', 'info')).includes('cluster_state:ok'))
  return master
}

/** @param replicas - of each master */
export async function startCluster (t: Test, replicas = 0): Promise<ClusterServers> {
  const servers = await Promise.all(Array.from({ length: MASTERS * (1 + replicas) }, async () => {
    const bus = await freePort()
    const server = await startRedis(
      t, '--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '800', '--cluster-replica-validity-factor', '0',
      '--repl-diskless-sync-delay', '0'
    )
    return { ...server, bus, id: String(await server.admin.cluster('MYID')) }
  }))
  const masters = servers.slice(0, MASTERS)
  const [first] = masters
  if (first === undefined) throw new Error('no server')
  for (const [index, { admin }] of servers.entries()) await admin.call('cluster', 'set-config-epoch', index + 1)
  for (const [index, { admin }] of masters.entries()) {
    await admin.call('cluster', 'addslotsrange', Math.ceil(index * SLOTS / MASTERS), Math.ceil((index + 1) * SLOTS / MASTERS) - 1)
  }
  for (const { admin } of servers) if (admin !== first.admin) await admin.call('cluster', 'meet', '127.0.0.1', first.port, first.bus)
  const known = async (): Promise<boolean> => {
    const lists = await Promise.all(servers.map(async ({ admin }) => String(await admin.call('cluster', 'nodes'))))
    return lists.every((list) => servers.every(({ id }) => list.includes(id)) && !list.includes('handshake'))
  }
  await until('all nodes know each other', known)
  const followers = servers.slice(MASTERS)
  for (const [index, { admin }] of followers.entries()) await admin.call('cluster', 'replicate', masters[index % MASTERS]?.id ?? '')
  await until('the cluster works', async () => {
    const infos = await Promise.all(servers.map(async ({ admin }) => String(await admin.call('cluster', 'info'))))
    return infos.every((info) => info.includes('cluster_state:ok'))
  })
  await until('all replicas are in step', async () => {
    const infos = await Promise.all(masters.map(async ({ admin }) => await admin.info('replication')))
    return infos.every((info) => info.split('state=online').length === replicas + 1)
  })
  const all: readonly ClusterServer[] = servers
  const alive = new Set(all)

  async function ownerOf (name: string): Promise<ClusterServer> {
    const slot = slotOf(name)
    for (const server of alive) {
      const slots = await server.admin.call('cluster', 'slots')
      for (const range of Array.isArray(slots) ? slots : []) {
        const [from, to, [, , id]]: [number, number, [string, number, string]] = range
        if (from <= slot && slot <= to && id === server.id) return server
      }
    }
    throw new Error(`nobody has slot ${slot}`)
  }

  return {
    nodes: masters.map(({ port }) => ({ host: '127.0.0.1', port })),
    masters,
    replicas: followers,
    ownerOf,
    async moveSlot (name, to, taken) {
      const slot = slotOf(name)
      const from = await ownerOf(name)
      await to.admin.call('cluster', 'setslot', slot, 'importing', from.id)
      await from.admin.call('cluster', 'setslot', slot, 'migrating', to.id)
      for (;;) {
        const keys = await from.admin.call('cluster', 'getkeysinslot', slot, 10)
        if (!Array.isArray(keys) || keys.length === 0) break
        await from.admin.call('migrate', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys.map(String))
      }
      const took = to.admin.call('cluster', 'setslot', slot, 'node', to.id)
      // On the same connection, if it likes: so that nothing comes in between.
      await Promise.all([took, taken?.()])
      for (const { admin } of [from, ...masters.filter((master) => master !== to && master !== from && alive.has(master))]) {
        await admin.call('cluster', 'setslot', slot, 'node', to.id)
      }
    },
    cutReplicas,
    async failOver (master) {
      alive.delete(master)
      await master.kill()
      let found: ClusterServer | undefined
      await until('a replica has taken over', async () => {
        for (const replica of followers) {
          if ((await replica.admin.role())[0] === 'master' && String(await replica.admin.call('cluster', 'info')).includes('cluster_state:ok')) found = replica
        }
        return found !== undefined
      })
      if (found === undefined) throw new Error('no replica has taken over')
      return found
    }
  }
}
