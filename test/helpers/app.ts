import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import realtime from '../../lib/index.js'
import type { RealtimeOptions } from '../../lib/index.js'
import { connectTo } from './client.js'
import type { ConnectOptions, TestClient } from './client.js'
import { listen, SECRET, sign } from './server.js'

export interface TestAppOptions extends RealtimeOptions {
  readonly fastify?: FastifyServerOptions
  /** Runs before the plugin is registered. */
  readonly before?: (app: FastifyInstance) => unknown
  /** Runs after the plugin is registered and before the server listens. */
  readonly after?: (app: FastifyInstance) => unknown
}

export interface TestApp {
  readonly app: FastifyInstance
  readonly url: string
  readonly wsUrl: string
  token (userId: string, claims?: object): string
  /** A connection of a user, behind its welcome. */
  connect (userId: string, options?: ConnectOptions): Promise<TestClient>
}

/** A listening app with the plugin; closed with the test. Drains in no time unless told otherwise. */
export async function createApp (t: Test, options: TestAppOptions = {}): Promise<TestApp> {
  const { fastify, before, after, ...given } = options
  const app: FastifyInstance = Fastify({ logger: false, forceCloseConnections: true, ...fastify })
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(realtime, {
    auth: { secret: SECRET },
    drain: { spread: 0, deadline: '2s' },
    ...given
  })
  await after?.(app)
  const port = await listen(t, app)
  const url = `http://127.0.0.1:${port}`
  const path = `${given.prefix ?? ''}${given.path ?? '/realtime'}`
  const token = (userId: string, claims: object = {}): string => sign(app, { sub: userId, ...claims })
  const wsUrl = `ws://127.0.0.1:${port}${path}`
  return {
    app,
    url,
    wsUrl,
    token,
    async connect (userId, connectOptions) {
      const client = await connectTo(t, wsUrl, { token: token(userId), ...connectOptions })
      await client.next('welcome')
      return client
    }
  }
}
