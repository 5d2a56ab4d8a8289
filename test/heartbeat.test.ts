import t from 'tap'

import { Heartbeat, type Peer } from '../lib/core/heartbeat.js'
import { Timers } from '../lib/core/timers.js'

import { createFakeClock, type FakeClock } from './helpers/clock.js'

const INTERVAL = 25_000
const TIMEOUT = 20_000
/** Shared timers may be one resolution late, and an expiry is confirmed in the tick after. */
const LATE = 150

class TestPeer implements Peer {
  readonly beats: number[] = []
  readonly #clock: FakeClock
  readonly #answers: boolean
  alive: number
  expiredAt = -1

  constructor (clock: FakeClock, answers: boolean) {
    this.#clock = clock
    this.#answers = answers
    this.alive = clock.now()
  }

  beat (): void {
    this.beats.push(this.#clock.now())
    if (!this.#answers) return
    const due = this.#clock.now() + 30
    const heard = (): void => { this.alive = this.#clock.now() }
    this.#clock.timeout(() => {
      if (this.#clock.now() === due) heard()
      else this.#clock.timeout(heard, 1)
    }, 30)
  }

  expire (): void {
    if (this.expiredAt !== -1) throw new Error('expired twice')
    this.expiredAt = this.#clock.now()
  }
}

function fixture (interval = INTERVAL, timeout = TIMEOUT) {
  const clock = createFakeClock()
  const timers = new Timers(clock)
  const heartbeat = new Heartbeat({ timers, clock, interval, timeout })
  return { clock, heartbeat }
}

await t.test('beats come every interval, the first in its second half', async t => {
  const { clock, heartbeat } = fixture()
  const peers = Array.from({ length: 200 }, () => new TestPeer(clock, true))
  for (const peer of peers) heartbeat.add(peer)
  t.equal(clock.armed, 1)
  clock.advance(10 * INTERVAL)
  const first = peers.map(({ beats }) => Number(beats[0]))
  t.ok(Math.min(...first) >= INTERVAL / 2)
  t.ok(Math.max(...first) <= INTERVAL + LATE)
  t.ok(new Set(first).size > 100, 'a crowd spreads out')
  for (const { beats, expiredAt } of peers) {
    t.equal(expiredAt, -1)
    for (let index = 1; index < beats.length; index++) {
      const pause = Number(beats[index]) - Number(beats[index - 1])
      if (pause < INTERVAL || pause > INTERVAL + LATE) t.fail(`${pause} ms between two beats`)
    }
  }
})

await t.test('a peer that was never heard of again goes after interval + timeout', async t => {
  const { clock, heartbeat } = fixture()
  const peer = new TestPeer(clock, false)
  heartbeat.add(peer)
  clock.advance(INTERVAL + TIMEOUT - 1)
  t.equal(peer.expiredAt, -1)
  clock.advance(LATE)
  t.not(peer.expiredAt, -1)
  const beats = peer.beats.length
  clock.advance(10 * INTERVAL)
  t.equal(peer.beats.length, beats)
  t.equal(clock.armed, 0)
})

await t.test('whenever it falls silent, it is gone within two beats', async t => {
  for (let last = 0; last <= 2 * INTERVAL; last += 700) {
    const { clock, heartbeat } = fixture()
    const peer = new TestPeer(clock, false)
    heartbeat.add(peer)
    // Whatever it sends is life, asked for or not.
    clock.advance(last / 2)
    peer.alive = clock.now()
    clock.advance(last - last / 2)
    peer.alive = clock.now()
    clock.advance(INTERVAL + TIMEOUT - 1)
    t.equal(peer.expiredAt, -1)
    clock.advance(LATE + 1)
    t.ok(peer.expiredAt >= last + INTERVAL + TIMEOUT)
  }
})

await t.test('traffic keeps a peer alive that answers no beat', async t => {
  const { clock, heartbeat } = fixture()
  const peer = new TestPeer(clock, false)
  heartbeat.add(peer)
  for (let times = 0; times < 20; times++) {
    clock.advance(INTERVAL)
    peer.alive = clock.now()
  }
  t.equal(peer.expiredAt, -1)
})

await t.test('a removed peer is left alone', async t => {
  const { clock, heartbeat } = fixture()
  const peer = new TestPeer(clock, false)
  const handle = heartbeat.add(peer)
  heartbeat.remove(handle)
  heartbeat.remove(handle)
  clock.advance(10 * INTERVAL)
  t.same(peer.beats, [])
  t.equal(peer.expiredAt, -1)
  t.equal(clock.armed, 0)
})

await t.test('a peer may be removed by its own beat', async t => {
  const { clock, heartbeat } = fixture()
  const peer = new TestPeer(clock, false)
  const handle = heartbeat.add({
    get alive () { return peer.alive },
    beat () {
      peer.beat()
      heartbeat.remove(handle)
    },
    expire: () => peer.expire()
  })
  clock.advance(10 * INTERVAL)
  t.equal(peer.beats.length, 1)
  t.equal(peer.expiredAt, -1)
})

await t.test('a beat that throws is not the last', async t => {
  const clock = createFakeClock()
  const errors: unknown[] = []
  const timers = new Timers(clock, 50, error => errors.push(error))
  const heartbeat = new Heartbeat({ timers, clock, interval: INTERVAL, timeout: TIMEOUT })
  const peer = new TestPeer(clock, false)
  heartbeat.add({
    get alive () { return peer.alive },
    beat () { throw new Error('oops') },
    expire: () => peer.expire()
  })
  clock.advance(2 * INTERVAL)
  t.match(errors, [{ message: 'oops' }])
  t.not(peer.expiredAt, -1)
})

// A stalled process hears nobody. What has arrived meanwhile waits in the kernel and is read only after the overdue timers
// have run, which is why peers are heard here 1 ms after the stall at the earliest.
for (const [interval, timeout] of [[INTERVAL, TIMEOUT], [25_000, 1000], [1000, 20_000], [1000, 500], [100, 50]] as const) {
  for (const stall of [150, 500, 2000, 5000, 60_000]) {
    await t.test(`a stall of ${stall} ms kills nobody, with beats every ${interval} ms and ${timeout} ms to answer`, async t => {
      for (let start = 0; start < 40; start++) {
        const { clock, heartbeat } = fixture(interval, timeout)
        const peers = Array.from({ length: 50 }, () => new TestPeer(clock, true))
        for (const peer of peers) heartbeat.add(peer)
        clock.advance(interval * (2 + start / 40))
        clock.stall(stall)
        clock.advance(3 * (interval + timeout) + LATE)
        t.same(peers.filter(({ expiredAt }) => expiredAt !== -1), [])
      }
    })
  }
}

await t.test('after a stall the dead still go, one beat later', async t => {
  const { clock, heartbeat } = fixture()
  const dead = Array.from({ length: 50 }, () => new TestPeer(clock, false))
  for (const peer of dead) heartbeat.add(peer)
  clock.stall(INTERVAL + TIMEOUT + 10_000)
  t.ok(dead.every(({ expiredAt, beats }) => expiredAt === -1 && beats.length === 1))
  clock.advance(TIMEOUT + LATE)
  t.ok(dead.every(({ expiredAt }) => expiredAt !== -1))
})
