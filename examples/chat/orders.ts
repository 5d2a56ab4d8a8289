import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { defineRooms } from 'fastify-realtime'
import { Type } from 'typebox'
import { UserName } from './login.js'

const NewOrder = Type.Object({
  item: Type.String({ maxLength: 80, pattern: '\\S' }),
  user: Type.Optional(UserName)
})
const Order = Type.Object({ id: Type.String(), ...NewOrder.properties })

/** A feed: everybody may watch, only the server writes. */
export const orderRooms = defineRooms({
  'orders:live': {
    join: () => true,
    events: { placed: Order },
    history: { size: 50, ttl: '24h' }
  }
})

/** What arrives in inboxes. */
export const orderNotices = { 'order-placed': Order }

/** An ordinary route of an ordinary API. Two lines of it make it live. */
export const orders: FastifyPluginAsyncTypebox = async (app) => {
  app.realtime.room(orderRooms)

  app.post('/orders', {
    config: { rateLimit: { max: 60, timeWindow: '1 minute' } },
    schema: { body: NewOrder, response: { 201: Order } }
  }, async ({ body }, reply) => {
    const order = { id: randomUUID().slice(0, 8), ...body }
    await app.realtime.notifyRoom('orders:live', 'placed', order)
    if (order.user) await app.realtime.sendDirect(order.user, 'order-placed', order)
    return reply.code(201).send(order)
  })
}
