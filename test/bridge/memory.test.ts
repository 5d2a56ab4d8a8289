import fc from 'fast-check'
import t from 'tap'
import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import type { MemoryBridgeOptions } from '../../lib/bridge/memory/memory-bridge.js'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { formatPosition } from '../../lib/protocol/position.js'
import type { Position } from '../../lib/protocol/position.js'
import { createFakeClock } from '../helpers/clock.js'
import type { FakeClock } from '../helpers/clock.js'
import { QUIET } from '../helpers/quiet.js'
import { bridgeContract } from './contract.js'
import { KEEP, follow, freshChannel, head, numberOf, numbers, publish, publishMany, range, read, stored } from './contract/fixture.js'

const DAY = 24 * 3_600_000

await bridgeContract('memory', {
  nodes: 1,
  async create () {
    const clock = createFakeClock()
    const bridge = createMemoryBridge({ clock })
    return {
      async createNode (handlers) {
        await bridge.start(handlers)
        return bridge
      },
      close: () => bridge.close(),
      advance: clock.advance
    }
  }
})

async function createBridge (options: Partial<MemoryBridgeOptions> = {}): Promise<{ bridge: Bridge, clock: FakeClock }> {
  const clock = createFakeClock()
  const bridge = createMemoryBridge({ clock, ...options })
  await bridge.start(QUIET)
  return { bridge, clock }
}

await t.test('a bridge that was not started refuses', async t => {
  const bridge = createMemoryBridge({ clock: createFakeClock() })
  await t.rejects(bridge.read(freshChannel(), { last: 1, limit: 1, maxBytes: 1 }), { code: 'unavailable' })
})

await t.test('the listener is called inside publish', async t => {
  const { bridge } = await createBridge()
  const channel = freshChannel()
  const followed = await follow(bridge, channel)
  await publish(bridge, channel, 1)
  const publishing = publish(bridge, channel, 2)
  t.same(followed.numbers(), [1, 2])
  const removing = bridge.remove(channel, { userId: 'mallory', retention: KEEP })
  t.same(followed.events.map(event => event.type), ['entry', 'entry', 'removal'])
  await Promise.all([publishing, removing])
})

await t.test('a stored frame shares its memory with nothing', async t => {
  const { bridge } = await createBridge()
  const channel = freshChannel()
  await publish(bridge, channel, 1)
  const { entries: [entry] } = await read(bridge, channel, { last: 1 })
  t.equal(entry?.payload.buffer.byteLength, entry?.payload.length)
})

await t.test('setting the wall clock moves timestamps, but no age', async t => {
  const { bridge, clock } = await createBridge()
  const channel = freshChannel()
  const key = { id: 'a', digest: 'digest', ttl: 1000 }
  const retention = { size: 10, ttl: 1000 }
  await bridge.publish({ channel, head: head(1), retention, key })
  clock.setWall(clock.wall() + DAY)
  const { timestamp } = await publish(bridge, channel, 2, retention)
  t.equal(timestamp, clock.wall())
  t.match(await bridge.lookup(channel, key), { status: 'duplicate' })
  clock.setWall(0)
  clock.advance(999)
  t.same(numbers((await read(bridge, channel, { since: 'start' })).entries), [1, 2])
  clock.advance(1)
  t.same((await read(bridge, channel, { since: 'start' })).entries, [])
})

await t.test('a pending request leaves no timer either', async t => {
  const { bridge, clock } = await createBridge()
  await bridge.ask({ type: 'stats' }, 1000)
  t.equal(clock.armed, 0)
  await bridge.ask({ type: 'stats' }, 2 ** 40)
  t.equal(clock.armed, 0)
})

