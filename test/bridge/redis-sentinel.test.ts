import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge, IdempotencyKey } from '../../lib/bridge/bridge.js'
import { createBridgeLedger } from '../helpers/bridge-ledger.js'
import type { BridgeLedger } from '../helpers/bridge-ledger.js'
import { QUIET } from '../helpers/quiet.js'
import { bridgeOf } from '../helpers/redis-nodes.js'
import { returnReplicas } from '../helpers/redis.js'
import { startSentinel } from '../helpers/redis-sentinel.js'
import type { SentinelGroup } from '../helpers/redis-sentinel.js'
import { until } from '../helpers/until.js'

const SETTINGS = { prefix: 'test', timeout: '8s', probe: '500ms' }

async function startNodes (t: Test, group: SentinelGroup, more: object): Promise<readonly [Bridge, Bridge]> {
  const nodes = [bridgeOf({ ...group.options, ...SETTINGS, ...more }), bridgeOf({ ...group.options, ...SETTINGS, ...more })] as const
  t.teardown(() => Promise.all(nodes.map((node) => node.close())))
  await Promise.all(nodes.map((node) => node.start(QUIET)))
  return nodes
}

async function busyRoom (nodes: readonly Bridge[]): Promise<BridgeLedger> {
  const ledger = createBridgeLedger(roomChannel('busy'))
  for (const node of nodes) await ledger.follow(node)
  for (const node of nodes) ledger.publish(node, 200)
  await ledger.progress(100)
  return ledger
}

await t.test('the master is killed, some time after its replicas had the last word: nothing that was acknowledged is lost', async (t) => {
  const group = await startSentinel(t, 2)
  const nodes = await startNodes(t, group, { replicas: 1, replicaTimeout: '300ms' })
  const ledger = await busyRoom(nodes)
  await group.cutReplicas()
  await ledger.doubts(50)
  await group.failOver()
  await ledger.progress(100)
  const { acknowledged, refused, inDoubt, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt })
  t.same(counts, { lost: 0, missed: 0, unsaid: 0, repeated: 0, misordered: 0, forbidden: 0, resets: [1, 1] }, 'what was in doubt was told, and taken back')
})

await t.test('acknowledged without a copy, and lost with the master: who saw it is told', async (t) => {
  const group = await startSentinel(t, 1)
  const nodes = await startNodes(t, group, {})
  const ledger = await busyRoom(nodes)
  await group.cutReplicas()
  await ledger.progress(50)
  await group.failOver()
  await ledger.progress(100)
  const { acknowledged, refused, inDoubt, lost, missed, ...counts } = await ledger.close()
  t.comment({ acknowledged, refused, inDoubt, lost })
  t.ok(lost > 50, `${lost} are lost`)
  t.same(counts, { unsaid: 0, repeated: 0, misordered: 0, forbidden: 0, resets: [1, 1] })
  t.equal(missed, 0)
})

await t.test('too few replicas: it is in doubt, and nodes go on', async (t) => {
  const group = await startSentinel(t, 1)
  const [near, far] = await startNodes(t, group, { replicas: 1, replicaTimeout: '200ms' })
  const channel = roomChannel('quiet')
  const heard: string[] = []
  await far.subscribe(channel, { presence: false }, (event) => heard.push(event.type))
  const publish = (key?: IdempotencyKey): Promise<unknown> => near.publish({ channel, head: '{"content":1', retention: { size: 10, ttl: 60_000 }, key })
  const key = { id: 'u:ann\0k', digest: 'd', ttl: 600_000 }
  await publish()
  await group.cutReplicas()
  await t.rejects(publish(), { code: 'timeout' })
  await t.rejects(Promise.all([publish(), publish()]), { code: 'timeout' })
  t.same(near.status(), { state: 'up' })
  t.equal((await near.read(channel, { last: 10, limit: 10, maxBytes: 1e6 })).entries.length, 4, 'it is there all the same')
  await until('all are told', () => heard.length === 4)
  await t.rejects(publish(key), { code: 'timeout' })
  await t.rejects(near.lookup(channel, key), { code: 'timeout' }, 'that it is there does not say that it lasts')
  t.same(await near.lookup(channel, { ...key, digest: 'other' }), { status: 'conflict' }, 'what is refused has not to last')
  t.equal(await near.lookup(channel, { ...key, id: 'u:ann\0other' }), null, 'nor what is not there')
  const master = await group.master()
  await returnReplicas(master)
  await until('it is certain again', async () => await publish() !== null)
  t.match(await near.lookup(channel, key), { status: 'duplicate', position: { offset: 5 } })
  t.ok(await master.admin.pttl('test:{r:quiet}:key:u:ann\0k') > 500_000, 'asking has not made the key shorter')
})
