import { useCallback, useSyncExternalStore } from 'react'
import type { Status } from '../../types/client.js'
import { useClient } from './provider.js'

/** Of a client on a server. */
const IDLE: Status = { state: 'idle', attempt: 0 }

/**
 * What the client is doing: connecting, connected, waiting for the next attempt (`retryAt`), closed and why. Rerenders on every change.
 *
 * @example
 * ```tsx
 * const { state, retryAt } = useConnection()
 * if (state === 'waiting') return <Countdown to={retryAt} />
 * ```
 */
export function useConnection (): Status {
  const client = useClient()
  const subscribe = useCallback((listener: () => void) => client.on('status', listener), [client])
  return useSyncExternalStore(subscribe, () => client.status, () => IDLE)
}
