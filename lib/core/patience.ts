import type { FastifyBaseLogger } from 'fastify'
import { BridgeError } from '../bridge/bridge.js'
import type { Timers } from './timers.js'

/** How long callbacks of the application may take for one thing that somebody waits for, in ms. */
export const PATIENCE = 10_000

/**
 * Settles as `work` does, or rejects with `unavailable` once that takes longer than {@link PATIENCE}. The work itself cannot be
 * stopped: whoever starts it has to see to it that it changes nothing when it comes to after all.
 * @param what - for the log
 */
export async function patiently<Result> (
  timers: Timers, { log }: { readonly log: FastifyBaseLogger }, what: string, work: Promise<Result>
): Promise<Result> {
  let giveUp = (): void => {}
  const gaveUp = new Promise<never>((resolve, reject) => {
    giveUp = () => {
      log.warn(`realtime: ${what} took longer than ${PATIENCE} ms`)
      reject(new BridgeError('unavailable', `${what} took too long`))
    }
  })
  const expired = timers.after(PATIENCE, giveUp)
  try {
    return await Promise.race([work, gaveUp])
  } finally {
    timers.cancel(expired)
  }
}
