import type { Clock } from '../../lib/core/clock.js'

export interface FakeClock extends Clock {
  /** Lets time pass: whatever comes due runs, in order, each at its own time. Promises are not waited for. */
  advance (ms: number): void
  /** Somebody sets the machine's clock: `wall` changes, `now` and timers do not. */
  setWall (epochMs: number): void
  /** Timeouts that have neither run nor been cancelled. */
  readonly pending: number
}

interface Timer {
  readonly due: number
  readonly fn: () => void
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'

/** A clock that stands still until told otherwise; the same seed gives the same ids and random numbers. */
export function createFakeClock ({ seed = 1, wall = 1_800_000_000_000 } = {}): FakeClock {
  const random = mulberry32(seed)
  const timers = new Set<Timer>()
  let now = 0
  let offset = wall

  function next (until: number): Timer | null {
    let first: Timer | null = null
    for (const timer of timers) {
      if (timer.due <= until && (first === null || timer.due < first.due)) first = timer
    }
    return first
  }

  return {
    now: () => now,
    wall: () => offset + now,
    random,
    id () {
      let id = ''
      for (let i = 0; i < 16; i++) id += ALPHABET[Math.floor(random() * ALPHABET.length)]
      return id
    },
    timeout (fn, ms) {
      // As in Node.js, where a delay beyond 31 bits, or none that makes sense, is a delay of 1 ms.
      const timer = { due: now + (ms >= 1 && ms < 2 ** 31 ? ms : 1), fn }
      timers.add(timer)
      return () => { timers.delete(timer) }
    },
    advance (ms) {
      const end = now + ms
      for (let timer = next(end); timer !== null; timer = next(end)) {
        timers.delete(timer)
        now = Math.max(now, timer.due)
        timer.fn()
      }
      now = end
    },
    setWall (epochMs) {
      offset = epochMs - now
    },
    get pending () {
      return timers.size
    }
  }
}

/** Small, fast and good enough for schedules: the point is that it can be repeated. */
function mulberry32 (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
