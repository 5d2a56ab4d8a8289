import type { Test } from 'tap'
import { formatPosition } from '../../../lib/protocol/position.js'
import type { Position } from '../../../lib/protocol/position.js'
import {
  KEEP, faulty, follow, freshChannel, numberOf, numbers, publish, publishMany, range, read, scenario, stored
} from './fixture.js'
import type { ContractOptions } from './fixture.js'

export async function logContract (t: Test, options: ContractOptions): Promise<void> {
  await scenario(t, options, 'the stored frame is the given text with timestamp and position behind it', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    const text = '{"type":"message","content":"$& $1 \\"position\\":\\"x\\" é 💡 \\u2028"'
    const { position, timestamp } = stored(await far.publish({ channel, head: text, retention: KEEP, receipt: true }))
    await followed.messages(1)
    const expected = {
      kind: 'message',
      position,
      payload: Buffer.from(`${text},"timestamp":${timestamp},"position":"${formatPosition(position)}"}`),
      timestamp,
      receipt: true
    }
    const [event] = followed.events
    t.equal(event?.type, 'entry')
    t.match(event, { entry: expected }, 'live')
    t.match(await read(near, channel, { since: 'start' }), { entries: [expected], gap: undefined }, 'read')
    await publish(far, channel, 2)
    t.match((await read(near, channel, { last: 1 })).entries, [{ receipt: false }])
  })

  await scenario(t, options, 'the listener gets everything after the head, once and in order', async ({ t, near, far, channel }) => {
    const before = await publishMany(far, channel, 1, 3)
    const followed = await follow(near, channel)
    t.same(followed.subscription.head, before.at(-1))
    const results = await Promise.all(range(4, 53).map(number => publish(number % 2 === 0 ? far : near, channel, number)))
    await followed.messages(50)
    await publish(far, channel, 54)
    await followed.messages(51)
    t.same(followed.numbers().toSorted((a, b) => a - b), range(4, 54), 'everything once')
    const positions = followed.events.flatMap(event => event.type === 'entry' ? [event.entry.position] : [])
    t.same(positions.map(position => position.offset), range(4, 54), 'in the order of the log')
    t.equal(new Set(positions.map(position => position.epoch)).size, 1)
    t.equal(new Set(positions.map(position => position.chain)).size, 51)
    for (const [index, { position }] of results.entries()) {
      const at = positions.findIndex(other => formatPosition(other) === formatPosition(position))
      t.equal(followed.numbers()[at], index + 4, 'a publisher is told the position of its own message')
    }
    t.same(numbers((await read(near, channel, { since: 'start' })).entries).slice(3), followed.numbers(), 'as the log has it')
  })

  await scenario(t, options, 'messages published from one place keep their order', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    await Promise.all(range(1, 40).map(number => publish(far, channel, number)))
    await followed.messages(40)
    t.same(followed.numbers(), range(1, 40))
  })

  await scenario(t, options, 'a subscription amid publications has no hole and no overlap', async ({ t, near, far, channel }) => {
    const early = range(1, 20).map(number => publish(far, channel, number))
    const following = follow(near, channel)
    const late = range(21, 40).map(number => publish(far, channel, number))
    const followed = await following
    await Promise.all([...early, ...late])
    await publish(far, channel, 41)
    await followed.until(() => followed.numbers().includes(41))
    const after = await read(near, channel, { since: formatPosition(followed.subscription.head) })
    t.equal(after.gap, undefined)
    t.same(followed.numbers(), numbers(after.entries))
  })

  await scenario(t, options, 'the head is known before the first event', async ({ t, near, far, channel }) => {
    const order: string[] = []
    const subscribing = near.subscribe(channel, { presence: false }, () => order.push('event'))
    const publishing = publish(far, channel, 1)
    const subscribed = subscribing.then(() => order.push('subscribed'))
    await Promise.all([subscribed, publishing])
    await publish(far, channel, 2)
    t.equal(order[0], 'subscribed')
  })

  await scenario(t, options, 'a listener is done with one event before the next begins', async ({ t, near, far, channel }) => {
    let running = false
    const seen: number[] = []
    let done = (): void => {}
    const all = new Promise<void>(resolve => { done = resolve })
    const answers: Array<Promise<unknown>> = []
    await near.subscribe(channel, { presence: false }, event => {
      if (event.type !== 'entry') return
      t.notOk(running)
      running = true
      const number = numberOf(event.entry.payload)
      seen.push(number)
      if (number < 4) answers.push(publish(near, channel, number + 1))
      else done()
      running = false
    })
    await publish(far, channel, 1)
    await all
    await Promise.all(answers)
    t.same(seen, [1, 2, 3, 4])
  })

  const errors: unknown[] = []
  await scenario(t, options, 'a listener that throws disturbs nobody', async ({ t, near, far, channel }) => {
    const failing = await follow(near, channel, { onEvent () { throw new Error('listener') } })
    const other = freshChannel()
    const healthy = await follow(near, other)
    await publishMany(far, channel, 1, 2)
    await publish(far, other, 3)
    await failing.messages(2)
    await healthy.messages(1)
    t.same(failing.numbers(), [1, 2])
    t.match(errors, [{ message: 'listener' }, { message: 'listener' }])
  }, () => ({ onError: error => errors.push(error) }))

  await scenario(t, options, 'a later subscription takes the place of the earlier', async ({ t, near, far, channel }) => {
    const first = await follow(near, channel, { presence: true })
    await publish(far, channel, 1)
    await first.messages(1)
    const second = await follow(near, channel)
    await first.subscription.unsubscribe()
    await publish(far, channel, 2)
    await second.messages(1)
    t.same([first.numbers(), second.numbers()], [[1], [2]])
    await second.subscription.unsubscribe()
    await second.subscription.unsubscribe()
    const third = await follow(near, channel, { presence: true })
    await second.subscription.unsubscribe()
    await publish(far, channel, 3)
    await third.messages(1)
    t.same(third.numbers(), [3])
  })

  await faulty(t, options, 'cutStore', 'a subscription that was refused is over, and the next is as good as the first', async ({ t, near, far, channel }, cut) => {
    const other = freshChannel()
    const kept = await follow(near, other)
    const heal = await cut(near)
    let called = 0
    await t.rejects(near.subscribe(channel, { presence: true }, () => { called++ }), { name: 'BridgeError' })
    await kept.subscription.unsubscribe().catch(() => {})
    await heal()
    const followed = await follow(near, channel, { presence: true })
    const again = await follow(near, other)
    for (const name of [channel, other]) await publish(far, name, 1)
    await followed.messages(1)
    await again.messages(1)
    t.same([called, followed.numbers(), again.numbers(), kept.numbers()], [0, [1], [1], []])
  })

  await scenario(t, options, 'nothing comes after unsubscribe, and a new subscription starts at the head', async ({ t, near, far, channel }) => {
    const first = await follow(near, channel)
    await publish(far, channel, 1)
    await first.messages(1)
    await first.subscription.unsubscribe()
    const { position } = await publish(far, channel, 2)
    const second = await follow(near, channel)
    t.same(second.subscription.head, position)
    await first.subscription.unsubscribe()
    await publish(far, channel, 3)
    await second.messages(1)
    t.same(first.numbers(), [1])
    t.same(second.numbers(), [3], 'a second unsubscribe of the old one does not end the new one')
  })

  await scenario(t, options, 'a listener that unsubscribes gets no more', async ({ t, near, far, channel }) => {
    const ended: Array<Promise<void>> = []
    const followed = await follow(near, channel, {
      onEvent () { ended.push(followed.subscription.unsubscribe()) }
    })
    await Promise.all(range(1, 5).map(number => publish(far, channel, number)))
    await followed.messages(1)
    await Promise.all(ended)
    const again = await follow(near, channel)
    await publish(far, channel, 6)
    await again.messages(1)
    t.same(followed.numbers(), [1])
  })

  await scenario(t, options, 'reading forward page by page', async ({ t, near, far, channel }) => {
    const positions = await publishMany(far, channel, 1, 50)
    for (const way of ['since', 'after'] as const) {
      const seen: number[] = []
      let from = formatPosition(at(positions, 10))
      for (let more = true; more;) {
        const page = await read(near, channel, way === 'since' ? { since: from } : { after: from }, { limit: 7, maxBytes: 1e6 })
        t.ok(page.entries.length <= 7)
        t.same(page.head, at(positions, 50))
        seen.push(...numbers(page.entries))
        t.same(page.position, page.more ? page.entries.at(-1)?.position : page.head)
        from = formatPosition(page.position)
        more = page.more
      }
      t.same(seen, range(11, 50), way)
    }
    const exact = await read(near, channel, { since: formatPosition(at(positions, 43)) }, { limit: 7, maxBytes: 1e6 })
    t.match(exact, { entries: { length: 7 }, more: false }, 'a page that is just full is the last one')
  })

  await scenario(t, options, 'reading backward page by page', async ({ t, near, far, channel }) => {
    const positions = await publishMany(far, channel, 1, 30)
    const newest = await read(near, channel, { last: 10 })
    t.same(numbers(newest.entries), range(21, 30))
    t.match(newest, { more: true, position: at(positions, 30), head: at(positions, 30) })
    t.match(await read(near, channel, { last: 100 }, { limit: 30, maxBytes: 1e6 }), { entries: { length: 30 }, more: false })
    t.match(await read(near, channel, { last: 100 }, { limit: 29, maxBytes: 1e6 }), { entries: { length: 29 }, more: true })
    const seen: number[] = []
    let before = formatPosition(at(positions, 21))
    for (let more = true; more;) {
      const page = await read(near, channel, { before }, { limit: 8, maxBytes: 1e6 })
      seen.unshift(...numbers(page.entries))
      const [oldest] = page.entries
      before = oldest === undefined ? before : formatPosition(oldest.position)
      more = page.more
    }
    t.same(seen, range(1, 20))
  })

  await scenario(t, options, 'a page ends before it has too many bytes, but never without an entry', async ({ t, near, far, channel }) => {
    const positions = await publishMany(far, channel, 1, 9)
    const { entries } = await read(near, channel, { since: 'start' })
    const bytes = entries.slice(0, 3).reduce((sum, entry) => sum + entry.payload.length, 0)
    const three = await read(near, channel, { since: 'start' }, { limit: 100, maxBytes: bytes })
    t.same(numbers(three.entries), [1, 2, 3])
    t.match(three, { more: true, position: at(positions, 3) })
    t.same(numbers((await read(near, channel, { since: 'start' }, { limit: 100, maxBytes: bytes - 1 })).entries), [1, 2])
    t.same(numbers((await read(near, channel, { since: 'start' }, { limit: 100, maxBytes: 1 })).entries), [1])
    t.same(numbers((await read(near, channel, { last: 5 }, { limit: 100, maxBytes: bytes })).entries), [7, 8, 9])
    t.match(await read(near, channel, { last: 5 }, { limit: 100, maxBytes: 1 }), { entries: { length: 1 }, more: true })
    const back = await read(near, channel, { before: formatPosition(at(positions, 4)) }, { limit: 100, maxBytes: bytes - 1 })
    t.same(numbers(back.entries), [2, 3])
    t.equal(back.more, true)
  })

  await scenario(t, options, 'the ends of a log', async ({ t, near, far, channel }) => {
    const empty = await read(near, channel, { since: 'start' })
    t.match(empty, { entries: { length: 0 }, more: false, gap: undefined, head: { offset: 0 } })
    t.same(empty.position, empty.head)
    t.match(await read(near, channel, { last: 10 }), { entries: { length: 0 }, more: false, gap: undefined })
    const followed = await follow(near, channel)
    t.same(followed.subscription.head, empty.head)
    const [first] = await publishMany(far, channel, 1, 3)
    t.same(numbers((await read(near, channel, { since: formatPosition(empty.head) })).entries), [1, 2, 3], 'from before the first entry')
    t.same(numbers((await read(near, channel, { after: 'start' })).entries), [1, 2, 3])
    t.match(await read(near, channel, { before: 'start' }), { entries: { length: 0 }, more: false, gap: undefined })
    t.match(await read(near, channel, { before: formatPosition(at([first], 1)) }), { entries: { length: 0 }, more: false, gap: undefined })
    t.match(await read(near, channel, { before: formatPosition(empty.head) }), { entries: { length: 0 }, more: false, gap: undefined })
  })

  await scenario(t, options, 'positions that are not of this log', async ({ t, near, far, channel }) => {
    const positions = await publishMany(far, channel, 1, 5)
    const last = at(positions, 5)
    const elsewhere = freshChannel()
    const foreign = await publishMany(far, elsewhere, 1, 5)
    const forged = (change: Partial<Position>): string => formatPosition({ ...last, ...change })
    const cases: Array<[string, string]> = [
      ['', 'expired'],
      ['garbage', 'expired'],
      ['START', 'expired'],
      [`${formatPosition(last)} `, 'expired'],
      ['x'.repeat(100_000), 'expired'],
      [forged({ offset: 2 ** 53 - 1 }).replace('9007199254740991', '99999999999999999'), 'expired'],
      [formatPosition(at(foreign, 5)), 'expired'],
      [formatPosition(at(foreign, 2)), 'expired'],
      [forged({ epoch: 'another' }), 'expired'],
      [forged({ offset: 6 }), 'diverged'],
      [forged({ offset: 2 ** 53 - 1 }), 'diverged'],
      [forged({ chain: 'abcdefabcdef' }), 'diverged'],
      [forged({ offset: 3 }), 'diverged'],
      [forged({ offset: 0, chain: 'abc' }), 'diverged']
    ]
    for (const [text, gap] of cases) {
      for (const query of [{ since: text }, { after: text }, { before: text }]) {
        const result = await read(near, channel, query)
        t.match(result, { gap, entries: { length: 0 }, more: false, head: last, position: last }, `${Object.keys(query)} ${text.slice(0, 40)}`)
      }
    }
  })

  await scenario(t, options, 'a position just before, at and behind the boundary of size', async ({ t, near, far, channel }) => {
    const size = 5
    const positions = await publishMany(far, channel, 1, 12, { size, ttl: KEEP.ttl })
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), range(8, 12))
    for (const number of range(1, 12)) {
      const result = await read(near, channel, { since: formatPosition(at(positions, number)) })
      if (number < 7) t.match(result, { gap: 'trimmed', entries: { length: 0 }, position: at(positions, 12) }, `${number}`)
      else t.same([result.gap, numbers(result.entries)], [undefined, range(number + 1, 12)], `${number}`)
    }
    const older = await read(near, channel, { before: formatPosition(at(positions, 10)) })
    t.same([numbers(older.entries), older.more], [[8, 9], false])
    t.match(await read(near, channel, { before: formatPosition(at(positions, 8)) }), { entries: { length: 0 }, gap: undefined })
    t.match(await read(near, channel, { before: formatPosition(at(positions, 2)) }), { entries: { length: 0 }, gap: 'trimmed' })
  })

  await scenario(t, options, 'a log that becomes smaller loses the oldest', async ({ t, near, far, channel }) => {
    await publishMany(far, channel, 1, 20)
    await publish(far, channel, 21, { size: 3, ttl: KEEP.ttl })
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [19, 20, 21])
    await publishMany(far, channel, 22, 40)
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), range(19, 40), 'and grows again')
  })

  await scenario(t, options, 'each entry goes when it is old enough, by itself', async ({ t, near, far, channel, ttl, fixture, passes }) => {
    const retention = { size: 1000, ttl }
    const first = await publish(far, channel, 1, retention)
    let last = 1
    await passes(ttl / 2, async () => (await read(near, channel, { last: 1 })).entries.length > 0 || fixture.advance === undefined)
    await publish(far, channel, ++last, retention)
    await passes(ttl / 2, async () => {
      await publish(far, channel, ++last, retention)
      const { entries } = await read(near, channel, { since: 'start' })
      return !numbers(entries).includes(1)
    })
    const { entries } = await read(near, channel, { since: 'start' })
    t.ok(entries.length > (fixture.advance === undefined ? 0 : 1))
    t.same(numbers(entries), range(last - entries.length + 1, last), 'the oldest went, the newest are there')
    if (fixture.advance === undefined) return
    t.match(await read(near, channel, { since: formatPosition(first.position) }), { gap: undefined })
    fixture.advance(ttl - 1)
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [last], 'one ms before its time')
    fixture.advance(1)
    t.same((await read(near, channel, { since: 'start' })).entries, [])
  })

  await scenario(t, options, 'the head stays a position when all entries have gone', async ({ t, near, far, channel, ttl, passes }) => {
    const retention = { size: 1000, ttl }
    const [first, second, third] = await publishMany(far, channel, 1, 3, retention)
    await passes(ttl, async () => (await read(near, channel, { since: 'start' })).entries.length === 0)
    const last = formatPosition(at([third], 1))
    t.match(await read(near, channel, { since: last }), { gap: undefined, entries: { length: 0 }, head: third, position: third })
    t.match(await read(near, channel, { since: 'start' }), { gap: undefined, entries: { length: 0 }, head: third, position: third })
    t.match(await read(near, channel, { since: formatPosition(at([first], 1)) }), { gap: 'trimmed' })
    t.match(await read(near, channel, { since: formatPosition(at([second], 1)) }), { gap: 'trimmed' })
    t.match(await read(near, channel, { before: last }), { gap: undefined, entries: { length: 0 }, more: false })
    t.same((await publish(far, channel, 4, retention)).position.offset, 4, 'the log goes on')
    const { gap, entries } = await read(near, channel, { since: last })
    t.same([gap, numbers(entries)], [undefined, [4]])
  })
}

/** The position of message `number`, counted from 1. */
function at (positions: ReadonlyArray<Position | undefined>, number: number): Position {
  const position = positions[number - 1]
  if (position === undefined) throw new Error(`no position ${number}`)
  return position
}
