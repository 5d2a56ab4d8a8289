import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { EventLoopDelay } from '../types/realtime.js'
import type { Clock } from './clock.js'

export interface LoopDelay {
  /** Of the last 10 to 20 s; where nobody read for longer, of the time since. */
  read (): EventLoopDelay
  close (): void
}

/** Sampling interval, in ms. */
const RESOLUTION = 20

/** The shortest time a reading covers once so much has passed, in ms. */
const WINDOW = 10_000

/** How late the event loop is, in ms beyond the sampling interval. */
export function watchLoopDelay (clock: Pick<Clock, 'now'>): LoopDelay {
  // Two that overlap: the one that is read is never younger than the window, so that readers do not blank each other's view.
  let shown = startHistogram()
  let next = startHistogram()
  let nextSince = clock.now()
  return {
    read () {
      const now = clock.now()
      if (now - nextSince >= WINDOW) {
        shown.reset();
        [shown, next] = [next, shown]
        nextSince = now
      }
      return { mean: ms(shown.mean), p99: ms(shown.percentile(99)), max: ms(shown.max) }
    },
    close () {
      shown.disable()
      next.disable()
    }
  }
}

function startHistogram () {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  return histogram
}

function ms (nanoseconds: number): number {
  // No sample yet: the histogram says NaN, or its largest value as the minimum.
  if (!Number.isFinite(nanoseconds)) return 0
  return Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION) * 100) / 100)
}
