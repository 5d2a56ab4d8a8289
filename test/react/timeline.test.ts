import t from 'tap'
import { createTimeline, MAX_MESSAGES } from '../../lib/react/timeline.js'
import type { Timeline } from '../../lib/react/timeline.js'
import type { ClientMessage } from '../../types/client.js'
import type { ListedMessage } from '../../types/react.js'

const create = (limit = 100): Timeline => {
  const timeline = createTimeline(({ userId }) => userId === 'ann')
  timeline.limit = limit
  return timeline
}

/** The `n`th message of the log. */
const entry = (n: number, more: Partial<ClientMessage> = {}): ClientMessage =>
  ({ roomId: 'chat:1', event: 'message', userId: 'bob', content: n, timestamp: 1_000 + n, position: `p${n}`, ...more })

const draft = (key: string) => ({ key, roomId: 'chat:1', event: 'message', content: key, timestamp: 5, userId: 'ann' })

const gap = { roomId: 'chat:1', reason: 'trimmed' as const, position: 'p99' }

const show = ({ messages }: Timeline): unknown[] => messages.map(({ content, state, gap }) => `${String(content)}${gap ? '|' : ''}${state === 'sent' ? '' : ` ${state}`}`)

const ids = ({ messages }: Timeline): string[] => messages.map(({ id }: ListedMessage) => id)

await t.test('an echo before its acknowledgement, and after it, is the same item', async (t) => {
  for (const order of ['echo first', 'acknowledgement first'] as const) {
    const timeline = create()
    timeline.add(draft('a'))
    const [id] = ids(timeline)
    const steps = [() => timeline.receive(entry(1, { userId: 'ann', key: 'a', content: 'a' })), () => timeline.acknowledged('a', { key: 'a', timestamp: 1_001, position: 'p1' })]
    for (const step of order === 'echo first' ? steps : steps.reverse()) {
      step()
      t.strictSame(show(timeline), ['a'], order)
      t.strictSame(ids(timeline), [id], order)
    }
    timeline.acknowledged('a', { key: 'a', timestamp: 1_001, position: 'p1', duplicate: true })
    timeline.receive(entry(1, { userId: 'ann', key: 'a', content: 'a' }))
    t.strictSame(show(timeline), ['a'], 'once, whatever is repeated')
  }
})

await t.test("a key is its user's own", async (t) => {
  const timeline = create()
  timeline.add(draft('a'))
  timeline.receive(entry(1, { userId: 'bob', key: 'a', content: 'not mine' }))
  t.strictSame(show(timeline), ['not mine', 'a pending'])
})

await t.test('what is acknowledged comes before what waits, and is moved by its echo to where the log has it', async (t) => {
  const timeline = create()
  for (const key of ['a', 'b', 'c']) timeline.add(draft(key))
  timeline.failed('a', new Error('no'))
  timeline.acknowledged('c', { key: 'c', timestamp: 1_002, position: 'p2' })
  t.strictSame(show(timeline), ['c', 'a failed', 'b pending'])
  timeline.receive(entry(1))
  t.strictSame(show(timeline), [1, 'c', 'a failed', 'b pending'].map(String))
  timeline.receive(entry(2, { userId: 'ann', key: 'c', content: 'c' }))
  timeline.receive(entry(3))
  t.strictSame(show(timeline), ['1', 'c', '3', 'a failed', 'b pending'])
})

await t.test('an acknowledged message whose echo never comes is put where its time is', async (t) => {
  const timeline = create()
  timeline.receive(entry(1))
  timeline.receive(entry(2))
  timeline.add(draft('a'))
  timeline.broken(gap)
  timeline.receive(entry(8))
  timeline.acknowledged('a', { key: 'a', timestamp: 1_005, position: 'p5', duplicate: true })
  t.strictSame(show(timeline), ['1', '2', 'a|', '8|'])
  timeline.add(draft('b'))
  timeline.acknowledged('b', { key: 'b', timestamp: 900, position: 'p0', duplicate: true })
  t.strictSame(show(timeline), ['1', '2', 'a|', '8|'], 'older than the list: part of a page before it')
  timeline.older([entry(0, { userId: 'ann', key: 'b', content: 'b' })])
  t.strictSame(show(timeline), ['b', '1', '2', 'a|', '8|'])
})

await t.test('a place that was guessed gives way to the one the log has', async (t) => {
  const timeline = create()
  timeline.receive(entry(1, { timestamp: 2_000 }))
  timeline.receive(entry(2, { timestamp: 3_000 }))
  timeline.add(draft('a'))
  // A clock that was set back.
  timeline.acknowledged('a', { key: 'a', timestamp: 2_500, position: 'p3' })
  t.strictSame(show(timeline), ['1', 'a', '2'])
  timeline.receive(entry(3, { userId: 'ann', key: 'a', content: 'a', timestamp: 2_500 }))
  t.strictSame(show(timeline), ['1', '2', 'a'])
})

