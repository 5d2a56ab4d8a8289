import type { Test } from 'tap'
import { INITIAL_STATUS } from '../../../lib/bridge/bridge.js'
import type { ChannelEvent, PresenceSnapshot } from '../../../lib/bridge/bridge.js'
import type { Member } from '../../../lib/protocol/frames.js'
import { follow, freshChannel, range, scenario } from './fixture.js'
import type { ContractOptions, Followed } from './fixture.js'

export async function presenceContract (t: Test, options: ContractOptions): Promise<void> {
  await scenario(t, options, 'several devices are one member', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    const { version = NaN, members } = followed.subscription.presence ?? {}
    t.same(members, [])
    await far.presenceAttach(channel, 'alice', 'c1')
    await near.presenceAttach(channel, 'alice', 'c2')
    await near.presenceAttach(channel, 'alice', 'c2')
    await far.presenceDetach(channel, 'alice', 'c1', 0)
    await far.presenceDetach(channel, 'alice', 'c1', 0)
    await far.presenceDetach(channel, 'alice', 'c3', 0)
    await far.presenceDetach(channel, 'nobody', 'c1', 0)
    await near.presenceDetach(channel, 'alice', 'c2', 0)
    await changes(followed, 4)
    const alice = { userId: 'alice', status: INITIAL_STATUS }
    t.match(followed.events, [
      { type: 'presence', version: version + 1, change: 'joined', member: { ...alice, devices: 1 } },
      { type: 'presence', version: version + 2, change: 'devices', member: { ...alice, devices: 2 } },
      { type: 'presence', version: version + 3, change: 'devices', member: { ...alice, devices: 1 } },
      { type: 'presence', version: version + 4, change: 'left', member: { ...alice, devices: 0 } }
    ])
    for (const event of followed.events) t.ok(event.type === 'presence' && event.timestamp > 1_600_000_000_000)
    t.same((await near.presenceRead(channel)).members, [])
  })

  await scenario(t, options, 'only who asked for presence gets it', async ({ t, near, far, channel }) => {
    const without = await follow(near, channel)
    t.equal(without.subscription.presence, undefined)
    await far.presenceAttach(channel, 'alice', 'c1')
    await far.typing(channel, 'alice', true)
    await without.until(events => events.length > 0)
    t.same(without.events.map(event => event.type), ['typing'])
    await without.subscription.unsubscribe()
    const { subscription } = await follow(near, channel, { presence: true })
    t.match(subscription.presence, { members: [{ userId: 'alice', devices: 1 }] })
    t.same((await near.presenceRead(freshChannel())).members, [])
  })

  await scenario(t, options, 'a member lingers: back in time is neither leave nor join', async ({ t, near, far, channel, ttl, fixture }) => {
    const linger = 10 * ttl
    const followed = await follow(near, channel, { presence: true })
    await far.presenceAttach(channel, 'alice', 'c1')
    await far.presenceUpdate(channel, 'alice', { status: 'busy', meta: { mood: 1 } })
    await far.presenceDetach(channel, 'alice', 'c1', linger)
    t.match(await far.presenceRead(channel), { members: [{ userId: 'alice', status: 'busy', meta: { mood: 1 }, devices: 0 }] })
    fixture.advance?.(linger - 1)
    await near.presenceAttach(channel, 'alice', 'c2')
    fixture.advance?.(10 * linger)
    await near.presenceUpdate(channel, 'alice', { status: 'away' })
    await changes(followed, 5)
    t.match(followed.events, [
      { change: 'joined' }, { change: 'updated' }, { change: 'devices', member: { devices: 0 } },
      { change: 'devices', member: { devices: 1 } }, { change: 'updated', member: { status: 'away', meta: { mood: 1 }, devices: 1 } }
    ])
  })

  await scenario(t, options, 'who does not come back leaves once, with the last state', async ({ t, near, far, channel, ttl, fixture, passes }) => {
    const followed = await follow(near, channel, { presence: true })
    await far.presenceAttach(channel, 'alice', 'c1')
    await far.presenceAttach(channel, 'alice', 'c2')
    await far.presenceUpdate(channel, 'alice', { meta: 'last' })
    await far.presenceDetach(channel, 'alice', 'c1', ttl)
    await far.presenceDetach(channel, 'alice', 'c2', ttl)
    if (fixture.advance !== undefined) {
      fixture.advance(ttl - 1)
      t.same((await near.presenceRead(channel)).members.length, 1, 'not early')
    }
    await passes(ttl, async () => (await near.presenceRead(channel)).members.length === 0)
    await near.presenceAttach(channel, 'alice', 'c3')
    await changes(followed, 7)
    t.same(followed.events.map(event => event.type === 'presence' && event.change), [
      'joined', 'devices', 'updated', 'devices', 'devices', 'left', 'joined'
    ])
    t.match(followed.events[5], { member: { userId: 'alice', meta: 'last', devices: 0 } })
    t.match(followed.events[6], { member: { status: INITIAL_STATUS, meta: undefined, devices: 1 } }, 'and starts anew')
  })

  await scenario(t, options, 'the time to linger counts from the last connection', async ({ t, near, channel, ttl, fixture }) => {
    if (fixture.advance === undefined) return
    const gone = async (): Promise<boolean> => (await near.presenceRead(channel)).members.length === 0
    await near.presenceAttach(channel, 'alice', 'c1')
    await near.presenceDetach(channel, 'alice', 'c1', ttl)
    fixture.advance(ttl / 2)
    await near.presenceAttach(channel, 'alice', 'c2')
    await near.presenceDetach(channel, 'alice', 'c2', ttl)
    fixture.advance(ttl - 1)
    t.notOk(await gone(), 'the first grace is void')
    fixture.advance(1001)
    t.ok(await gone())
    await near.presenceAttach(channel, 'bob', 'c1')
    await near.presenceAttach(channel, 'bob', 'c2')
    await near.presenceDetach(channel, 'bob', 'c1', ttl)
    await near.presenceDetach(channel, 'bob', 'c2', 0)
    t.ok(await gone(), 'the last connection left for good')
  })

  await scenario(t, options, 'status and meta belong to the member; the last writer wins', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    t.equal(await far.presenceUpdate(channel, 'alice', { status: 'busy' }), false, 'not a member')
    await far.presenceAttach(channel, 'alice', 'c1')
    const state = async (): Promise<Member | undefined> => (await near.presenceRead(channel)).members[0]
    t.equal(await far.presenceUpdate(channel, 'alice', { status: 'busy' }), true)
    t.same(await state(), { userId: 'alice', status: 'busy', devices: 1 })
    await near.presenceUpdate(channel, 'alice', { meta: { typing: ['é', null, 0] } })
    t.same(await state(), { userId: 'alice', status: 'busy', meta: { typing: ['é', null, 0] }, devices: 1 })
    await far.presenceUpdate(channel, 'alice', { status: 'away', meta: false })
    t.same(await state(), { userId: 'alice', status: 'away', meta: false, devices: 1 })
    await near.presenceUpdate(channel, 'alice', { meta: null })
    const cleared = await state()
    t.same(cleared, { userId: 'alice', status: 'away', devices: 1 })
    t.notOk(cleared !== undefined && 'meta' in cleared, 'null clears')
    await changes(followed, 5)
    t.same(followed.events.map(event => event.type === 'presence' && event.change), ['joined', 'updated', 'updated', 'updated', 'updated'])
  })

  await scenario(t, options, 'a snapshot and the events after it make the state', async ({ t, near, far, channel }) => {
    await far.presenceAttach(channel, 'early', 'c0')
    const joins = range(1, 20).map(number => far.presenceAttach(channel, `user-${number % 7}`, `c${number}`))
    const following = follow(near, channel, { presence: true })
    const more = range(1, 20).map(async number => {
      const node = number % 2 === 0 ? near : far
      if (number % 3 === 0) await node.presenceDetach(channel, `user-${number % 7}`, `c${number}`, 0)
      else if (number % 3 === 1) await node.presenceUpdate(channel, `user-${number % 7}`, { status: `s${number}`, meta: number })
      else await node.presenceAttach(channel, `user-${number % 7}`, `d${number}`)
    })
    const followed = await following
    await Promise.all([...joins, ...more])
    const snapshot = await near.presenceRead(channel)
    const reached = (): boolean => replay(followed).version === snapshot.version
    await followed.until(reached)
    t.same(byUser(replay(followed)), byUser(snapshot))
    let { version = NaN } = followed.subscription.presence ?? {}
    for (const event of followed.events) {
      if (event.type !== 'presence') continue
      t.equal(event.version, ++version)
    }
  })

  await scenario(t, options, 'versions never go back, even when everybody has left', async ({ t, near, far, channel }) => {
    let last = -1
    for (const user of ['alice', 'bob', 'carol']) {
      const followed = await follow(near, channel, { presence: true })
      t.ok((followed.subscription.presence?.version ?? -1) >= last)
      await far.presenceAttach(channel, user, 'c1')
      await far.presenceDetach(channel, user, 'c1', 0)
      await changes(followed, 2)
      last = (await near.presenceRead(channel)).version
      await followed.subscription.unsubscribe()
    }
  })

  await scenario(t, options, 'the versions of one room do not depend on another', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    const { version = NaN } = followed.subscription.presence ?? {}
    const enterAndLeave = async (room: typeof channel): Promise<void> => {
      await far.presenceAttach(room, 'alice', 'c1')
      await far.presenceDetach(room, 'alice', 'c1', 0)
    }
    await enterAndLeave(channel)
    const other = freshChannel()
    for (let count = 0; count < 5; count++) await enterAndLeave(other)
    await enterAndLeave(channel)
    await changes(followed, 4)
    t.same(followed.events.map(event => event.type === 'presence' && event.version - version), [1, 2, 3, 4])
  })
}

function changes (followed: Followed, count: number): Promise<void> {
  return followed.until(events => events.filter(event => event.type === 'presence').length >= count)
}

/** What a mirror makes of a snapshot and the events after it. */
function replay (followed: Followed): PresenceSnapshot {
  const { version, members } = followed.subscription.presence ?? { version: NaN, members: [] }
  return followed.events.reduce(apply, { version, members })
}

function apply (mirror: PresenceSnapshot, event: ChannelEvent): PresenceSnapshot {
  if (event.type !== 'presence') return mirror
  const others = mirror.members.filter(member => member.userId !== event.member.userId)
  return { version: event.version, members: event.change === 'left' ? others : [...others, event.member] }
}

function byUser ({ members }: PresenceSnapshot): Member[] {
  return members.toSorted((a, b) => a.userId < b.userId ? -1 : 1)
}
