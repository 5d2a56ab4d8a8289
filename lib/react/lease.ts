import type { Client } from '../../types/client.js'
import { ignore } from '../client/errors.js'

/** A client that is connected for as long as a component needs it. */
export interface Lease {
  readonly client: Client
  /** Connects. Returns what closes it, a turn later: StrictMode takes effects back and runs them again at once. */
  take (): () => void
}

export function createLease (client: Client): Lease {
  let closing: ReturnType<typeof setTimeout> | undefined
  let open = false
  return {
    client,
    take () {
      clearTimeout(closing)
      // Why it could not is in its status.
      if (!open) client.connect().catch(ignore)
      open = true
      return () => {
        closing = setTimeout(() => {
          open = false
          client.close()
        })
      }
    }
  }
}
