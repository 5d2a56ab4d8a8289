import { version } from 'react'
import { renderToString } from 'react-dom/server'
import { createClient } from 'fastify-realtime/client'
import type { SocketClass } from 'fastify-realtime/client'
import { App } from './ssr-app.js'

export { version }

/** Renders with a provider of either kind. */
export function render (kind: 'client' | 'options', WebSocket: SocketClass, fetch: () => never): string {
  // Relative, which means nothing on a server.
  const options = { url: '/realtime', WebSocket, fetch }
  const client = kind === 'client' ? createClient(options) : undefined
  return renderToString(<App client={client} options={options} onView={() => { throw new Error('an effect') }} />)
}
