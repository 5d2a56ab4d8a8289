import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import realtime from 'fastify-realtime'
import type { Api } from './api.js'
import { chat } from './chat.js'
import { login } from './login.js'
import { orders } from './orders.js'
import { page } from './page.js'

declare module 'fastify-realtime' {
  // From here on `notifyRoom` and `sendDirect` are checked against it, as the page is.
  interface Register { api: Api }
}

export async function buildApp (): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: process.env.LOG_LEVEL ?? 'warn' } })
  await app.register(realtime, {
    // Without a secret of its own each start makes a new one, and the page signs in again.
    auth: { secret: process.env.JWT_SECRET || randomBytes(32), algorithms: ['HS256'] },
    drain: { spread: '1s', deadline: '5s' }
  })
  await app.register(login)
  await app.register(chat)
  await app.register(orders)
  await app.register(page)
  return app
}
