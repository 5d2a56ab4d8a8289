import type { Client, ClientOptions } from '../../types/client.js'
import { createClient } from '../client/index.js'

/** A client that is connected for as long as a component needs it. */
export interface Lease {
  readonly client: Client
  /** Connects. Returns what closes it, a turn later: StrictMode takes effects back and runs them again at once. */
  take (): () => void
}

/** While it is not connected it is an object and nothing else, so that it may be made while rendering. */
export function createLease (options: ClientOptions): Lease {
  const client = createClient({ ...options, autoConnect: false })
  let closing: ReturnType<typeof setTimeout> | undefined
  let open = false
  return {
    client,
    take () {
      clearTimeout(closing)
      if (!open) {
        client.connect().catch((error: unknown) => {
          // Otherwise why it could not is in its status.
          if (client.status.state === 'idle') throw error
        })
      }
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
