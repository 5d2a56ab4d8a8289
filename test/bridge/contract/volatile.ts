import type { Test } from 'tap'
import { REMOVAL_WINDOW } from '../../../lib/bridge/bridge.js'
import { formatPosition } from '../../../lib/protocol/position.js'
import { KEEP, follow, freshChannel, head, numberOf, numbers, publish, publishMany, range, read, scenario } from './fixture.js'
import type { ContractOptions } from './fixture.js'

export async function volatileContract (t: Test, options: ContractOptions): Promise<void> {
  await scenario(t, options, 'a volatile publication is handed over and kept nowhere', async ({ t, near, far, channel }) => {
    const key = { id: 'a', digest: 'digest', ttl: 60_000 }
    const nobody = await far.publish({ channel, head: head(1), retention: null })
    t.match(nobody, { status: 'published', position: undefined })
    const followed = await follow(near, channel)
    const text = '{"content":2,"text":"$& é 💡"'
    const result = await far.publish({ channel, head: text, retention: null, key })
    t.match(await far.publish({ channel, head: head(3), retention: null, key }), { status: 'published' }, 'no key is looked at')
    await followed.messages(2)
    t.equal(result.status, 'published')
    if (result.status === 'conflict') return
    t.same(followed.events[0], {
      type: 'volatile', payload: Buffer.from(`${text},"timestamp":${result.timestamp}}`)
    })
    t.match(followed.events[1], { type: 'volatile' })
    t.equal(await near.lookup(channel, key), null)
    const { head: at, entries } = await read(near, channel, { since: formatPosition(followed.subscription.head) })
    t.same([at, entries], [followed.subscription.head, []])
  })

  await scenario(t, options, 'typing reaches those who follow', async ({ t, near, far, channel }) => {
    await far.typing(channel, 'alice', true)
    const followed = await follow(near, channel)
    await far.typing(channel, 'alice', true)
    await far.typing(channel, 'bob', true)
    await far.typing(channel, 'alice', false)
    await followed.until(events => events.length === 3)
    t.same(followed.events, [
      { type: 'typing', userId: 'alice', typing: true },
      { type: 'typing', userId: 'bob', typing: true },
      { type: 'typing', userId: 'alice', typing: false }
    ])
  })

  await scenario(t, options, 'a removal is an entry of the log, in its place, and no message', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    const [first] = await publishMany(far, channel, 1, 2)
    const { position } = await far.remove(channel, { userId: 'mallory', retention: KEEP })
    await publishMany(far, channel, 3, 4)
    await followed.messages(4)
    t.equal(position.offset, 3)
    t.same(followed.events.map(event => event.type === 'entry' ? numberOf(event.entry.payload) : event), [
      1, 2, { type: 'removal', entry: { kind: 'removal', position, userId: 'mallory' } }, 3, 4
    ])
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [1, 2, 3, 4])
    t.same(numbers((await read(near, channel, { last: 3 })).entries), [2, 3, 4], 'it counts for no page')
    t.same(numbers((await read(near, channel, { before: formatPosition(position) })).entries), [1, 2])
    const after = await read(near, channel, { since: formatPosition(position) })
    t.same([after.gap, numbers(after.entries)], [undefined, [3, 4]], 'its position continues like any other')
    t.equal(first?.offset, 1)
    await far.remove(channel, { userId: 'mallory', retention: KEEP })
    const end = await read(near, channel, { since: 'start' }, { limit: 4, maxBytes: 1e6 })
    t.match(end, { more: false, head: { offset: 6 }, position: { offset: 6 } }, 'nothing but a removal is left: read to the head')
    const page = await read(near, channel, { since: 'start' }, { limit: 2, maxBytes: 1e6 })
    t.equal(page.more, true)
    t.same(numbers((await read(near, channel, { since: formatPosition(page.position) })).entries), [3, 4])
  })

  await scenario(t, options, 'the reason of a removal goes with it', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    for (const retention of [KEEP, null]) await far.remove(channel, { userId: 'mallory', reason: 'spam "é" 💡', retention })
    await followed.until(events => events.length === 2)
    t.same(followed.events.map(event => event.type === 'removal' && event.entry.reason), ['spam "é" 💡', 'spam "é" 💡'])
  })

  await scenario(t, options, 'a volatile channel keeps removals, and only those', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    await far.publish({ channel, head: head(1), retention: null })
    const { position } = await far.remove(channel, { userId: 'mallory', retention: null })
    await far.publish({ channel, head: head(2), retention: null })
    await followed.messages(2)
    t.same(followed.events.map(event => event.type), ['volatile', 'removal', 'volatile'])
    t.match(await read(near, channel, { since: formatPosition(followed.subscription.head) }), {
      gap: undefined, entries: { length: 0 }, more: false, head: position, position
    })
    await followed.subscription.unsubscribe()
    t.same((await follow(near, channel)).subscription.head, position)
  })

  await scenario(t, options, 'a subscription knows who was removed a moment ago', async ({ t, near, far, channel, fixture }) => {
    const retention = { size: 1, ttl: KEEP.ttl }
    const none = await follow(near, channel)
    t.equal(none.subscription.removals.size, 0)
    await none.subscription.unsubscribe()
    await far.remove(channel, { userId: 'mallory', retention })
    await far.remove(channel, { userId: 'oscar', retention })
    await publishMany(far, channel, 1, 3, retention)
    const other = freshChannel()
    await publish(far, other, 1)
    t.equal((await follow(near, other)).subscription.removals.size, 0)
    const { subscription } = await follow(near, channel)
    t.same([...subscription.removals.keys()].toSorted(), ['mallory', 'oscar'], 'although the log has long lost them')
    for (const age of subscription.removals.values()) t.ok(age >= 0 && age < REMOVAL_WINDOW)
    await subscription.unsubscribe()
    if (fixture.advance === undefined) return
    const ages = async (): Promise<unknown> => {
      const { subscription } = await follow(near, channel)
      await subscription.unsubscribe()
      return Object.fromEntries(subscription.removals)
    }
    fixture.advance(10_000)
    await far.remove(channel, { userId: 'mallory', retention })
    fixture.advance(REMOVAL_WINDOW - 10_001)
    t.same(await ages(), { mallory: 49_999, oscar: 59_999 }, 'the last removal of a user counts')
    fixture.advance(1)
    t.same(await ages(), { mallory: 50_000 })
    fixture.advance(10_000)
    t.same(await ages(), {})
  })

  await scenario(t, options, 'a removal reaches a log that holds messages in one order everywhere', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    await Promise.all(range(1, 30).map(async number => {
      const node = number % 2 === 0 ? near : far
      await (number % 5 === 0 ? node.remove(channel, { userId: `user-${number}`, retention: KEEP }) : publish(node, channel, number))
    }))
    await followed.until(events => events.length === 30)
    const offsets = followed.events.flatMap(event => event.type === 'entry' || event.type === 'removal' ? [event.entry.position.offset] : [])
    t.same(offsets, range(1, 30))
  })
}
