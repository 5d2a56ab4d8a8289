import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

/** What people may call themselves. */
export const UserName = Type.String({ maxLength: 24, pattern: '^[\\p{L}\\p{N}]([\\p{L}\\p{N} ._-]*[\\p{L}\\p{N}])?$' })

/** Signs in whoever asks, under any name: a demo. What matters here is that the token says who it is. */
export const login: FastifyPluginAsyncTypebox = async (app) => {
  const expiresIn = process.env.TOKEN_TTL || '15m'

  app.post('/login', {
    config: { rateLimit: { max: 60, timeWindow: '1 minute' } },
    schema: {
      body: Type.Object({ name: UserName }),
      response: { 200: Type.Object({ userId: Type.String(), token: Type.String() }) }
    }
  }, async ({ body }) => ({ userId: body.name, token: app.jwt.sign({ sub: body.name }, { expiresIn }) }))
}
