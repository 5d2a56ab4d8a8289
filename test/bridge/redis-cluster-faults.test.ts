import type { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge, BridgeHandlers, ChannelName } from '../../lib/bridge/bridge.js'
import { createClients } from '../../lib/bridge/redis/clients.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import { systemClock } from '../../lib/clock.js'
import { redis } from '../../lib/redis-option.js'
import { createBridgeLedger } from '../helpers/bridge-ledger.js'
import type { BridgeLedger } from '../helpers/bridge-ledger.js'
import { startProxy } from '../helpers/proxy.js'
import { QUIET } from '../helpers/quiet.js'
import { startCluster } from '../helpers/redis-cluster.js'
import type { ClusterServer } from '../helpers/redis-cluster.js'
import { bridgeOf } from '../helpers/redis-nodes.js'
import { until } from '../helpers/until.js'

const NONE = { lost: 0, missed: 0, unsaid: 0, repeated: 0, misordered: 0, forbidden: 0 }
const SETTINGS = { prefix: 'test', timeout: '8s', probe: '500ms' }
const names = createNames(SETTINGS.prefix, 0)
const cluster = await startCluster(t, 1)

async function startNodes (t: Test, more: object = {}, handlers: readonly BridgeHandlers[] = []): Promise<readonly [Bridge, Bridge]> {
  const option = { cluster: { nodes: cluster.nodes }, ...SETTINGS, ...more }
  const nodes = [bridgeOf(option), bridgeOf(option)] as const
  t.teardown(() => Promise.all(nodes.map((node) => node.close())))
  await Promise.all(nodes.map((node, index) => node.start(handlers[index] ?? QUIET)))
  return nodes
}

/** A room of its own that one master has. */
async function roomAt (server: ClusterServer, name: string): Promise<ChannelName> {
  for (let number = 0; ; number++) {
    const channel = roomChannel(`${name}-${number}`)
    if (await cluster.ownerOf(names.channel(channel)) === server) return channel
  }
}

function masterOf (index: number): ClusterServer {
  const master = cluster.masters[index]
  if (master === undefined) throw new Error(`there is no master ${index}`)
  return master
}

async function busy (channel: ChannelName, nodes: readonly Bridge[]): Promise<BridgeLedger> {
  const ledger = createBridgeLedger(channel)
  for (const node of nodes) await ledger.follow(node)
  for (const node of nodes) ledger.publish(node, 200)
  await ledger.progress(100)
  return ledger
}

await t.test('the slot of a busy room moves from master to master', async (t) => {
  // So that nothing but what the masters say can tell the nodes.
  const nodes = await startNodes(t, { probe: '60s' })
  const states: string[] = []
  const channel = await roomAt(masterOf(0), 'moving')
  const ledger = await busy(channel, nodes)
  for (const index of [1, 2, 0]) {
    await cluster.moveSlot(names.channel(channel), masterOf(index))
    await ledger.progress(50)
    states.push(...nodes.map((node) => node.status().state))
  }
  const { acknowledged, refused, inDoubt, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt })
  t.same(counts, { ...NONE, resets: [0, 0] })
  t.same({ refused, inDoubt }, { refused: 0, inDoubt: 0 }, 'nothing was refused')
  t.same(new Set(states), new Set(['up']))
})

await t.test('commands that are given while the slot of their log moves are carried out by every node, in order', async (t) => {
  const begun: readonly string[][] = [[], []]
  const [node] = await startNodes(t, { prefix: 'commands' }, begun.map((list) => ({
    ...QUIET,
    onControl: async (command) => 'userId' in command && list.push(command.userId)
  })))
  const given = Array.from({ length: 6 }, (_, number) => `user-${number}`)
  const name = createNames('commands', 0).channel('s:control')
  for (const userId of given) {
    const owner = await cluster.ownerOf(name)
    await cluster.moveSlot(name, masterOf(masterOf(0) === owner ? 1 : 0), async () => {
      // Not for long, where nobody begins it.
      await node.control({ type: 'disconnect-user', userId, reason: '' }, 100).catch(() => {})
    })
  }
  await until('all are begun', () => begun.every((list) => list.length >= given.length), 5_000)
  t.same(begun, [given, given])
})

await t.test('connections that hear the fan-out are killed, again and again', async (t) => {
  const nodes = await startNodes(t)
  const master = masterOf(0)
  const ledger = await busy(await roomAt(master, 'heard'), nodes)
  for (let round = 0; round < 5; round++) {
    await master.admin.call('client', 'kill', 'type', 'pubsub')
    await ledger.progress(20)
  }
  const { acknowledged, refused, inDoubt, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt })
  t.same(counts, { ...NONE, resets: [0, 0] })
})

await t.test('a master that cannot be reached any more is noticed, and all is repaired when it can', async (t) => {
  const master = masterOf(0)
  const proxy = await startProxy(t, master.port)
  const natMap = { [`127.0.0.1:${master.port}`]: { host: '127.0.0.1', port: proxy.port } }
  const near = bridgeOf({ cluster: { nodes: cluster.nodes.slice(1), options: { natMap } }, ...SETTINGS, timeout: '2s', probe: '1s' })
  await near.start(QUIET)
  t.teardown(() => near.close())
  const [far] = await startNodes(t)
  const ledger = createBridgeLedger(await roomAt(master, 'cut'))
  await ledger.follow(near)
  ledger.publish(far, 200)
  await ledger.progress(50)
  t.ok(proxy.links.size >= 2, 'it goes by the proxy')
  proxy.blackHole()
  const after = await until('it is noticed', () => near.status().state === 'down')
  t.ok(after < 10_000, `after ${Math.round(after)} ms`)
  await ledger.progress(50)
  proxy.heal()
  await until('it is back', () => near.status().state === 'up')
  t.same(await ledger.close().then(({ acknowledged, refused, inDoubt, ...counts }) => counts), { ...NONE, resets: [0] })
})

