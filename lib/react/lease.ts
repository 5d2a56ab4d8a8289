import type { Client, ClientOptions } from '../../types/client.js'
import { createClient } from '../client/index.js'

/** A client that runs at most as long as a component needs it. */
export interface Lease {
  readonly client: Client
  /**
   * Connects, unless the options leave that to the application. Returns what closes it, a turn later: StrictMode takes effects back
   * and runs them again at once.
   */
  take (): () => void
}

/** While it is not connected it is an object and nothing else, so that it may be made while rendering. */
export function createLease (options: ClientOptions): Lease {
  const client = createClient({ ...options, autoConnect: false })
  const always = options.autoConnect !== false
  /** The next one who takes it connects it. */
  let connects = always
  let closing: ReturnType<typeof setTimeout> | undefined
  return {
    client,
    take () {
      clearTimeout(closing)
      if (connects) {
        client.connect().catch((error: unknown) => {
          // Otherwise why it could not is in its status.
          if (client.status.state === 'idle') throw error
        })
      }
      connects = false
      return () => {
        closing = setTimeout(() => {
          // What was running when it was hidden runs again when it is shown, whoever began it.
          connects = always || isRunning(client)
          client.close()
        })
      }
    }
  }
}

/** It is connected, or going to be. */
export function isRunning ({ status }: Client): boolean {
  return status.state !== 'idle' && status.state !== 'closed'
}
