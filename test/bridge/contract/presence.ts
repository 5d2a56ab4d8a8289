import type { Test } from 'tap'
import { INITIAL_STATUS } from '../../../lib/bridge/bridge.js'
import type { Bridge, ChannelEvent, ChannelName, PresenceSnapshot } from '../../../lib/bridge/bridge.js'
import type { Member } from '../../../types/presence.js'
import { faulty, follow, freshChannel, range, scenario } from './fixture.js'
import type { ContractOptions, Followed } from './fixture.js'

export async function presenceContract (t: Test, options: ContractOptions): Promise<void> {
  await scenario(t, options, 'several devices are one member', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    const { version = NaN, members } = followed.subscription.presence ?? {}
    t.same(members, [])
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
    await near.presenceAttach(channel, 'alice', 'c2', Infinity)
    await near.presenceAttach(channel, 'alice', 'c2', Infinity)
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

  await scenario(t, options, 'who is attached has been told of it', async ({ t, near, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    for (const number of range(1, 20)) {
      t.equal(await near.presenceAttach(channel, `user-${number}`, 'c1', Infinity), true)
      const last = followed.events.at(-1)
      t.match(last, { type: 'presence', change: 'joined', member: { userId: `user-${number}` } }, 'before the call resolved')
    }
  })

  await scenario(t, options, 'a limit is one of all nodes', async ({ t, near, far, channel, ttl }) => {
    const followed = await follow(near, channel, { presence: true })
    const asked = range(1, 20).map(number => (number % 2 === 0 ? near : far).presenceAttach(channel, `user-${number}`, 'c', 3))
    t.equal((await Promise.all(asked)).filter(Boolean).length, 3, 'however many ask at once')
    const [first, second] = (await near.presenceRead(channel)).members.map(({ userId }) => userId)
    if (first === undefined || second === undefined) throw new Error('nobody is in')
    t.equal(await near.presenceAttach(channel, 'late', 'c', 3), false)
    t.equal(await far.presenceAttach(channel, first, 'c2', 3), true, 'another device of a member takes no place')
    t.equal(await far.presenceAttach(channel, first, 'c2', 1), true, 'whatever the limit is by now')
    await far.presenceDetach(channel, 'late', 'c', 0)
    await near.presenceDetach(channel, second, 'c', 100 * ttl)
    t.equal(await near.presenceAttach(channel, 'late', 'c', 3), false, 'who lingers keeps the place')
    t.equal(await far.presenceAttach(channel, second, 'c2', 3), true, 'and comes back to it')
    await near.presenceDetach(channel, second, 'c2', 0)
    t.equal(await far.presenceAttach(channel, 'late', 'c', 3), true, 'a place that is free again')
    t.equal(await far.presenceAttach(channel, 'later', 'c', Infinity), true)
    t.equal(await far.presenceAttach(freshChannel(), 'nobody', 'c', 0), false)
    await followed.until(() => replay(followed).members.length === 4)
    t.same(followed.events.filter(event => event.type === 'presence' && event.change === 'joined').length, 5, 'a refusal is announced to nobody')
  })

  await scenario(t, options, 'who leaves while still on the way in is out', async ({ t, near, far, channel }) => {
    const calls = range(1, 10).flatMap(number => [
      far.presenceAttach(channel, 'alice', `c${number}`, Infinity),
      far.presenceDetach(channel, 'alice', `c${number}`, 0)
    ])
    await Promise.all(calls)
    t.same((await near.presenceRead(channel)).members, [])
    const connections = range(1, 10).flatMap<Promise<unknown>>(number => [
      far.userConnect('alice', `c${number}`, Infinity),
      far.userDisconnect('alice', `c${number}`)
    ])
    await Promise.all(connections)
    t.same(await near.userConnect('alice', 'last', 1), [])
  })

  await scenario(t, options, 'only who asked for presence gets it', async ({ t, near, far, channel }) => {
    const without = await follow(near, channel)
    t.equal(without.subscription.presence, undefined)
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
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
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
    await far.presenceUpdate(channel, 'alice', { status: 'busy', meta: { mood: 1 } })
    await far.presenceDetach(channel, 'alice', 'c1', linger)
    t.match(await far.presenceRead(channel), { members: [{ userId: 'alice', status: 'busy', meta: { mood: 1 }, devices: 0 }] })
    fixture.advance?.(linger - 1)
    await near.presenceAttach(channel, 'alice', 'c2', Infinity)
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
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
    await far.presenceAttach(channel, 'alice', 'c2', Infinity)
    await far.presenceUpdate(channel, 'alice', { meta: 'last' })
    await far.presenceDetach(channel, 'alice', 'c1', ttl)
    await far.presenceDetach(channel, 'alice', 'c2', ttl)
    if (fixture.advance !== undefined) {
      fixture.advance(ttl - 1)
      t.same((await near.presenceRead(channel)).members.length, 1, 'not early')
    }
    await passes(ttl, async () => (await near.presenceRead(channel)).members.length === 0)
    await near.presenceAttach(channel, 'alice', 'c3', Infinity)
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
    await near.presenceAttach(channel, 'alice', 'c1', Infinity)
    await near.presenceDetach(channel, 'alice', 'c1', ttl)
    fixture.advance(ttl / 2)
    await near.presenceAttach(channel, 'alice', 'c2', Infinity)
    await near.presenceDetach(channel, 'alice', 'c2', ttl)
    fixture.advance(ttl - 1)
    t.notOk(await gone(), 'the first grace is void')
    fixture.advance(1001)
    t.ok(await gone())
    await near.presenceAttach(channel, 'bob', 'c1', Infinity)
    await near.presenceAttach(channel, 'bob', 'c2', Infinity)
    await near.presenceDetach(channel, 'bob', 'c1', ttl)
    await near.presenceDetach(channel, 'bob', 'c2', 0)
    t.ok(await gone(), 'the last connection left for good')
  })

  await scenario(t, options, 'status and meta belong to the member; the last writer wins', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    t.equal(await far.presenceUpdate(channel, 'alice', { status: 'busy' }), false, 'not a member')
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
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

  await scenario(t, options, 'a status that changes nothing is not announced and takes no version', async ({ t, near, far, channel }) => {
    const followed = await follow(near, channel, { presence: true })
    await far.presenceAttach(channel, 'alice', 'c1', Infinity)
    await far.presenceUpdate(channel, 'alice', { status: 'busy', meta: { n: [1] } })
    const { version } = await near.presenceRead(channel)
    const same = [{}, { status: 'busy' }, { meta: { n: [1] } }, { status: 'busy', meta: { n: [1] } }]
    for (const update of same) t.equal(await far.presenceUpdate(channel, 'alice', update), true, 'a member all the same')
    t.equal((await near.presenceRead(channel)).version, version)
    await far.presenceUpdate(channel, 'alice', { meta: null })
    await far.presenceUpdate(channel, 'alice', { meta: null })
    await far.presenceUpdate(channel, 'alice', { status: 'away' })
    await changes(followed, 4)
    t.same((await near.presenceRead(channel)).version, version + 2)
    t.match(followed.events.map(event => event.type === 'presence' && event.member), [{ devices: 1 }, { meta: { n: [1] } }, { status: 'busy' }, { status: 'away' }])
  })

  await scenario(t, options, 'a snapshot and the events after it make the state', async ({ t, near, far, channel }) => {
    await far.presenceAttach(channel, 'early', 'c0', Infinity)
    const joins = range(1, 20).map(number => far.presenceAttach(channel, `user-${number % 7}`, `c${number}`, Infinity))
    const following = follow(near, channel, { presence: true })
    const more = range(1, 20).map(async number => {
      const node = number % 2 === 0 ? near : far
      if (number % 3 === 0) await node.presenceDetach(channel, `user-${number % 7}`, `c${number}`, 0)
      else if (number % 3 === 1) await node.presenceUpdate(channel, `user-${number % 7}`, { status: `s${number}`, meta: number })
      else await node.presenceAttach(channel, `user-${number % 7}`, `d${number}`, Infinity)
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
      await far.presenceAttach(channel, user, 'c1', Infinity)
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
      await far.presenceAttach(room, 'alice', 'c1', Infinity)
      await far.presenceDetach(room, 'alice', 'c1', 0)
    }
    await enterAndLeave(channel)
    const other = freshChannel()
    for (let count = 0; count < 5; count++) await enterAndLeave(other)
    await enterAndLeave(channel)
    await changes(followed, 4)
    t.same(followed.events.map(event => event.type === 'presence' && event.version - version), [1, 2, 3, 4])
  })

  await faulty(t, options, 'loseAll', 'a store that lost everything is given back who is there, and followers take over what it says', async ({ t, near, far, channel, passes }, lose) => {
    const followed = await follow(near, channel, { presence: true })
    for (const number of range(1, 10)) await far.presenceAttach(channel, 'alice', `c${number}`, 1)
    await near.presenceAttach(channel, 'bob', 'c1', Infinity)
    await changes(followed, 11)
    await lose()
    await far.presenceAttach(channel, 'carol', 'c1', Infinity)
    await passes(60_000, async () => (await far.presenceRead(channel)).members.length === 3)
    await converged(followed, far, channel)
    await far.presenceUpdate(channel, 'alice', { status: 'busy' })
    await followed.until(() => byUser(replay(followed))[0]?.status === 'busy')
    t.same(byUser(replay(followed)).map(({ userId, devices }) => [userId, devices]), [['alice', 10], ['bob', 1], ['carol', 1]])
  })

  await faulty(t, options, 'cutStore', 'who leaves while the store cannot be told has left when it is back', async ({ t, near, far, channel }, cut) => {
    await near.presenceAttach(channel, 'alice', 'c1', Infinity)
    await near.presenceAttach(channel, 'bob', 'c1', Infinity)
    await near.userConnect('alice', 'c1', Infinity)
    const heal = await cut(near)
    await t.rejects(near.presenceAttach(channel, 'carol', 'c1', Infinity), { name: 'BridgeError' })
    const told = Promise.all([
      near.presenceDetach(channel, 'alice', 'c1', 0),
      near.presenceDetach(channel, 'carol', 'c1', 0),
      near.userDisconnect('alice', 'c1')
    ])
    await heal()
    await told
    t.same((await far.presenceRead(channel)).members.map(({ userId }) => userId), ['bob'])
    t.same(await far.userConnect('alice', 'c2', 1), [])
  })
}

/** Resolves when what a follower knows is what the store holds. */
async function converged (followed: Followed, node: Bridge, channel: ChannelName): Promise<void> {
  const { version, members } = await node.presenceRead(channel)
  await followed.until(() => {
    const known = replay(followed)
    return known.version === version && JSON.stringify(byUser(known)) === JSON.stringify(byUser({ version, members }))
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
  if (event.type === 'presence-snapshot') return event.snapshot
  if (event.type !== 'presence') return mirror
  const others = mirror.members.filter(member => member.userId !== event.member.userId)
  return { version: event.version, members: event.change === 'left' ? others : [...others, event.member] }
}

function byUser ({ members }: PresenceSnapshot): Member[] {
  return members.toSorted((a, b) => a.userId < b.userId ? -1 : 1)
}
