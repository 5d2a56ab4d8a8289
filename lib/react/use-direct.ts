import { useEffect, useMemo, useRef, useState } from 'react'
import type { DirectMessage, Gap } from '../../types/client.js'
import type { DirectView, UseDirectOptions } from '../../types/react.js'
import { check } from './check.js'
import { useClient } from './provider.js'

const NONE: readonly never[] = []

/**
 * Direct messages to this user, since the component was mounted.
 *
 * Where the sender asked for receipts, one is given when `onMessage`, and the promise it may return, and every other handler of direct
 * messages went well.
 *
 * @throws {RangeError} when `limit` is out of its bounds
 * @example
 * ```tsx
 * const { messages } = useDirect({ onMessage: async (message) => { await store(message) } })
 * return <Notifications items={messages} />
 * ```
 */
export function useDirect ({ onMessage, limit = 100 }: UseDirectOptions<DirectMessage> = {}): DirectView<DirectMessage> {
  check('limit', limit, 0, 10_000)
  const client = useClient()
  const [messages, setMessages] = useState<readonly DirectMessage[]>(NONE)
  const [gap, setGap] = useState<Gap>()
  const latest = useRef({ onMessage, limit })
  useEffect(() => { latest.current = { onMessage, limit } })
  useEffect(() => {
    const offs = [
      client.on('direct', (message) => {
        const { onMessage, limit } = latest.current
        if (limit > 0) setMessages((before) => [...before, message].slice(-limit))
        // Returned so that the receipt waits for it.
        return onMessage?.(message)
      }),
      client.on('reset', setGap)
    ]
    return () => {
      for (const off of offs) off()
      // Another client may be another user's.
      setMessages(NONE)
      setGap(undefined)
    }
  }, [client])
  return useMemo(() => ({ messages, gap }), [messages, gap])
}
