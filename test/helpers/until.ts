import { setTimeout as wait } from 'node:timers/promises'

/** Asks until it holds, for what nobody tells of. While asking fails, it does not hold. */
export async function until (what: string, condition: () => Promise<boolean> | boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms
  let failure: unknown
  for (;;) {
    try {
      if (await condition()) return
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (performance.now() > end) throw new Error(`not in time: ${what}`, { cause: failure })
    await wait(10)
  }
}