await t.test('a place that was guessed, and that the newest messages confirm, is not given up when they are told again', async (t) => {
  const timeline = create()
  timeline.receive(entry(1))
  timeline.add(draft('a'))
  timeline.acknowledged('a', { key: 'a', timestamp: 1_002, position: 'p2' })
  const mine = entry(2, { userId: 'ann', key: 'a', content: 'a' })
  timeline.broken(gap)
  timeline.receive(entry(3))
  timeline.newest([mine, entry(3)])
  timeline.broken({ ...gap, position: 'p100' })
  for (const each of [mine, entry(3), entry(4)]) timeline.receive(each)
  t.strictSame(show(timeline).map((text) => String(text).replace('|', '')), ['1', 'a', '3', '4'])
})

await t.test('the list is bounded, what waits aside, and the bound grows by what was loaded', async (t) => {
  const timeline = create(3)
  for (let n = 10; n < 15; n++) timeline.receive(entry(n))
  timeline.add(draft('a'))
  t.strictSame(show(timeline), ['12', '13', '14', 'a pending'])
  t.equal(timeline.trimmed, true)
  t.equal(timeline.older([entry(10), entry(11)]), 2)
  t.equal(timeline.trimmed, false)
  t.equal(timeline.older([entry(10), entry(11)]), 0)
  timeline.receive(entry(15))
  t.strictSame(show(timeline), ['11', '12', '13', '14', '15', 'a pending'])
})

await t.test('while a page before it is read the list keeps its beginning, and afterwards all it has', async (t) => {
  const timeline = create(3)
  for (let n = 10; n < 13; n++) timeline.receive(entry(n))
  timeline.pinned = true
  for (let n = 13; n < 15; n++) timeline.receive(entry(n))
  t.equal(timeline.first?.position, 'p10')
  timeline.older([entry(8), entry(9)])
  timeline.pinned = false
  t.strictSame(show(timeline), ['8', '9', '10', '11', '12', '13', '14'], 'what came meanwhile drops nothing of the page')
  timeline.receive(entry(15))
  t.strictSame(show(timeline), ['9', '10', '11', '12', '13', '14', '15'], 'it is bounded again')
  timeline.pinned = true
  timeline.receive(entry(16))
  timeline.pinned = false
  t.strictSame(show(timeline), ['10', '11', '12', '13', '14', '15', '16'], 'no page came')
})

await t.test('a list whose beginning is kept is bounded all the same', async (t) => {
  const timeline = create(3)
  timeline.pinned = true
  for (let n = 0; n < MAX_MESSAGES + 5; n++) timeline.receive(entry(n))
  t.equal(timeline.messages.length, MAX_MESSAGES)
  t.equal(timeline.first?.position, 'p5')
  timeline.pinned = false
  t.equal(timeline.messages.length, 3)
})

await t.test('a gap is marked where it is, unless the newest messages reach behind it', async (t) => {
  for (const reaches of [true, false]) {
    for (const live of ['before', 'after'] as const) {
      const timeline = create()
      timeline.receive(entry(1))
      timeline.receive(entry(2))
      timeline.broken(gap)
      const page = (reaches ? [2, 3, 4] : [3, 4]).map((n) => entry(n))
      if (live === 'before') timeline.receive(entry(4))
      timeline.newest(page)
      timeline.receive(entry(4))
      timeline.receive(entry(5))
      t.strictSame(show(timeline), reaches ? ['1', '2', '3', '4', '5'] : ['1', '2', '3|', '4', '5'], `${reaches} ${live}`)
      t.strictSame(timeline.gap, reaches ? undefined : gap)
    }
  }
})

await t.test('a log that was rolled back does not count as continued', async (t) => {
  const timeline = create()
  for (const n of [1, 2, 3]) timeline.receive(entry(n))
  timeline.broken(gap)
  timeline.newest([entry(1), entry(2), entry(3, { position: 'p3-again' })])
  t.strictSame(show(timeline), ['1', '2', '3', '3|'])
  timeline.broken({ ...gap, position: 'p100' })
  timeline.receive(entry(9))
  t.strictSame(show(timeline), ['1', '2', '3', '3|', '9|'])
  t.equal(timeline.gap?.position, 'p100')
})

await t.test('the same array as long as nothing is different', async (t) => {
  const timeline = create()
  timeline.receive(entry(1))
  const { messages } = timeline
  timeline.receive(entry(1))
  t.equal(timeline.messages, messages)
  timeline.acknowledged('unknown', { key: 'unknown', timestamp: 1_001, position: 'p1' })
  timeline.failed('unknown', null)
  t.equal(timeline.messages, messages)
  timeline.receive(entry(2))
  t.equal(timeline.messages[0], messages[0])
})

await t.test('in a volatile room the end of the connection is the end of waiting for echoes', async (t) => {
  const timeline = create()
  const { position, ...volatile } = entry(1)
  timeline.receive(volatile)
  timeline.receive(volatile)
  timeline.add(draft('a'))
  timeline.acknowledged('a', { key: 'a', timestamp: 3 })
  timeline.forsake()
  timeline.receive(volatile)
  t.strictSame(show(timeline), ['1', '1', 'a', '1'])
  t.equal(new Set(ids(timeline)).size, 4)
})
