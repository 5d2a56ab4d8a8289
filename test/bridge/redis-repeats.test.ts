import { once } from 'node:events'
import t from 'tap'
import type { Entry } from '../../lib/bridge/bridge.js'
import { LogFollower } from '../../lib/bridge/redis/follower.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { Position } from '../../lib/protocol/position.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { follow, publish } from './contract/fixture.js'

await t.test('what is fanned out once more by somebody else is dropped and counted', async (t) => {
  const { admin, port } = await startRedis(t)
  const bridge = redisBridge({ port, prefix: 'repeats', lease: 15_000 })
  t.teardown(() => bridge.close())
  await bridge.start({ onBroadcast () {}, onControl: async () => null, onAsk: async () => null, onStatus () {} })
  const channel = createNames('repeats', 0).channel('r:room')
  const ear = admin.duplicate({ lazyConnect: false })
  t.teardown(() => ear.disconnect())
  const genuine: Buffer[] = []
  ear.on('messageBuffer', (_channel, envelope: Buffer) => genuine.push(envelope))
  await ear.subscribe(channel)
  const followed = await follow(bridge, 'r:room', { presence: true })
  for (let number = 1; number <= 3; number++) await publish(bridge, 'r:room', number)
  await bridge.presenceAttach('r:room', 'ann', 'c1', 10)
  await followed.until((events) => events.length === 4)
  await until('all of it was fanned out', () => genuine.length === 4)
  t.equal(bridge.dropped(), 0)
  for (const envelope of [...genuine]) await admin.publish(channel, envelope)
  while (genuine.length < 8) await once(ear, 'messageBuffer')
  await publish(bridge, 'r:room', 4)
  await followed.messages(4)
  t.equal(followed.events.length, 5, 'nobody hears it twice')
  t.equal(bridge.dropped(), 4)
})

await t.test('what comes late, after it was read, is none of that', async (t) => {
  const at = (offset: number): Position => ({ epoch: 'e', offset, chain: `c${offset}` })
  const entry: Entry = { kind: 'message', position: at(1), payload: Buffer.from('{}'), timestamp: 0, receipt: false }
  const delivered: string[] = []
  const follower = new LogFollower({
    from: at(0),
    deliver: ({ type }) => delivered.push(type),
    read: async () => ({ head: at(1), entries: [entry], more: false, upTo: at(1), removals: new Map() }),
    failed: (error) => { throw error }
  })
  await follower.repaired()
  const envelope = { kind: 'log', before: at(0), end: at(1), entries: [entry] } as const
  t.equal(follower.receive(envelope), true)
  t.equal(follower.receive(envelope), false)
  t.same(delivered, ['entry'])
})

await t.test('nor what a log that was rolled back brings again while it is read', async (t) => {
  const at = (offset: number): Position => ({ epoch: 'e', offset, chain: `c${offset}` })
  const entry: Entry = { kind: 'message', position: at(2), payload: Buffer.from('{}'), timestamp: 0, receipt: false }
  const envelope = { kind: 'log', before: at(1), end: at(2), entries: [entry] } as const
  const reads = [
    async () => {
      // It is under way.
      await Promise.resolve()
      follower.receive(envelope)
      return { head: at(1), gap: 'diverged' as const, entries: [], more: false, upTo: at(1), removals: new Map() }
    },
    async () => ({ head: at(2), entries: [entry], more: false, upTo: at(2), removals: new Map() })
  ]
  const delivered: string[] = []
  const follower = new LogFollower({
    from: at(1),
    deliver: ({ type }) => delivered.push(type),
    read: async () => {
      const next = reads.shift()
      if (next === undefined) throw new Error('there is nothing more to read')
      return await next()
    },
    failed: (error) => { throw error }
  })
  follower.receive(envelope)
  await follower.repaired()
  t.same(delivered, ['entry', 'reset', 'entry'])
})
