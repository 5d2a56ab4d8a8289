import type { Client, ClientOptions } from '../../types/client.js'
import { createClient } from '../client/index.js'
import { ignore } from '../client/errors.js'

/** A client that is connected for as long as a component needs it. */
export interface Lease {
  readonly client: Client
  /**
   * Connects. Returns what closes it, a turn later: StrictMode takes effects back and runs them again at once.
   *
   * @throws {TypeError} where the address is relative, and there is no page that it could be relative to
   */
  take (): () => void
}

/** While it is not connected it is an object and nothing else, so that it may be made while rendering. */
export function createLease (options: ClientOptions): Lease {
  let client: Client
  let problem: unknown
  try {
    client = createClient({ ...options, autoConnect: false })
  } catch (error) {
    // Servers render pages too, where an address that is relative to the page means nothing, and nobody connects.
    problem = error
    client = createClient({ ...options, url: 'ws://0.0.0.0', autoConnect: false })
  }
  let closing: ReturnType<typeof setTimeout> | undefined
  let open = false
  return {
    client,
    take () {
      if (problem !== undefined) throw problem
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
