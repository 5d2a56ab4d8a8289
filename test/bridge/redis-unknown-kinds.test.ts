import t from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { ChannelName } from '../../lib/bridge/bridge.js'
import { formatPosition } from '../../lib/protocol/position.js'
import type { Position } from '../../lib/protocol/position.js'
import { QUIET } from '../helpers/quiet.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { follow, head, numbers, publish, publishMany, read } from './contract/fixture.js'

// Later versions of the format may have entries of other kinds: docs/redis.md promises that those who do not know them ignore them.
const { admin, port } = await startRedis(t)
const names = createNames('kinds', 0)
const bridge = redisBridge({ port, prefix: 'kinds', lease: 15_000 })
t.teardown(() => bridge.close())
await bridge.start(QUIET)

interface Foreign {
  readonly kind: string
  readonly data: string
}

const LATER: Foreign = { kind: 'z', data: 'whatever' }

function message (number: number): Foreign {
  return { kind: 'm', data: `${head(number)}}` }
}

/** What another writer's script does, but for the fan-out, which it resolves with. */
async function append (channel: ChannelName, from: Position, entries: readonly Foreign[]): Promise<string> {
  const [keyOfHead, log] = [names.key(channel, 'head'), names.key(channel, 'log')]
  let { offset, chain } = from
  let envelope = `1L ${formatPosition(from).replaceAll('.', ' ')} ${Date.now()} ${entries.length}\n`
  for (const { kind, data } of entries) {
    const next = `c${++offset}`
    await admin.xadd(log, `${offset}-0`, 'c', next, 'p', chain, 't', Date.now(), 'k', kind, 'd', data)
    envelope += `${kind} ${next} ${data.length}\n${data}`
    chain = next
  }
  await admin.hset(keyOfHead, 'o', offset, 'c', chain)
  return envelope
}

await t.test('a repair comes to its end through whole pages of them', { timeout: 20_000 }, async (t) => {
  const { position } = await publish(bridge, 'r:repair', 1)
  const followed = await follow(bridge, 'r:repair')
  await append('r:repair', position, [...Array<Foreign>(450).fill(LATER), message(2), LATER])
  await admin.publish(names.channel('r:repair'), '1L e 9 0 1 1\nm 1 2\n{}')
  await followed.messages(1)
  await publish(bridge, 'r:repair', 3)
  await followed.messages(2)
  t.same(followed.numbers(), [2, 3])
  t.same(followed.events.map(({ type }) => type), ['entry', 'entry'])
})

await t.test('what is fanned out beside them is delivered', { timeout: 20_000 }, async (t) => {
  const { position } = await publish(bridge, 'r:live', 1)
  const followed = await follow(bridge, 'r:live')
  await admin.publish(names.channel('r:live'), await append('r:live', position, [LATER, message(2), LATER]))
  await followed.messages(1)
  const calls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1])
  const before = await calls()
  await publish(bridge, 'r:live', 3)
  await followed.messages(2)
  t.same(followed.numbers(), [2, 3])
  t.equal(await calls(), before + 1, 'and what follows it needs no repair')
  t.equal(bridge.dropped(), 0)
})

await t.test('pages of a log have none of them', async (t) => {
  const positions = await publishMany(bridge, 'r:pages', 1, 2)
  const last = positions.at(-1)
  if (last === undefined) throw new Error('nothing was published')
  await append('r:pages', last, [...Array<Foreign>(3).fill(LATER), message(3)])
  for (const query of [{ last: 2 }, { since: positions[0] === undefined ? '' : formatPosition(positions[0]) }]) {
    const page = await read(bridge, 'r:pages', query, { limit: 2, maxBytes: 1e6 })
    t.same(numbers(page.entries), [2, 3])
  }
})
