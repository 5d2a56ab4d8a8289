import type { Clock } from '../../lib/clock.js'

interface Timeout {
  readonly at: number
  readonly fn: () => void
}

export interface FakeClock extends Clock {
  /** Moves time forward and runs what falls due, in order, each at its own time. */
  advance (ms: number): void
  /** Moves time forward and runs what fell due only at the end of it, as in a process that stalled. */
  stall (ms: number): void
  /** Somebody sets the machine's clock: `wall` changes, `now` and timeouts do not. */
  setWall (epochMs: number): void
  /** Timeouts armed at the moment. */
  readonly armed: number
}

/** A clock that stands still until told; its random numbers follow from the seed. */
export function createFakeClock ({ seed = 1 }: { seed?: number } = {}): FakeClock {
  let now = 0
  let state = seed >>> 0
  let ids = 0
  let epoch = 1_700_000_000_000
  const timeouts = new Set<Timeout>()

  /** mulberry32 */
  function random (): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  function earliest (until: number): Timeout | undefined {
    let first: Timeout | undefined
    for (const timeout of timeouts) {
      if (timeout.at <= until && (first === undefined || timeout.at < first.at)) first = timeout
    }
    return first
  }

  function run (until: number): void {
    for (let timeout = earliest(until); timeout !== undefined; timeout = earliest(until)) {
      timeouts.delete(timeout)
      now = Math.max(now, timeout.at)
      timeout.fn()
    }
  }

  return {
    now: () => now,
    wall: () => epoch + now,
    timeout (fn, ms) {
      // As setTimeout does, so that a loop of zero waits still gets somewhere, and one beyond 31 bits shows its trap.
      const timeout = { at: now + (ms >= 1 && ms < 2 ** 31 ? ms : 1), fn }
      timeouts.add(timeout)
      return () => { timeouts.delete(timeout) }
    },
    random,
    id: () => (++ids).toString(36).padStart(16, '0'),
    advance (ms) {
      const until = now + ms
      run(until)
      now = until
    },
    stall (ms) {
      now += ms
      run(now)
    },
    setWall (epochMs) {
      epoch = epochMs - now
    },
    get armed () {
      return timeouts.size
    }
  }
}
