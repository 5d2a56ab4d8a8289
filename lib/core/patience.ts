import { BridgeError } from '../bridge/bridge.js'
import type { Timers } from './timers.js'

/** How long callbacks of the application may take for one thing that somebody waits for, in ms. */
export const PATIENCE = 10_000

/**
 * Settles as `work` does, or rejects with `unavailable` once that takes longer than {@link PATIENCE}. The work itself cannot be
 * stopped: whoever starts it has to see to it that it changes nothing when it comes to after all.
 */
export async function patiently<Result> (timers: Timers, work: Promise<Result>): Promise<Result> {
  let giveUp = (): void => {}
  const gaveUp = new Promise<never>((resolve, reject) => {
    giveUp = () => reject(new BridgeError('unavailable', `it took longer than ${PATIENCE} ms`))
  })
  const expired = timers.after(PATIENCE, giveUp)
  try {
    return await Promise.race([work, gaveUp])
  } finally {
    timers.cancel(expired)
  }
}
