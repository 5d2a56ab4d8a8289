import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import type { ClientMessage } from '../../types/client.js'
import type { UseWebSocketOptions, WebSocketView } from '../../types/react.js'
import { check } from './check.js'
import { createLease, isRunning } from './lease.js'
import type { Lease } from './lease.js'

const NONE: readonly never[] = []

/**
 * The classic: a connection of its own for as long as the component is there, the messages of all rooms it joins by sending to them,
 * and a function to send. Needs no provider. For more than one component, use `RealtimeProvider` and the other hooks.
 *
 * @param url - the server's WebSocket route; another one is another connection
 * @throws {RangeError} when `limit` is out of its bounds
 * @example
 * ```tsx
 * const { connected, messages, send } = useWebSocket('/realtime')
 * return <button disabled={!connected} onClick={() => send('chat:42', { text: 'hi' })}>{messages.length}</button>
 * ```
 */
export function useWebSocket (url: string, options: UseWebSocketOptions = {}): WebSocketView {
  const { limit = 100, ...others } = options
  check('limit', limit, 1, 10_000)
  const [clientOptions] = useState(others)
  const [held, hold] = useState(() => leaseOf(url, clientOptions))
  const current = held.url === url ? held : leaseOf(url, clientOptions)
  if (current !== held) hold(current)
  const { lease } = current
  const { client } = lease
  const subscribe = useCallback((listener: () => void) => client.on('status', listener), [client])
  const connected = useSyncExternalStore(subscribe, () => client.status.state === 'connected', () => false)
  const [messages, setMessages] = useState<readonly ClientMessage[]>(NONE)
  const bound = useRef(limit)
  useEffect(() => { bound.current = limit })
  useEffect(() => {
    // Not when effects are taken back: where they run again at once, the connection goes on and has missed nothing.
    if (!isRunning(client)) setMessages(NONE)
    const off = client.onMessage((message) => setMessages((before) => [...before, message].slice(-bound.current)))
    const release = lease.take()
    return () => {
      off()
      release()
    }
  }, [client, lease])
  const send = useCallback((roomId: string, content?: unknown) => client.send(roomId, content), [client])
  return useMemo(() => ({ connected, messages, send }), [connected, messages, send])
}

function leaseOf (url: string, options: UseWebSocketOptions): { readonly url: string, readonly lease: Lease } {
  return { url, lease: createLease({ ...options, url, autoConnect: true }) }
}
