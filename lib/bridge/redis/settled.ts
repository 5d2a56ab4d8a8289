import type { Clock } from '../../clock.js'

/** Resolves when all of them are settled, or the time, in ms, is over. */
export async function settled (promises: ReadonlyArray<Promise<unknown>>, clock: Clock, ms: number): Promise<void> {
  let cancel = (): void => {}
  const late = new Promise<void>((resolve) => { cancel = clock.timeout(resolve, ms) })
  await Promise.race([Promise.allSettled(promises), late])
  cancel()
}
