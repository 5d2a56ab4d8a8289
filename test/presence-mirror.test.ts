import fc from 'fast-check'
import t from 'tap'
import type { PresenceEvent, PresenceSnapshot } from '../lib/bridge/bridge.js'
import { answerBudget } from '../lib/core/catch-up.js'
import { PresenceMirror } from '../lib/core/presence.js'
import type { Announcement } from '../lib/core/presence.js'
import type { Member } from '../types/presence.js'
import { seeded } from './helpers/events.js'

const member = (userId: string, status = 'online', devices = 1, meta?: unknown): Member =>
  ({ userId, status, devices, ...(meta === undefined ? {} : { meta }) })

const event = (version: number, change: PresenceEvent['change'], who: Member): PresenceEvent =>
  ({ version, change, member: who, timestamp: version })

const everybody = (mirror: PresenceMirror): readonly Member[] => mirror.page(undefined, answerBudget(), 100_000).members

await t.test('events apply in order of their versions, and old ones are ignored', async (t) => {
  const mirror = new PresenceMirror()
  t.same(mirror.apply(event(1, 'joined', member('ann'))), { change: 'joined', member: member('ann') })
  t.equal(mirror.apply(event(1, 'joined', member('ann'))), null)
  t.same(mirror.apply(event(2, 'updated', member('ann', 'busy'))), { change: 'updated', member: member('ann', 'busy') })
  t.equal(mirror.apply(event(1, 'left', member('ann'))), null)
  t.same(everybody(mirror), [member('ann', 'busy')])
  t.ok(mirror.has('ann'))
  t.same(mirror.apply(event(3, 'left', member('ann', 'busy', 0))), { change: 'left', member: member('ann', 'busy', 0) })
  t.equal(mirror.count, 0)
  t.equal(mirror.apply(event(4, 'left', member('bob'))), null, 'who was not there has not left')
})

await t.test('a change of devices is kept and not announced', async (t) => {
  const mirror = new PresenceMirror()
  mirror.apply(event(1, 'joined', member('ann')))
  t.equal(mirror.apply(event(2, 'devices', member('ann', 'online', 2))), null)
  t.same(everybody(mirror), [member('ann', 'online', 2)])
  t.same(mirror.replace({ version: 3, members: [member('ann', 'online', 3)] }), [], 'nor when a snapshot brings it')
  t.same(everybody(mirror), [member('ann', 'online', 3)])
})

await t.test('a snapshot is told as its differences', async (t) => {
  const mirror = new PresenceMirror()
  t.same(mirror.replace({ version: 5, members: [member('bob'), member('ann')] }).map(({ change }) => change), ['joined', 'joined'])
  const differences = mirror.replace({ version: 9, members: [member('ann', 'busy'), member('carol', 'online', 1, { n: 1 })] })
  t.same(differences, [
    { change: 'updated', member: member('ann', 'busy') },
    { change: 'joined', member: member('carol', 'online', 1, { n: 1 }) },
    { change: 'left', member: member('bob') }
  ])
  t.same(mirror.replace({ version: 9, members: [member('ann', 'busy'), member('carol', 'online', 1, { n: 1 })] }), [], 'the same again')
  t.same(everybody(mirror).map(({ userId }) => userId), ['ann', 'carol'])
  t.same(mirror.replace({ version: 10, members: [member('carol', 'online', 1, { n: 2 })] }).map(({ change }) => change), ['updated', 'left'])
})

await t.test('a snapshot counts whatever its version: a store that lost its data begins again', async (t) => {
  const mirror = new PresenceMirror()
  mirror.replace({ version: 500, members: [member('ann'), member('bob')] })
  t.same(mirror.replace({ version: 2, members: [member('ann', 'busy')] }), [
    { change: 'updated', member: member('ann', 'busy') },
    { change: 'left', member: member('bob') }
  ])
  t.equal(mirror.apply(event(2, 'left', member('ann'))), null, 'what the snapshot holds is old')
  t.same(mirror.apply(event(3, 'joined', member('carol'))), { change: 'joined', member: member('carol') }, 'and what follows it is new')
  t.same(everybody(mirror).map(({ userId }) => userId), ['ann', 'carol'])
})

await t.test('a snapshot of a very large room is taken over in a moment', async (t) => {
  const mirror = new PresenceMirror()
  const members = Array.from({ length: 100_000 }, (_, n) => member(`user-${(n * 7_919) % 100_000}`))
  const start = performance.now()
  t.equal(mirror.replace({ version: 1, members }).length, 100_000)
  t.equal(mirror.replace({ version: 2, members: [] }).length, 100_000)
  const took = performance.now() - start
  // Quadratic work took seconds.
  t.ok(took < 1_000, `${Math.round(took)} ms`)
})

