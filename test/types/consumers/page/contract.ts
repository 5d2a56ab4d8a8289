// What both sides agree on, in a file that a page may load: schemas, and no server. The server gives the same schemas to its policies.
import { Type } from '@sinclair/typebox'
import type { ApiOf } from 'fastify-realtime/api'

export const chatEvents = {
  message: Type.Object({ text: Type.String() }),
  edit: Type.Object({ n: Type.Integer(), note: Type.Optional(Type.String()) })
}

export const rooms = { 'chat:{id}': { events: chatEvents } }
export const direct = { shipped: Type.Object({ order: Type.String() }) }

export type Api = ApiOf<{ rooms: typeof rooms, direct: typeof direct }> & {
  calls: { 'orders.get': { content: { id: string }, response: { total: number, placed: Date } } }
}
