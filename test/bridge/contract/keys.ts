import type { Test } from 'tap'
import type { IdempotencyKey } from '../../../lib/bridge/bridge.js'
import { KEEP, follow, freshChannel, head, numbers, publish, publishMany, range, read, scenario, stored } from './fixture.js'
import type { ContractOptions } from './fixture.js'

function key (id: string, digest = 'digest', ttl = 10 * 60_000): IdempotencyKey {
  return { id, digest, ttl }
}

export async function keyContract (t: Test, options: ContractOptions): Promise<void> {
  await scenario(t, options, 'a key used twice publishes once', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    t.equal(await near.lookup(channel, key('a')), null)
    const first = stored(await far.publish({ channel, head: head(1), retention: KEEP, key: key('a') }))
    t.equal(first.status, 'published')
    await publish(far, channel, 2)
    for (const node of [near, far]) {
      const expected = { status: 'duplicate', position: first.position, timestamp: first.timestamp }
      // What is published must not matter: the digest stands for it.
      t.same(await node.publish({ channel, head: head(9), retention: KEEP, key: key('a') }), expected)
      t.same(await node.lookup(channel, key('a')), expected)
    }
    await publish(far, channel, 3)
    await followed.messages(3)
    t.same(followed.numbers(), [1, 2, 3])
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [1, 2, 3])
  })

  await scenario(t, options, 'what is not published changes no bounds', async ({ t, near, far, channel, fixture }) => {
    await far.publish({ channel, head: head(1), retention: KEEP, key: key('a') })
    for (const digest of ['digest', 'other']) {
      const { status } = await far.publish({ channel, head: head(9), retention: { size: 1, ttl: 1 }, key: key('a', digest) })
      t.not(status, 'published')
    }
    fixture.advance?.(10)
    await publish(far, freshChannel(), 1)
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [1])
  })

  await scenario(t, options, 'another payload under the same key is a conflict', async ({ t, near, far, channel }) => {
    await far.publish({ channel, head: head(1), retention: KEEP, key: key('a') })
    t.same(await near.publish({ channel, head: head(2), retention: KEEP, key: key('a', 'other') }), { status: 'conflict' })
    t.same(await near.lookup(channel, key('a', 'other')), { status: 'conflict' })
    t.match(await near.lookup(channel, key('a')), { status: 'duplicate' }, 'and leaves the first as it was')
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [1])
  })

  await scenario(t, options, 'keys of different ids and channels do not meet', async ({ t, near, far, channel }) => {
    for (const id of ['a', 'b', 'a:b', '', '__proto__', 'é', 'x'.repeat(300)]) {
      t.match(await far.publish({ channel, head: head(1), retention: KEEP, key: key(id) }), { status: 'published' }, id)
    }
    const other = freshChannel()
    t.equal(await near.lookup(other, key('a')), null)
    t.match(await far.publish({ channel: other, head: head(1), retention: KEEP, key: key('a') }), { status: 'published' })
  })

  await scenario(t, options, 'a hundred publications of one key in one turn are one entry', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel)
    const results = await Promise.all(range(1, 100).map(async number => stored(await (number % 2 === 0 ? near : far).publish({
      channel, head: head(1), retention: KEEP, key: key('a')
    }))))
    t.equal(results.filter(result => result.status === 'published').length, 1)
    t.equal(new Set(results.map(result => `${JSON.stringify(result.position)} ${result.timestamp}`)).size, 1)
    await publish(far, channel, 2)
    await followed.messages(2)
    t.same(followed.numbers(), [1, 2])
    t.equal((await read(near, channel, { since: 'start' })).head.offset, 2)
  })

  await scenario(t, options, 'a key is forgotten after its time, and can be used again', async ({ t, near, far, channel, ttl, passes, fixture }) => {
    const short = key('a', 'digest', ttl)
    fixture.advance?.(1)
    await far.publish({ channel, head: head(1), retention: KEEP, key: short })
    await far.publish({ channel, head: head(2), retention: KEEP, key: key('b') })
    if (fixture.advance !== undefined) {
      fixture.advance(ttl - 1)
      t.match(await near.lookup(channel, short), { status: 'duplicate' }, 'not before')
    }
    await passes(fixture.advance === undefined ? ttl : 1, async () => await near.lookup(channel, short) === null)
    const again = stored(await near.publish({ channel, head: head(3), retention: KEEP, key: key('a', 'other') }))
    t.equal(again.status, 'published')
    fixture.advance?.(1000)
    t.match(await near.lookup(channel, key('a', 'other')), { status: 'duplicate', position: again.position })
    t.match(await near.lookup(channel, key('b')), { status: 'duplicate' }, 'each by its own time')
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [1, 2, 3])
  })

  await scenario(t, options, 'a key outlives its entry', async ({ t, near, far, channel }) => {
    const retention = { size: 2, ttl: KEEP.ttl }
    const first = stored(await far.publish({ channel, head: head(1), retention, key: key('a') }))
    await publishMany(far, channel, 2, 5, retention)
    t.same(numbers((await read(near, channel, { since: 'start' })).entries), [4, 5])
    t.same(await near.lookup(channel, key('a')), { status: 'duplicate', position: first.position, timestamp: first.timestamp })
  })
}
