import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

export const SECRET = 'a-secret-of-at-least-thirty-two-bytes'

/** Listens on a free port, which it returns; the app is closed with the test. */
export async function listen (t: Test, app: FastifyInstance): Promise<number> {
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}

/** A token that holds for the test, unless the claims say otherwise. */
export function sign (app: FastifyInstance, claims: { readonly sub?: unknown, readonly [claim: string]: unknown }): string {
  return app.jwt.sign({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
}
