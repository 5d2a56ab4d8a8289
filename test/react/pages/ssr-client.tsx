import { StrictMode, version } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { createClient } from 'fastify-realtime/client'
import { App } from './ssr-app.js'

const { wsUrl, token, kind }: { wsUrl: string, token: string, kind: string } = JSON.parse(decodeURIComponent(location.hash.slice(1)))

const hydrated: { version: string, view: object, errors: string[] } = { version, view: {}, errors: [] }
Reflect.set(window, 'hydrated', hydrated)

const options = { url: wsUrl, getToken: () => token }
hydrateRoot(
  document.getElementById('root')!,
  <StrictMode>
    <App client={kind === 'client' ? createClient(options) : undefined} options={options} onView={(view) => { hydrated.view = view }} />
  </StrictMode>,
  { onRecoverableError: (error) => hydrated.errors.push(String(error)) }
)
