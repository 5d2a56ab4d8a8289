import type { AddressInfo } from 'node:net'
import { buildApp } from './app.js'

const app = await buildApp()
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })

const { port } = app.server.address() as AddressInfo
const url = `http://127.0.0.1:${port}`
console.log(`
  Chat on ${url}
  Open it in two windows and sign in under two names. Then let an ordinary HTTP route speak up:

  curl -X POST ${url}/orders -H 'content-type: application/json' -d '{"item":"Espresso","user":"ann"}'
`)

// Closing asks every client to come back later before it ends; a second signal ends at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    app.close().catch((err: unknown) => {
      app.log.error({ err }, 'could not close')
      process.exitCode = 1
    })
  })
}
