import type { BackoffOptions } from '../../types/client.js'

/** The longest wait a server may ask for, in ms: an hour. Timers take what is beyond 31 bits for zero. */
const MAX_WAIT = 3_600_000

/** How long to wait before the next attempt. */
export interface Backoff {
  /** Waits so far; whoever succeeds sets it to 0. */
  count: number
  /** Adds a wait on top of what the server asked for; in ms. */
  next (after?: number): number
}

/**
 * Full jitter above a floor, twice as much each time. On top of the server's own wish, so that those whom it asked for the same do
 * not come together.
 */
export function createBackoff (random: () => number, { min = 500, max = 20_000 }: BackoffOptions = {}): Backoff {
  const floor = clamp(min, 10)
  const ceiling = clamp(max, floor)
  return {
    count: 0,
    next (after = 0) {
      const most = Math.min(ceiling, floor * 2 ** ++this.count)
      return clamp(after, 0) + floor + random() * (most - floor)
    }
  }
}

/** A wait within bounds; what is no number is too little too. */
export function clamp (ms: number, least: number): number {
  return ms > least ? Math.min(ms, MAX_WAIT) : least
}
