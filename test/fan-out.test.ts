import t from 'tap'
import fc from 'fast-check'
import { Channel } from '../lib/core/channel.js'
import type { ChannelView, Follower } from '../lib/core/channel.js'
import { FanOut, FanOutScheduler, MAX_QUEUED, SLICE } from '../lib/core/fan-out.js'
import { createFrame } from '../lib/core/frame.js'
import type { Frame } from '../lib/core/frame.js'
import type { Position } from '../lib/protocol/position.js'
import { createApp } from './helpers/app.js'
import { createFakeClock } from './helpers/clock.js'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A receiver that remembers what it got. */
class Listener {
  readonly got: number[] = []
}

/** Items of no weight: all that waits is one batch. */
const bounds = { bytes: () => 0, shorten: (items: number[]) => items }

function fanOut (scheduler: FanOutScheduler, size: number): { out: FanOut<Listener, number>, listeners: Listener[] } {
  const out = new FanOut<Listener, number>(scheduler, (listener, items) => { listener.got.push(...items) }, bounds)
  const listeners = Array.from({ length: size }, () => new Listener())
  for (const listener of listeners) out.receivers.add(listener)
  return { out, listeners }
}

function scheduler (errors: unknown[] = []): FanOutScheduler {
  return new FanOutScheduler((err) => errors.push(err))
}

await t.test('a small audience is served at once, a large one in slices', async (t) => {
  const small = fanOut(scheduler(), SLICE)
  small.out.push(1)
  t.ok(small.listeners.every(({ got }) => got.length === 1))

  const { out, listeners } = fanOut(scheduler(), SLICE * 3 + 1)
  const served = () => listeners.filter(({ got }) => got.length > 0).length
  out.push(1)
  t.equal(served(), 0, 'not in the turn of the publisher')
  const counts: number[] = []
  while (out.pending) {
    await turn()
    counts.push(served())
  }
  t.same(counts.slice(0, 4), [SLICE, SLICE * 2, SLICE * 3, SLICE * 3 + 1])
})

await t.test('first in, first out, whatever arrives in the middle of a pass', async (t) => {
  const { out, listeners } = fanOut(scheduler(), SLICE * 2 + 10)
  let n = 0
  for (; n < 5; n++) out.push(n)
  for (; n < 300; n++) {
    if (n % 7 === 0) await turn()
    out.push(n)
  }
  while (out.pending) await turn()
  const expected = Array.from({ length: 300 }, (_, i) => i)
  for (const { got } of listeners) t.same(got, expected)
})

await t.test('an audience that shrinks below a slice keeps the order', async (t) => {
  const { out, listeners } = fanOut(scheduler(), SLICE + 10)
  out.push(1)
  for (const listener of listeners.slice(10)) out.receivers.delete(listener)
  out.push(2)
  t.same(listeners[0]?.got, [], 'a second message does not overtake the first')
  while (out.pending) await turn()
  t.same(listeners.slice(0, 10).map(({ got }) => got), Array.from({ length: 10 }, () => [1, 2]))
})

await t.test('large rooms take turns, small ones do not wait', async (t) => {
  const shared = scheduler()
  const [one, two, small] = [fanOut(shared, SLICE * 4), fanOut(shared, SLICE * 4), fanOut(shared, 3)]
  const served = ({ listeners }: { listeners: Listener[] }) => listeners.filter(({ got }) => got.length > 0).length
  one.out.push(1)
  two.out.push(1)
  await turn()
  await turn()
  t.same([served(one), served(two)], [SLICE, SLICE])
  small.out.push(1)
  t.equal(served(small), 3)
  while (one.out.pending || two.out.pending) await turn()
  t.same([served(one), served(two)], [SLICE * 4, SLICE * 4])
})

await t.test('what a delivery pushes itself comes after the item that led to it', async (t) => {
  const shared = scheduler()
  const order: string[] = []
  const out: FanOut<string, number> = new FanOut(shared, (name, items) => {
    for (const item of items) {
      order.push(`${name}${item}`)
      if (name === 'a' && item === 1) out.push(2)
    }
  }, bounds)
  for (const name of ['a', 'b']) out.receivers.add(name)
  out.push(1)
  out.push(3)
  while (out.pending) await turn()
  t.same(order, ['a1', 'b1', 'a2', 'a3', 'b2', 'b3'])
})

