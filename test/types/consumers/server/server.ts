// A package that publishes its declarations. Nothing here is annotated: the compiler has to name every type by itself, and may only
// do so through the package root.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import realtime, { defineCall, defineRooms } from 'fastify-realtime'
import type { ApiOf } from 'fastify-realtime'
import { z } from 'zod'

export const rooms = defineRooms({
  'chat:{id}': {
    join: ({ user, params }) => user.name === params.id,
    publish: (ctx, message) => message.event === 'message',
    events: { message: Type.Object({ text: Type.String() }), edit: z.object({ n: z.number(), at: z.date() }) },
    onMessage: async (ctx, message) => { await ctx.server.realtime.notifyRoom('user:1', 'hello', { text: String(message.content) }) }
  },
  'user:{id}': { events: { hello: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } } },
  'tally:{id}': { events: { counted: z.object({ votes: z.map(z.string(), z.number()), undone: z.undefined(), note: z.string().optional() }) } }
})

export const getOrder = defineCall('orders.get', {
  schema: { content: Type.Object({ id: Type.String() }), response: z.object({ total: z.number(), placed: z.date() }) }
}, (ctx, { id }) => ({ total: id.length, placed: new Date() }))
export const calls = { getOrder, ping: defineCall('ping', {}, async () => ({ pong: true })) }

export const directEvents = { shipped: z.object({ order: z.string(), at: z.date() }) }
export const broadcastEvents = { maintenance: Type.Object({ minutes: Type.Number() }) }

export type Api = ApiOf<{ rooms: typeof rooms, calls: typeof calls, direct: typeof directEvents, broadcast: typeof broadcastEvents }>
export interface User { id: string, name: string }

declare module 'fastify-realtime' {
  interface Register { api: Api, user: User }
}

export async function createApp () {
  const app = Fastify()
  await app.register(realtime, { rooms, auth: { secret: 'secret', user: (payload) => ({ id: String(payload.sub), name: 'x' }) } })
  app.realtime.handle(getOrder)
  return app
}

declare const app: Awaited<ReturnType<typeof createApp>>

export const chat = rooms['chat:{id}']
export const policyOf = () => ({ join: chat.join, onMessage: chat.onMessage, publish: chat.publish })
export const notify = (id: string) => app.realtime.notifyRoom(`chat:${id}`, 'message', { text: 'x' })
export const history = (id: string) => app.realtime.history(`chat:${id}`)
export const direct = (id: string) => app.realtime.sendDirect(id, 'shipped', { order: '1', at: new Date() }, { receipt: true })
export const decorator = app.realtime
export const methods = { ...app.realtime }
export const everything = {
  presence: () => app.realtime.presence('chat:1'),
  connections: () => app.realtime.connections(),
  stats: () => app.realtime.stats(),
  join: () => app.realtime.joinUser('u', 'chat:1'),
  remove: () => app.realtime.removeUser('u', 'chat:1'),
  broadcast: () => app.realtime.broadcast('maintenance', { minutes: 5 })
}
