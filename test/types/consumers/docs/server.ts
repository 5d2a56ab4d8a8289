// The server that the documents speak of.
import { Type } from '@sinclair/typebox'
import { defineCall, defineRooms } from 'fastify-realtime'
import { z } from 'zod'

export const rooms = defineRooms({
  'chat:{id}': {
    join: () => true,
    events: { message: Type.Object({ text: Type.String() }), edit: z.object({ n: z.number(), at: z.date() }) }
  },
  'user:{id}': { join: () => true, events: { 'user-update': Type.Object({ name: Type.String() }) } }
})
export const getOrder = defineCall('orders.get', {
  schema: { content: Type.Object({ id: Type.String() }), response: Type.Object({ total: Type.Number() }) }
}, () => ({ total: 1 }))
