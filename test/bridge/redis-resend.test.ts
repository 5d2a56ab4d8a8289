import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { ChannelEvent, ChannelName } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { RealtimeOptions } from '../../lib/index.js'
import { formatPosition } from '../../lib/protocol/position.js'
import { startProxy } from '../helpers/proxy.js'
import { startBridge } from '../helpers/redis-nodes.js'
import { startCluster } from '../helpers/redis-cluster.js'
import { cutReplicas } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { startSentinel } from '../helpers/redis-sentinel.js'
import { until } from '../helpers/until.js'
import { numbers, publish, publishMany, range, read } from './contract/fixture.js'

const SETTINGS = { prefix: 'resend', timeout: '8s', probe: '500ms' }

/** By which addresses a node reaches servers, where they are not the servers' own. */
type NatMap = Readonly<Record<string, { readonly host: string, readonly port: number }>>

interface Pair {
  readonly channel: ChannelName
  /** Where the channel is. */
  readonly master: RedisServer
  readonly replica: RedisServer
  option (natMap: NatMap): RealtimeOptions['redis']
  /** Ends the master as kill -9 does; resolves when the replica has taken over. */
  failOver (): Promise<unknown>
}

async function lostAndSentAgain (t: Test, { channel, master, replica, option, failOver }: Pair): Promise<void> {
  const [former, next] = [await startProxy(t, master.port), await startProxy(t, replica.port)]
  const near = await startBridge(t, option({}))
  const late = await startBridge(t, option({
    [`127.0.0.1:${master.port}`]: { host: '127.0.0.1', port: former.port },
    [`127.0.0.1:${replica.port}`]: { host: '127.0.0.1', port: next.port }
  }))
  const kept = await publishMany(near, channel, 1, 5)
  const name = createNames(SETTINGS.prefix, 0).key(channel, 'log')
  await until('the replica has all of it', async () => await replica.admin.xlen(name) === 5)
  const events: ChannelEvent[] = []
  let check = (): void => {}
  const heard = (number: number): Promise<void> => new Promise((resolve) => {
    check = () => { if (events.some((event) => event.type === 'entry' && numbers([event.entry])[0] === number)) resolve() }
    check()
  })
  await late.subscribe(channel, { presence: false }, (event) => {
    events.push(event)
    check()
  })

  await cutReplicas(master)
  const lost = await publish(near, channel, 6)
  await heard(6)
  // So that the late node comes back only behind the message that took the place of the one it has heard.
  next.blackHole()
  await failOver()
  await until('the near node is back', () => near.status().state === 'up')
  t.same(numbers((await read(near, channel, { last: 10 })).entries), range(1, 5), 'the master took it along')
  const again = await publish(near, channel, 6)
  t.equal(again.position.epoch, lost.position.epoch)
  t.equal(again.position.offset, lost.position.offset)
  next.heal()
  next.reset()
  await until('the late node is back', () => late.status().state === 'up')
  await publish(near, channel, 7)
  await heard(7)

  const [first, ...rest] = events
  t.equal(first?.type, 'entry')
  const [reset, ...more] = rest
  t.equal(reset?.type === 'reset' && reset.reason, 'diverged', 'who heard the lost one is told that it is gone')
  t.notOk(more.some(({ type }) => type === 'reset'), 'once')
  const resumed = await Promise.all([...kept, lost.position, again.position].map(async (position) => {
    const { gap, entries } = await read(near, channel, { since: formatPosition(position) })
    return gap ?? numbers(entries)
  }))
  t.same(resumed, [...range(2, 6).map((from) => range(from, 7)), 'diverged', [7]], 'and so is who resumes')
}

await t.test('Sentinel promotes a replica without the last message, which is sent again', async (t) => {
  const group = await startSentinel(t, 1)
  const master = await group.master()
  const replica = group.servers.find((server) => server !== master)
  if (replica === undefined) throw new Error('there is no replica')
  await lostAndSentAgain(t, {
    channel: roomChannel('room'),
    master,
    replica,
    option: (natMap) => ({ ...group.options, natMap, ...SETTINGS }),
    failOver: () => group.failOver()
  })
})

await t.test('a cluster promotes a replica without the last message, which is sent again', async (t) => {
  const cluster = await startCluster(t, 1)
  const channel = roomChannel('room')
  const master = await cluster.ownerOf(createNames(SETTINGS.prefix, 0).channel(channel))
  const replica = cluster.replicas[cluster.masters.indexOf(master)]
  if (replica === undefined) throw new Error('there is no replica')
  // It would send who asks to the master.
  await replica.admin.readonly()
  await lostAndSentAgain(t, {
    channel,
    master,
    replica,
    option: (natMap) => ({ cluster: { nodes: cluster.nodes.filter(({ port }) => port !== master.port), options: { natMap } }, ...SETTINGS }),
    failOver: () => cluster.failOver(master)
  })
})
