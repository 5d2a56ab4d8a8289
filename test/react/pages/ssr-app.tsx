// What is rendered on the server and taken over in the browser.
import { useEffect } from 'react'
import type { Client, ClientOptions } from 'fastify-realtime/client'
import { RealtimeProvider, useCall, useConnection, useDirect, usePresence, useRoom, useWebSocket } from 'fastify-realtime/react'

function Everything ({ options: { url, ...options }, onView }: { options: ClientOptions, onView: (view: object) => void }) {
  const { state } = useConnection()
  const { messages, status } = useRoom('chat:1')
  const { members } = usePresence('chat:1')
  const { messages: direct } = useDirect()
  const { pending } = useCall('twice')
  const { connected } = useWebSocket(url, options)
  useEffect(() => onView({ state, status, messages, members, connected }))
  return <p>{`${state} ${status} ${messages.length} ${members.length} ${direct.length} ${pending} ${connected}`}</p>
}

export function App ({ client, options, onView }: { client?: Client, options: ClientOptions, onView: (view: object) => void }) {
  return (
    <RealtimeProvider {...(client === undefined ? { options } : { client })}>
      <Everything options={options} onView={onView} />
    </RealtimeProvider>
  )
}
