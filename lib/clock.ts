import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'

/** Time and randomness of the core, injected so that a seeded simulation can replay a schedule. */
export interface Clock {
  /** Milliseconds of a clock that never jumps; all intervals are measured with it. */
  now (): number
  /** Epoch milliseconds, for timestamps and for the expiry of credentials only. */
  wall (): number
  /** Runs `fn` once after `ms`; must not keep the process alive. Returns what cancels it. */
  timeout (fn: () => void, ms: number): () => void
  /** A number in [0, 1). */
  random (): number
  /** An unguessable id of 16 characters from `0-9a-z`. */
  id (): string
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  timeout (fn, ms) {
    const timer = setTimeout(fn, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  random: Math.random,
  id: () => randomBytes(10).readBigUInt64BE(0).toString(36).padStart(16, '0').slice(-16)
}
