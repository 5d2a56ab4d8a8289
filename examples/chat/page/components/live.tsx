import type { ReactNode } from 'react'
import type { ClientState } from 'fastify-realtime/client'
import { useConnection } from '../realtime.js'

const WORDS: Readonly<Record<ClientState, string>> = {
  idle: 'Offline', connecting: 'Connecting', connected: 'Live', waiting: 'Offline', closed: 'Stopped'
}

/** The state of the connection at a glance; the banner says more. */
export function Live (): ReactNode {
  const { state } = useConnection()
  return <span className='live' data-state={state}>{WORDS[state]}</span>
}
