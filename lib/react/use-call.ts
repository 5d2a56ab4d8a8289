import { useCallback, useMemo, useRef, useState } from 'react'
import type { Client, RequestOptions } from '../../types/client.js'
import type { CallView } from '../../types/react.js'
import { useClient } from './provider.js'

/** What became of the last call, and of which: it is shown as long as the component asks the same client by the same name. */
interface Call {
  readonly client?: Client
  readonly name?: string
  readonly pending: boolean
  readonly data: unknown
  readonly error: unknown
}

const NOTHING: Call = { pending: false, data: undefined, error: undefined }

/**
 * Asks a handler of the server, and keeps what became of the last call. A component that goes does not abort a call: the server would
 * go on all the same, and whoever awaits it gets the answer; give a `signal` to give up early.
 *
 * @example
 * ```tsx
 * const { call, pending, data, error } = useCall('order.quote')
 * return <button disabled={pending} onClick={() => call({ sku })}>{data?.price ?? 'Ask'}</button>
 * ```
 */
export function useCall (name: string): CallView<unknown, unknown> {
  const client = useClient()
  const [last, setLast] = useState(NOTHING)
  const count = useRef(0)
  const call = useCallback((content?: unknown, options?: RequestOptions) => {
    const mine = ++count.current
    // Also while the component is hidden, or gone: then nobody sees it.
    const settle = (outcome: Partial<Call>): void => {
      if (mine === count.current) setLast((before) => ({ ...before, pending: false, ...outcome }))
    }
    setLast((before) => ({ client, name, pending: true, data: before.client === client && before.name === name ? before.data : undefined, error: undefined }))
    const answer = client.call(name, content, options)
    // It is told as `error` as well, so nobody has to wait for it.
    answer.then((data) => settle({ data }), (error: unknown) => settle({ error }))
    return answer
  }, [client, name])
  const reset = useCallback(() => {
    count.current++
    setLast(NOTHING)
  }, [])
  const { pending, data, error } = last.client === client && last.name === name ? last : NOTHING
  return useMemo(() => ({ pending, data, error, call, reset }), [pending, data, error, call, reset])
}