await t.test('a node that reaches no server of the cluster any more connects anew to all of them', async (t) => {
  const servers = [...cluster.masters, ...cluster.replicas]
  const proxies = await Promise.all(servers.map(({ port }) => startProxy(t, port)))
  const address = (index: number): { host: string, port: number } => ({ host: '127.0.0.1', port: proxies[index]?.port ?? 0 })
  const natMap = Object.fromEntries(servers.map(({ port }, index) => [`127.0.0.1:${port}`, address(index)]))
  const near = bridgeOf({ cluster: { nodes: proxies.map((_proxy, index) => address(index)), options: { natMap } }, ...SETTINGS, timeout: '2s' })
  t.teardown(() => near.close())
  await near.start(QUIET)
  const [far] = await startNodes(t)
  const ledger = createBridgeLedger(await roomAt(masterOf(0), 'alone'))
  await ledger.follow(near)
  ledger.publish(far, 200)
  await ledger.progress(20)
  for (const proxy of proxies) proxy.blackHole()
  await until('it is noticed', () => near.status().state === 'down')
  // What was swallowed is lost: none of these connections can be used again.
  for (const proxy of proxies) proxy.heal()
  await until('it is back', () => near.status().state === 'up')
  t.same(await ledger.close().then(({ acknowledged, refused, inDoubt, ...counts }) => counts), { ...NONE, resets: [0] })
})

await t.test('a cluster without sharded Pub/Sub: every master hears all', async (t) => {
  const nodes = [oldCluster(), oldCluster()] as const
  t.teardown(() => Promise.all(nodes.map((node) => node.close())))
  await Promise.all(nodes.map((node) => node.start(QUIET)))
  const ledgers = await Promise.all(cluster.masters.map(async (master) => await busy(await roomAt(master, 'old'), nodes)))
  t.same(await Promise.all(cluster.masters.map(({ admin }) => admin.call('pubsub', 'shardchannels'))), [[], [], []])
  const hearing = await Promise.all(cluster.masters.map(async ({ admin }) => await admin.call('pubsub', 'channels', '*old*')))
  for (const [index, { admin }] of cluster.masters.entries()) {
    if (Array.isArray(hearing[index]) && hearing[index].length > 0) await admin.call('client', 'kill', 'type', 'pubsub')
  }
  await Promise.all(ledgers.map((ledger) => ledger.progress(20)))
  for (const ledger of ledgers) {
    const { acknowledged, refused, inDoubt, ...counts } = await ledger.close()
    t.same(counts, { ...NONE, resets: [0, 0] })
  }
})

await t.test('what a master does not say at first is asked again', async (t) => {
  let silent = 3
  const node = clusterThatSays((info, section) => section === 'server' && silent-- > 0 ? new Promise(() => {}) : info())
  t.teardown(() => node.close())
  await node.start(QUIET)
  t.equal(node.status().state, 'up')
  t.ok(silent < 0)
})

/** As a node of a cluster of Redis 6 has it, by what the servers say of themselves. */
function oldCluster (): Bridge {
  return clusterThatSays(async (info) => (await info()).replace(/^redis_version:.*$/m, 'redis_version:6.2.14'))
}

function clusterThatSays (tell: (info: () => Promise<string>, section: unknown) => Promise<string>): Bridge {
  const resolved = redis().read({ cluster: { nodes: cluster.nodes }, ...SETTINGS }, 'redis')
  if (resolved === null) throw new Error('there is no Redis')
  const clients = createClients({ ...resolved, clock: systemClock })
  for (const { command } of clients) {
    command.on('+node', (node: Redis) => {
      const info = node.info.bind(node)
      Object.assign(node, { info: async (...given: Parameters<typeof info>) => await tell(() => info(...given), given[0]) })
    })
  }
  return createRedisBridge({ clock: systemClock, ...resolved, clients })
}

await t.test('a master is killed, some time after its replica had the last word: nothing that was acknowledged is lost', async (t) => {
  const nodes = await startNodes(t, { replicas: 1, replicaTimeout: '300ms' })
  const master = masterOf(1)
  const ledger = await busy(await roomAt(master, 'copied'), nodes)
  await cluster.cutReplicas(master)
  await ledger.doubts(50)
  await cluster.failOver(master)
  // The one that has taken over needs a replica, too.
  await master.restart()
  await ledger.progress(100)
  const { acknowledged, refused, inDoubt, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt })
  t.same(counts, { ...NONE, resets: [1, 1] }, 'what was in doubt was told, and taken back')
})

await t.test('acknowledged without a copy, and lost with a master: who saw it is told', async (t) => {
  const nodes = await startNodes(t)
  const master = masterOf(2)
  const ledger = await busy(await roomAt(master, 'single'), nodes)
  await cluster.cutReplicas(master)
  await ledger.progress(50)
  await cluster.failOver(master)
  await ledger.progress(100)
  const { acknowledged, refused, inDoubt, lost, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt, lost })
  t.ok(lost > 50, `${lost} are lost`)
  t.same({ lost: 0, ...counts }, { ...NONE, resets: [1, 1] })
})
