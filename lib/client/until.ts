import { CHANGE } from './core.js'
import type { Core } from './core.js'
import { RealtimeError } from './errors.js'

/** Settles as soon as `verdict` knows: true to resolve, an error to reject; or when the client is closed, which rejects. */
export function until (core: Core, verdict: () => Error | boolean | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      const known = verdict() || (core.ended && new RealtimeError('closed'))
      if (!known) return
      off()
      if (known === true) resolve()
      else reject(known)
    }
    const off = core.on(CHANGE, check)
    check()
  })
}
