import { createContext, createElement, useContext, useEffect, useState } from 'react'
import type { ReactElement } from 'react'
import type { Client } from '../../types/client.js'
import type { RealtimeProviderProps } from '../../types/react.js'
import { createLease } from './lease.js'

const ClientContext = createContext<Client | undefined>(undefined)

/**
 * Gives the components below it a client. With `client`, one that the application made and closes; with `options`, one of its own
 * that connects when the provider is mounted (unless `autoConnect` is `false`: then the application calls `connect`) and closes when it
 * is unmounted, in any case. Nothing happens on a server. The nearest provider above a component counts.
 *
 * @example
 * ```tsx
 * <RealtimeProvider options={{ url: '/realtime' }}>
 *   <Chat />
 * </RealtimeProvider>
 * ```
 */
export function RealtimeProvider<Api> (props: RealtimeProviderProps<Api>): ReactElement
export function RealtimeProvider ({ client, options, children }: RealtimeProviderProps): ReactElement {
  const [own] = useState(() => options === undefined ? undefined : createLease(options))
  useEffect(() => client === undefined ? own?.take() : undefined, [client, own])
  const value = client ?? own?.client
  if (value === undefined) throw new TypeError('RealtimeProvider needs a client or options, from its first render on')
  return createElement(ClientContext.Provider, { value }, children)
}

/**
 * The client of the nearest `RealtimeProvider`, for what the other hooks do not do.
 *
 * @throws {Error} where there is no provider
 * @example
 * ```tsx
 * const client = useClient()
 * useEffect(() => client.on('broadcast', ({ content }) => announce(content)), [client])
 * ```
 */
export function useClient (): Client {
  const client = useContext(ClientContext)
  if (client === undefined) throw new Error('There is no RealtimeProvider above this component')
  return client
}
