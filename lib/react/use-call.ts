import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { RequestOptions } from '../../types/client.js'
import type { CallView } from '../../types/react.js'
import { useClient } from './provider.js'

interface Call {
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
  const [state, setState] = useState(NOTHING)
  const last = useRef(0)
  useEffect(() => () => {
    // Answers to another name, or of another client, and those that nobody is there for.
    last.current++
    setState(NOTHING)
  }, [client, name])
  const call = useCallback(async (content: unknown, options?: RequestOptions) => {
    const mine = ++last.current
    const settle = (change: Partial<Call>): void => {
      if (mine === last.current) setState((before) => ({ ...before, pending: false, ...change }))
    }
    setState((before) => ({ ...before, pending: true, error: undefined }))
    try {
      const data = await client.call(name, content, options)
      settle({ data })
      return data
    } catch (error) {
      settle({ error })
      throw error
    }
  }, [client, name])
  const reset = useCallback(() => {
    last.current++
    setState(NOTHING)
  }, [])
  return useMemo(() => ({ ...state, call, reset }), [state, call, reset])
}