await t.test('a delivery that throws stops nobody else', async (t) => {
  for (const size of [3, SLICE + 3]) {
    const errors: unknown[] = []
    const out = new FanOut<number, number>(scheduler(errors), (receiver, items) => {
      if (receiver === 1) throw new Error('broken')
      got.push(...items)
    }, bounds)
    const got: number[] = []
    for (let i = 0; i < size; i++) out.receivers.add(i)
    out.push(1)
    out.push(2)
    while (out.pending) await turn()
    t.equal(got.length, 2 * (size - 1))
    t.ok(errors.length >= 1)
  }
})

await t.test('a queue nobody listens to drains', async (t) => {
  const { out, listeners } = fanOut(scheduler(), SLICE + 1)
  for (let n = 0; n < 1000; n++) out.push(n)
  for (const listener of listeners) out.receivers.delete(listener)
  let turns = 0
  while (out.pending) {
    await turn()
    turns++
  }
  t.ok(turns < 20)
})

await t.test('a pass takes all that waits, up to its bytes, and serves fewer a turn the more that is', async (t) => {
  const passes: number[] = []
  const [first, last] = ['first', 'last']
  let turnItems = 0
  const out = new FanOut<string, number>(scheduler(), (name, items) => {
    turnItems += items.length
    if (name === first) passes.push(items.length)
  }, { bytes: () => 100, shorten: (items: number[]) => items })
  for (let n = 0; n < SLICE * 4; n++) out.receivers.add(n === 0 ? first : n === SLICE * 4 - 1 ? last : `${n}`)
  const most: number[] = []
  const drain = async (): Promise<void> => {
    while (out.pending) {
      turnItems = 0
      await turn()
      most.push(turnItems)
    }
  }
  for (let n = 0; n < 1000; n++) out.push(n)
  t.equal(out.queuedBytes, 100_000)
  await drain()
  t.same(passes, [1000])
  t.equal(out.queuedBytes, 0)
  t.ok(Math.max(...most) <= 128 * SLICE + 1000, `${Math.max(...most)} items in a turn`)
  for (let n = 0; n < 10_000; n++) out.push(n)
  await drain()
  t.same(passes.slice(1), [2621, 2621, 2621, 2137], '256 KiB each')
})

// --- followers that come and go ---

const VIEW: ChannelView = {
  message: (payload) => createFrame(payload),
  typing: (userId, typing) => createFrame(`typing ${userId} ${typing}`),
  reset: (reason) => createFrame(`reset ${reason}`)
}

class TestFollower implements Follower {
  readonly userId: string
  since = 0
  skip = 0
  ahead: Position | null = null
  live = true
  presence = false
  readonly got: string[] = []
  readonly #channel: Channel

  constructor (channel: Channel, userId: string) {
    this.#channel = channel
    this.userId = userId
  }

  send (frame: Frame): void {
    this.got.push(frame.payload.toString())
  }

  removed (): void {
    this.got.push('left')
    this.#channel.unfollow(this)
  }
}

interface Model {
  readonly follower: TestFollower
  /** Number of the first entry it is to get. */
  from: number
  /** Entries it got in earlier memberships. */
  before: number
  following: boolean
}