await t.test('a position at the head is good for a day, and as long as somebody follows', async t => {
  const { bridge, clock } = await createBridge()
  const left = freshChannel()
  const followed = freshChannel()
  const slow = freshChannel()
  await follow(bridge, followed)
  const [leftAt, followedAt] = [await publish(bridge, left, 1), await publish(bridge, followed, 1)]
  const slowAt = await publish(bridge, slow, 1, { size: 10, ttl: DAY })
  const gap = async (channel: typeof left, { position }: { position: Position }): Promise<unknown> =>
    (await read(bridge, channel, { since: formatPosition(position) })).gap
  clock.advance(DAY - 1)
  t.equal(await gap(left, leftAt), undefined)
  clock.advance(DAY - 1)
  t.equal(await gap(left, leftAt), undefined, 'the use counts')
  t.equal(await gap(slow, slowAt), undefined, 'twice as long as entries are kept')
  clock.advance(DAY + 3_600_000)
  t.equal(await gap(left, leftAt), 'expired')
  t.equal(await gap(followed, followedAt), undefined)
  t.equal(await gap(slow, slowAt), undefined)
  clock.advance(3 * DAY)
  t.equal(await gap(slow, slowAt), 'expired')
})

await t.test('no more idle logs are remembered than agreed, and the forgotten are never mistaken', async t => {
  const { bridge, clock } = await createBridge({ maxIdle: 10 })
  const channels = range(1, 15).map(() => freshChannel())
  const starts: Position[] = []
  const heads: Position[] = []
  for (const channel of channels) {
    starts.push((await read(bridge, channel, { last: 1 })).head)
    heads.push(...await publishMany(bridge, channel, 1, 1, { size: 10, ttl: 1000 }))
  }
  clock.advance(10_000)
  const gaps = async (positions: Position[]): Promise<unknown[]> => await Promise.all(channels.map(async (channel, index) => {
    const position = positions[index]
    return position === undefined ? 'none' : (await read(bridge, channel, { since: formatPosition(position) })).gap
  }))
  const forgotten = range(1, 5).map(() => 'expired')
  t.same(await gaps(heads), [...forgotten, ...range(1, 10).map(() => undefined)])
  for (const channel of channels) await publish(bridge, channel, 2)
  t.same(await gaps(heads), [...forgotten, ...range(1, 10).map(() => undefined)])
  t.same(await gaps(starts), [...forgotten, ...range(1, 10).map(() => 'trimmed')], 'their beginning is another one')
})

await t.test('a log that never had an entry takes no memory, and its position stays good', async t => {
  const { bridge, clock } = await createBridge({ maxIdle: 1 })
  const heads = new Map<ReturnType<typeof freshChannel>, Position>()
  for (let count = 0; count < 100; count++) {
    const channel = freshChannel()
    const { subscription } = await follow(bridge, channel, { presence: true })
    heads.set(channel, subscription.head)
    await subscription.unsubscribe()
  }
  t.equal(clock.armed, 0)
  for (const [channel, position] of heads) {
    await publish(bridge, channel, 1)
    t.match(await read(bridge, channel, { since: formatPosition(position) }), { gap: undefined, entries: { length: 1 } })
  }
})

await t.test('tickets have a bound, and reaching it takes none away', async t => {
  const { bridge, clock } = await createBridge({ maxTickets: 3 })
  for (const id of ['a', 'b', 'c']) await bridge.putTicket(id, id, 1000)
  await t.rejects(bridge.putTicket('d', 'd', 1000), { name: 'BridgeError', code: 'unavailable' })
  t.equal(await bridge.takeTicket('a'), 'a')
  await bridge.putTicket('d', 'd', 1000)
  await bridge.putTicket('e', 'e', 1000).catch(() => {})
  clock.advance(1000)
  for (const id of ['f', 'g', 'h']) await bridge.putTicket(id, id, 1000)
})

/** Any use of one log, with the time between. */
const action = fc.record({
  wait: fc.constantFrom(0, 0, 0, 1, 50, 400, 1000, 7000, 70_000),
  does: fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('publish' as const), size: fc.integer({ min: 1, max: 9 }), ttl: fc.constantFrom(400, 1000, 60_000) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('keyed' as const), id: fc.constantFrom('a', 'b'), digest: fc.constantFrom('x', 'x', 'y') }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('read' as const), from: fc.nat(), limit: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('refollow' as const) }) }
  )
})

