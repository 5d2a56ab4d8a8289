import { setTimeout as wait } from 'node:timers/promises'

/** Asks until it holds, for what nobody tells of. While asking fails, it does not hold. Resolves with how long that took, in ms. */
export async function until (what: string, condition: () => Promise<boolean> | boolean, ms = 20_000): Promise<number> {
  const began = performance.now()
  let failure: unknown
  for (;;) {
    try {
      if (await condition()) return performance.now() - began
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (performance.now() - began > ms) throw new Error(`not in time: ${what}`, { cause: failure })
    await wait(10)
  }
}