await t.test('who comes and goes in the middle of a pass gets every entry of its time once, in order', async (t) => {
  const step = fc.record({ op: fc.constantFrom('entry', 'entry', 'entry', 'turn', 'follow', 'unfollow', 'rejoin', 'flush', 'remove'), which: fc.nat(20) })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
    const channel = new Channel('r:room', VIEW, scheduler(), createFakeClock())
    const head = (): Position => ({ epoch: 'e', offset: entries, chain: String(entries) })
    let entries = 0
    // Those who never move make it a large audience.
    const still = Array.from({ length: SLICE + 50 }, (_, n) => new TestFollower(channel, `still-${n}`))
    const movers: Model[] = Array.from({ length: 8 }, (_, n) => ({ follower: new TestFollower(channel, `mover-${n}`), from: 0, before: 0, following: false }))
    const all = [...movers.slice(0, 4).map(({ follower }) => follower), ...still, ...movers.slice(4).map(({ follower }) => follower)]
    for (const follower of all) channel.follow(follower, null)
    for (const mover of movers) mover.following = true
    const problems: string[] = []
    const check = (mover: Model): void => {
      const mine = mover.follower.got.slice(mover.before)
      const wanted = mine.map((_, index) => String(mover.from + index + 1))
      if (mine.at(-1) === 'left') wanted[wanted.length - 1] = 'left'
      if (JSON.stringify(mine) !== JSON.stringify(wanted)) problems.push(`${mine.join()} instead of ${wanted.join()}`)
    }
    const end = (mover: Model): void => {
      check(mover)
      mover.following = false
    }
    const begin = (mover: Model): void => {
      mover.before = mover.follower.got.length
      mover.from = entries
      mover.following = true
      channel.follow(mover.follower, null)
    }
    for (const { op, which } of steps) {
      const mover = movers[which % movers.length]
      if (mover === undefined) continue
      if (mover.following && mover.follower.got.at(-1) === 'left' && mover.follower.got.length > mover.before) end(mover)
      if (op === 'entry') {
        entries++
        channel.receive({
          type: 'entry',
          entry: { kind: 'message', position: head(), payload: Buffer.from(String(entries)), timestamp: 0, receipt: false }
        })
      } else if (op === 'turn') {
        await turn()
      } else if (op === 'follow' && !mover.following) {
        begin(mover)
      } else if (op === 'unfollow' && mover.following) {
        channel.unfollow(mover.follower)
        end(mover)
      } else if (op === 'rejoin' && mover.following) {
        // As a join of a member does: what is on its way comes first, then an answer from where the channel is.
        channel.flushTo(mover.follower)
        if (mover.follower.got.at(-1) === 'left' && mover.follower.got.length > mover.before) {
          end(mover)
        } else {
          if (mover.follower.got.length - mover.before !== entries - mover.from) problems.push('flushed in part')
          end(mover)
          begin(mover)
        }
      } else if (op === 'flush' && mover.following) {
        channel.flushTo(mover.follower)
        check(mover)
      } else if (op === 'remove' && mover.following) {
        // A removal takes an offset of its own, but this model numbers messages only.
        channel.receive({ type: 'removal', entry: { kind: 'removal', position: head(), userId: mover.follower.userId } })
      }
    }
    for (let i = 0; i < 50; i++) await turn()
    for (const mover of movers) {
      check(mover)
      const left = mover.follower.got.length > mover.before && mover.follower.got.at(-1) === 'left'
      if (mover.following && !left && mover.follower.got.length - mover.before !== entries - mover.from) problems.push('something is missing')
    }
    for (const follower of still) if (follower.got.length !== entries) problems.push('one who stood still missed something')
    if (problems.length > 0) throw new Error(problems.join('\n'))
  }), { numRuns: 200 })
  t.pass()
})