await t.test('pages are in order of user id and end at the bytes of the answer', async (t) => {
  const mirror = new PresenceMirror()
  const ids = ['b', 'a', 'é', 'aa', '😀', 'A', '__proto__', 'z']
  ids.forEach((id, index) => mirror.apply(event(index + 1, 'joined', member(id))))
  t.same(everybody(mirror).map(({ userId }) => userId), [...ids].sort())
  const page = mirror.page('a', answerBudget(), 2)
  t.same(page.members.map(({ userId }) => userId), ['aa', 'b'])
  t.equal(page.more, true)
  t.equal(page.count, ids.length)
  t.same(mirror.page('nobody', answerBudget(), 100).members.map(({ userId }) => userId), ['z', 'é', '😀'], 'after one who has left')
  const spent = { bytes: 0, memberBytes: 0 }
  t.strictSame(mirror.page(undefined, spent), { members: [], count: ids.length, more: true })
})

await t.test('property: whatever is put and removed, pages concatenate to all members in order', async (t) => {
  const ids = fc.stringMatching(/^[a-c]{1,3}$/)
  fc.assert(fc.property(fc.array(fc.tuple(ids, fc.boolean()), { maxLength: 200 }), fc.integer({ min: 1, max: 7 }), (steps, limit) => {
    const mirror = new PresenceMirror()
    const expected = new Set<string>()
    steps.forEach(([id, stays], index) => {
      mirror.apply(event(index + 1, stays ? 'joined' : 'left', member(id)))
      if (stays) expected.add(id)
      else expected.delete(id)
    })
    const seen: string[] = []
    for (let page = mirror.page(undefined, answerBudget(), limit); ; page = mirror.page(seen.at(-1), answerBudget(), limit)) {
      seen.push(...page.members.map(({ userId }) => userId))
      if (page.more !== true) break
    }
    return seen.join() === [...expected].sort().join() && mirror.count === expected.size
  }))
})

/** The store that a mirror follows: it knows everything, and tells it in events. */
class Store {
  readonly members = new Map<string, Member>()
  version = 0

  act (random: () => number): PresenceEvent {
    const userId = `user-${Math.floor(random() * 12)}`
    const known = this.members.get(userId)
    this.version++
    if (known === undefined) {
      const joined = member(userId)
      this.members.set(userId, joined)
      return event(this.version, 'joined', joined)
    }
    const kind = (['left', 'updated', 'devices'] as const)[Math.floor(random() * 3)] ?? 'left'
    if (kind === 'left') {
      this.members.delete(userId)
      return event(this.version, 'left', known)
    }
    const next = kind === 'updated'
      ? { ...known, status: `s${this.version}`, meta: Math.floor(random() * 3) }
      : { ...known, devices: 1 + Math.floor(random() * 4) }
    this.members.set(userId, next)
    return event(this.version, kind, next)
  }

  snapshot (): PresenceSnapshot {
    return { version: this.version, members: [...this.members.values()] }
  }
}

function play (members: Map<string, string>, { change, member: { userId, status, meta } }: Announcement): void {
  if (change === 'left') members.delete(userId)
  else members.set(userId, JSON.stringify([status, meta]))
}

await t.test('simulation: with losses, repetitions and swaps a reread makes the mirror and its followers right', async (t) => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = seeded(seed)
    const store = new Store()
    const mirror = new PresenceMirror()
    const client = new Map<string, string>()
    const onTheWay: PresenceEvent[] = []
    const arrive = (one: PresenceEvent | undefined): void => {
      const announced = one === undefined ? null : mirror.apply(one)
      if (announced !== null) play(client, announced)
    }
    const reread = (): void => {
      for (const announced of mirror.replace(store.snapshot())) play(client, announced)
    }
    for (let step = 0; step < 200; step++) {
      const change = store.act(random)
      if (random() < 0.85) onTheWay.push(change)
      if (random() < 0.1) onTheWay.push(change)
      // Out of order now and then: any of those that wait may come first.
      while (onTheWay.length > 0 && random() < 0.6) {
        arrive(onTheWay.splice(random() < 0.2 ? Math.floor(random() * onTheWay.length) : 0, 1)[0])
      }
      if (random() < 0.02) reread()
    }
    // What is read was written before; what still arrives after it is old news.
    reread()
    for (const one of onTheWay) arrive(one)

    const truth = [...store.members.values()].sort((a, b) => a.userId < b.userId ? -1 : 1)
    const told = [...client].sort(([a], [b]) => a < b ? -1 : 1)
    const right = JSON.stringify(everybody(mirror)) === JSON.stringify(truth) &&
      JSON.stringify(told) === JSON.stringify(truth.map(({ userId, status, meta }) => [userId, JSON.stringify([status, meta])]))
    if (!right) t.fail(`seed ${seed}: the mirror or its followers are wrong`)
  }
  t.pass('500 runs')
})