await t.test('any schedule of publications, removals, keys and time, against a naive model', async t => {
  const KEY_TTL = 5000
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), async actions => {
    const { bridge, clock } = await createBridge()
    const channel = freshChannel()
    /** The whole history, each entry with its time; `number` is null for a removal. */
    const history: Array<{ position: Position, number: number | null, at: number }> = []
    const keys = new Map<string, { digest: string, position: Position, at: number }>()
    let retention = { size: 5, ttl: 1000 }
    let first = 1
    let followed = await follow(bridge, channel)
    let from = 0
    const start = followed.subscription.head
    const same = (actual: unknown, expected: unknown, what: string): void => {
      if (JSON.stringify(actual) !== JSON.stringify(expected)) {
        throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
      }
    }
    const trim = (): void => {
      while (first <= history.length) {
        const oldest = history[first - 1]
        if (oldest !== undefined && history.length - first < retention.size && clock.now() - oldest.at < retention.ttl) break
        first++
      }
    }
    const append = (position: Position, number: number | null): void => {
      same(position.offset, history.length + 1, 'offset')
      history.push({ position, number, at: clock.now() })
      trim()
    }
    const kept = (after: number): number[] => history.slice(after).flatMap(({ number }) => number === null ? [] : [number])

    for (const { wait, does } of actions) {
      clock.advance(wait)
      trim()
      const number = history.length + 1
      if (does.type === 'publish') {
        retention = { size: does.size, ttl: does.ttl }
        trim()
        append((await publish(bridge, channel, number, retention)).position, number)
      } else if (does.type === 'remove') {
        append((await bridge.remove(channel, { userId: 'mallory', retention })).position, null)
      } else if (does.type === 'keyed') {
        const { id, digest } = does
        const known = keys.get(id)
        const result = await bridge.publish({
          channel, head: head(number), retention, key: { id, digest, ttl: KEY_TTL }
        })
        if (known !== undefined && clock.now() - known.at < KEY_TTL) {
          if (known.digest !== digest) same(result, { status: 'conflict' }, 'conflict')
          else same(stored(result).position, known.position, 'duplicate')
        } else {
          same(result.status, 'published', 'key')
          const { position } = stored(result)
          append(position, number)
          keys.set(id, { digest, position, at: clock.now() })
        }
      } else if (does.type === 'refollow') {
        await followed.subscription.unsubscribe()
        followed = await follow(bridge, channel)
        same(followed.subscription.head, history.at(-1)?.position ?? start, 'head')
        from = history.length
      } else {
        const offset = does.from % (history.length + 1)
        const at = history[offset - 1]?.position ?? start
        const result = await read(bridge, channel, { since: formatPosition(at) })
        if (offset < history.length && offset + 1 < first) same([result.gap, result.entries.length], ['trimmed', 0], 'trimmed')
        else same([result.gap, numbers(result.entries)], [undefined, kept(offset)], 'since')
        const pages: number[] = []
        let position = formatPosition(at)
        for (let more = result.gap === undefined; more;) {
          const page = await read(bridge, channel, { since: position }, { limit: does.limit, maxBytes: 300 })
          pages.push(...numbers(page.entries))
          position = formatPosition(page.position)
          more = page.more
        }
        same(pages, numbers(result.entries), 'pages')
        const all = kept(first - 1)
        same(numbers((await read(bridge, channel, { since: 'start' })).entries), all, 'start')
        same(numbers((await read(bridge, channel, { last: does.limit })).entries), all.slice(-does.limit), 'last')
      }
      const delivered = followed.events.map(event => {
        if (event.type === 'entry') return numberOf(event.entry.payload)
        return event.type === 'removal' ? null : event.type
      })
      same(delivered, history.slice(from).map(({ number }) => number), 'delivered')
    }
    await followed.subscription.unsubscribe()
    clock.advance(2 * DAY)
    same(clock.armed, 0, 'timers')
    await bridge.close()
  }), { numRuns: 300, seed: 11 })
})
