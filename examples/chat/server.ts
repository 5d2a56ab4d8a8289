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

// Closing asks every client to come back later, and takes a few seconds at most. On Ctrl-C the same signal comes more than once: from
// the terminal, and from npm and tsx, which hand it on.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    app.close().catch((err: unknown) => {
      app.log.error({ err }, 'could not close')
      process.exitCode = 1
    })
  })
}