await t.test('more than can be delivered: volatile goes first, then a gap is told, and no removal or member is forgotten', async (t) => {
  const errors: unknown[] = []
  const version = { n: 0 }
  const view: ChannelView = {
    ...VIEW,
    message: (payload, volatile) => createFrame(payload, volatile),
    onPresence: ({ member }) => createFrame(`${member.userId} is ${member.status}`)
  }
  const channel = new Channel('r:room', view, scheduler(errors), createFakeClock())
  const followers = Array.from({ length: SLICE + 10 }, (_, n) => new TestFollower(channel, `user-${n}`))
  const [ann, bob, cat] = followers
  if (ann === undefined || bob === undefined || cat === undefined) return
  for (const follower of followers) channel.follow(follower, null)
  for (const follower of [ann, bob, cat]) follower.presence = true
  cat.live = false
  let offset = 0
  const big = 'x'.repeat(10_000)
  const position = (): Position => ({ epoch: 'e', offset, chain: String(offset) })
  const entry = (text: string): void => {
    offset++
    channel.receive({ type: 'entry', entry: { kind: 'message', position: position(), payload: Buffer.from(text), timestamp: 0, receipt: false } })
  }
  const volatile = (text: string): void => channel.receive({ type: 'volatile', payload: Buffer.from(text) })
  const presence = (userId: string, status: string): void => {
    channel.receive({ type: 'presence', version: ++version.n, change: 'updated', member: { userId, status, devices: 1 }, timestamp: 0 })
  }
  const drain = async (): Promise<void> => { for (let i = 0; i < 20; i++) await turn() }

  entry('first')
  for (let n = 0; n < 1_000; n++) volatile(big)
  entry('second')
  t.ok(channel.queuedBytes <= MAX_QUEUED)
  await drain()
  t.same(ann.got.filter((text) => text !== big), ['first', 'second'], 'what is not volatile is there')
  t.ok(ann.got.length < 500)
  t.same(errors, [])

  for (const follower of followers) follower.got.length = 0
  presence('dan', 'online')
  for (let n = 0; n < 450; n++) {
    entry(big)
    if (n === 100) channel.receive({ type: 'removal', entry: { kind: 'removal', position: position(), userId: 'user-1' } })
    if (n === 200) presence('dan', 'away')
  }
  entry('after')
  t.ok(channel.queuedBytes <= MAX_QUEUED)
  t.ok(errors.length === 1, 'and the log says so')
  const missed = ann.got.length
  await drain()
  t.equal(missed, 0)
  t.same(ann.got.slice(0, 2), ['dan is away', 'reset trimmed'], 'how a member is, not how that came about')
  t.equal(ann.got.at(-1), 'after')
  t.ok(ann.got.slice(2, -1).every((text) => text === big))
  t.same(bob.got, ['left'], 'who was removed gets nothing behind that')
  t.same(cat.got, ['dan is away'], 'who reads the log page by page misses nothing there')

  for (const follower of followers) follower.got.length = 0
  for (let n = 0; n < 200_000; n++) presence(`user-${n % 100}`, `s${n}`)
  t.ok(channel.queuedBytes <= MAX_QUEUED)
  await drain()
  t.same(ann.got.slice(-100), Array.from({ length: 100 }, (_, n) => `user-${n} is s${199_900 + n}`))
  t.equal(errors.length, 1)
})

await t.test('a large room over real sockets: everybody gets everything, in order, and typing and removals fit in', async (t) => {
  const { app, connect } = await createApp(t, {
    limits: { messages: { max: 1000, timeWindow: '10s' }, messagesPerUser: { max: 100_000, timeWindow: '10s' }, connectionsPerUser: 1000, handshakes: { max: 10_000 } },
    rooms: { 'big:{id}': { join: () => true, publish: 'members', typing: true } }
  })
  const clients = await Promise.all(Array.from({ length: 300 }, (_, n) => connect(`user-${n}`)))
  await Promise.all(clients.map((client) => client.request({ type: 'join', roomId: 'big:1' })))
  const [first, second] = clients
  if (first === undefined || second === undefined) return
  for (let n = 0; n < 50; n++) {
    await app.realtime.notifyRoom('big:1', 'n', n)
    if (n === 25) await app.realtime.removeUser('user-1', 'big:1')
  }
  first.send({ type: 'typing', roomId: 'big:1', typing: true })
  for (const client of clients.slice(2)) await client.next('typing')
  for (const client of clients) {
    if (client === second) continue
    t.same(client.all('message').map(({ content }) => content), Array.from({ length: 50 }, (_, n) => n))
  }
  t.equal(first.all('typing').length, 0, 'not to who types')
  t.same(second.all('message').map(({ content }) => content), Array.from({ length: 26 }, (_, n) => n))
  t.same(second.frames.at(-1), { type: 'left', roomId: 'big:1', reason: 'removed' })
})
