import { CHANGE } from './core.js'
import type { Core } from './core.js'

/** Settles as soon as `verdict` knows: true to resolve, an error to reject. */
export function until ({ on }: Core, verdict: () => Error | boolean | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const known = verdict()
      if (!known) return
      off()
      if (known === true) resolve()
      else reject(known)
    }
    const off = on(CHANGE, check)
    check()
  })
}
