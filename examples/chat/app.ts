import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import realtime from 'fastify-realtime'
import type { ApiOf } from 'fastify-realtime'
import { chat } from './chat.js'
import type { chatRooms, directMessages, sendDirectMessage } from './chat.js'
import { login } from './login.js'
import { orders } from './orders.js'
import type { orderNotices, orderRooms } from './orders.js'

// What the rooms, calls and direct messages of this application are. `notifyRoom` and `sendDirect` are checked against it.
type Api = ApiOf<{
  rooms: typeof chatRooms & typeof orderRooms
  calls: [typeof sendDirectMessage]
  direct: typeof directMessages & typeof orderNotices
}>

declare module 'fastify-realtime' {
  interface Register { api: Api }
}

const headers = {
  // The page needs nothing but its own files and its own server.
  'content-security-policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache'
}

export async function buildApp (): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'warn' } })
  app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })

  await app.register(realtime, {
    // Without a secret of its own each start makes a new one, and the page signs in again.
    auth: { secret: process.env.JWT_SECRET || randomBytes(32), algorithms: ['HS256'] },
    drain: { spread: '1s', deadline: '5s' }
  })
  await app.register(login)
  await app.register(chat)
  await app.register(orders)
  await app.register(fastifyStatic, { root: join(import.meta.dirname, 'public'), cacheControl: false })
  return app
}
