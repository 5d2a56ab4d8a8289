import type { Test } from 'tap'
import type { ChannelEvent } from '../../../lib/bridge/bridge.js'
import { formatPosition } from '../../../lib/protocol/position.js'
import type { Position } from '../../../lib/protocol/position.js'
import { KEEP, faulty, follow, numberOf, numbers, publish, publishMany, range, read } from './fixture.js'
import type { ContractOptions } from './fixture.js'

/** What must hold when the store or a link fails. Only the faults that a bridge can have are tried. */
export async function faultContract (t: Test, options: ContractOptions): Promise<void> {
  await faulty(t, options, 'loseEntries', 'a log without its entries is trimmed, and goes on', async ({ t, near, far, channel }, lose) => {
    const positions = await publishMany(far, channel, 1, 5)
    await lose(channel)
    t.same(await gaps(near, channel, positions), ['trimmed', 'trimmed', 'trimmed', 'trimmed', undefined])
    await publish(far, channel, 6)
    t.same(await gaps(near, channel, positions), ['trimmed', 'trimmed', 'trimmed', 'trimmed', undefined])
  })

  for (const fault of ['loseHead', 'loseAll'] as const) {
    await faulty(t, options, fault, `a log that begins again is another log (${fault})`, async ({ t, near, far, channel }, lose) => {
      const start = (await read(near, channel, { last: 1 })).head
      const followed = await follow(near, channel)
      const positions = [start, ...await publishMany(far, channel, 1, 5)]
      await followed.messages(5)
      await lose(channel)
      await publishMany(far, channel, 6, 12)
      t.same(new Set(await gaps(near, channel, positions)), new Set(['expired']), 'whatever its offset')
      await followed.until(events => events.some(event => event.type === 'reset'))
      t.match(followed.events.find(event => event.type === 'reset'), { reason: 'expired' }, 'who follows is told')
      await publish(far, channel, 13)
      await followed.until(events => seen(events).includes(13))
      t.same(seen(followed.events), [...new Set(seen(followed.events))], 'and gets nothing twice')
    })
  }

  for (const resend of [false, true]) {
    const title = `a rolled back log is never taken for a continuation${resend ? ', though the lost message is sent again' : ''}`
    await faulty(t, options, 'snapshot', title, async ({ t, near, far, channel }, snapshot) => {
      const kept = await publishMany(far, channel, 1, 5)
      const restore = await snapshot()
      const followed = await follow(near, channel)
      const lost = await publishMany(far, channel, 6, 7)
      await followed.messages(2)
      await restore()
      t.same(await gaps(near, channel, lost), ['diverged', 'diverged'], 'behind the head')
      await publishMany(far, channel, resend ? 6 : 16, resend ? 6 : 16)
      await publishMany(far, channel, 17, 20)
      t.same(await gaps(near, channel, lost), ['diverged', 'diverged'], 'and when the offset is taken again')
      t.same(await gaps(near, channel, kept), kept.map(() => undefined), 'what lies before still continues')
      await followed.until(events => events.some(event => event.type === 'reset'))
      t.match(followed.events.find(event => event.type === 'reset'), { reason: 'diverged' })
    })
  }

  await faulty(t, options, 'cutLink', 'what a node missed while its link was down is repaired', async ({ t, near, far, channel }, cut) => {
    const followed = await follow(near, channel)
    await publishMany(far, channel, 1, 3)
    await followed.messages(3)
    const heal = await cut(near)
    await publishMany(far, channel, 4, 20)
    const { position } = await far.remove(channel, { userId: 'mallory', retention: KEEP })
    await heal()
    await publishMany(far, channel, 21, 23)
    await followed.until(events => seen(events).includes(23))
    t.same(seen(followed.events), range(1, 23), 'everything once and in order')
    const removed = followed.events.findIndex(event => event.type === 'removal')
    t.match(followed.events[removed], { entry: { userId: 'mallory', position } }, 'the removal too')
    t.same(seen(followed.events.slice(removed)), range(21, 23), 'in its place')
  })

  await faulty(t, options, 'cutLink', 'what can no longer be repaired is said', async ({ t, near, far, channel }, cut) => {
    const retention = { size: 3, ttl: KEEP.ttl }
    const followed = await follow(near, channel)
    await publish(far, channel, 1, retention)
    await followed.messages(1)
    const heal = await cut(near)
    const positions = await publishMany(far, channel, 2, 10, retention)
    await heal()
    await followed.until(events => events.some(event => event.type === 'reset'))
    t.match(followed.events[1], { type: 'reset', reason: 'trimmed', position: { epoch: positions[0]?.epoch } })
    await publish(far, channel, 11, retention)
    await followed.until(events => seen(events).includes(11))
    const reset = followed.events.find(event => event.type === 'reset')
    if (reset === undefined) return
    const { entries } = await read(near, channel, { since: formatPosition(reset.position) })
    t.same(seen(followed.events).slice(1), numbers(entries), 'the log goes on from there')
  })

  for (const fault of ['cutLink', 'cutStore'] as const) {
    await faulty(t, options, fault, `a removal that the log has lost by then is carried out all the same (${fault})`, async ({ t, near, far, channel }, cut) => {
      const retention = { size: 3, ttl: KEEP.ttl }
      await far.remove(channel, { userId: 'nobody', retention })
      const followed = await follow(near, channel)
      await far.remove(channel, { userId: 'oscar', retention })
      await followed.until(events => events.length === 1)
      const heal = await cut(near)
      const { position } = await far.remove(channel, { userId: 'mallory', retention })
      await publishMany(far, channel, 1, 5, retention)
      await heal()
      await followed.until(events => events.some(event => event.type === 'reset'))
      t.match(followed.events.slice(1), [{ type: 'removal', entry: { userId: 'mallory', position } }, { type: 'reset', reason: 'trimmed' }])
      t.equal(followed.events.length, 3, 'who was removed before that is not removed again')
    })
  }
}

async function gaps (
  bridge: Parameters<typeof read>[0], channel: Parameters<typeof read>[1], positions: readonly Position[]
): Promise<unknown[]> {
  return await Promise.all(positions.map(async position => (await read(bridge, channel, { since: formatPosition(position) })).gap))
}

function seen (events: readonly ChannelEvent[]): number[] {
  return events.flatMap(event => event.type === 'entry' ? [numberOf(event.entry.payload)] : [])
}
