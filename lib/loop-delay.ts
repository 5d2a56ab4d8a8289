import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { EventLoopDelay } from '../types/realtime.js'

export interface LoopDelay {
  /** Since the last call. */
  read (): EventLoopDelay
  close (): void
}

const RESOLUTION = 20

/** How late the event loop is, in ms beyond the sampling interval. */
export function watchLoopDelay (): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  const ms = (nanoseconds: number): number => {
    // No sample yet: the histogram says NaN, or its largest value as the minimum.
    if (!Number.isFinite(nanoseconds)) return 0
    return Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION) * 100) / 100)
  }
  return {
    read () {
      const delay = { mean: ms(histogram.mean), p99: ms(histogram.percentile(99)), max: ms(histogram.max) }
      histogram.reset()
      return delay
    },
    close () {
      histogram.disable()
    }
  }
}
