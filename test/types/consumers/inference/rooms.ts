/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
import { Type } from '@sinclair/typebox'
import { defineCall, defineRooms } from 'fastify-realtime'
import type { AnyEvents, ApiOf, PublishResult, RoomMap } from 'fastify-realtime'
import * as Type1 from 'typebox'
import { z } from 'zod'
import { equal } from './equal.js'

export const rooms = defineRooms({
  'chat:{id}': {
    join: ({ user, params, roomId, server }) => {
      equal<typeof params, { readonly id: string }>(true)
      equal<typeof user.name, string>(true)
      equal<typeof roomId, string>(true)
      return server.hasDecorator('db') && user.id === params.id
    },
    publish: 'members',
    events: { message: Type.Object({ text: Type.String() }), edit: z.object({ n: z.number(), at: z.date() }) },
    history: { size: 100, ttl: '5m' },
    presence: { grace: 3000 },
    onMessage: async (ctx, message) => {
      if (message.event === 'message') {
        equal<typeof message.content, { text: string }>(true)
        message.content = { text: 'changed' }
        // @ts-expect-error what is delivered must fit the schema too
        message.content = { text: 1 }
      } else {
        equal<typeof message.event, 'edit'>(true)
        equal<typeof message.content, { n: number, at: Date }>(true)
      }
      // @ts-expect-error the sender is what the server knows
      message.userId = 'forged'
      await ctx.server.realtime.notifyRoom(`user:${ctx.user.id}`, 'hello', { a: 1 })
    },
    onLeave (ctx, reason) {
      equal<typeof reason, 'left' | 'disconnected' | 'removed' | 'revoked' | 'closed'>(true)
    }
  },
  'chat:lobby': { events: { wave: Type.Object({ at: Type.Number() }) } },
  'user:{id}': { events: { hello: Type1.Object({ a: Type1.Number() }), 'user-update': z.object({ name: z.string() }) } },
  'org:{org}:files:{rest*}': {
    join ({ params }) {
      equal<typeof params, { readonly org: string, readonly rest: string }>(true)
      return true
    },
    events: { saved: { type: 'object', required: ['path'], properties: { path: { type: 'string' }, size: { type: 'integer' } } } },
    publish (ctx, message) {
      equal<typeof message.content, { path: string, size?: number }>(true)
      return message.event === 'saved' && ctx.params.org === 'acme'
    }
  },
  '{tenant}:news': { events: { item: Type.String() } },
  // No events: any event, any content.
  'open:{id}': {
    join: () => true,
    onMessage (ctx, message) {
      equal<typeof message.event, string>(true)
      equal<typeof message.content, unknown>(true)
    }
  },
  // A policy that answers out of the decorators needs its return type written down, or the Api would depend on itself.
  'full:{id}': {
    join: async ({ roomId, server }): Promise<boolean> => (await server.realtime.presence(`chat:${roomId}`)).count < 5,
    events: { note: Type.String() }
  },
  lobby: {}
})
equal<keyof typeof rooms, 'chat:{id}' | 'chat:lobby' | 'user:{id}' | 'org:{org}:files:{rest*}' | '{tenant}:news' | 'open:{id}' | 'full:{id}' | 'lobby'>(true)

export const more = { ...rooms, ...defineRooms({ 'late:{id}': { events: { tick: Type.Number() } } }) }
const plain: RoomMap = more

// Mistakes
defineRooms({
  a: {
    // @ts-expect-error a reserved event name
    events: { error: Type.String() }
  }
})
defineRooms({
  a: {
    // @ts-expect-error not a schema
    events: { message: 'string' }
  }
})
defineRooms({
  a: {
    // @ts-expect-error misspelt
    jion: () => true
  }
})
defineRooms({
  a: {
    // @ts-expect-error nobody is called that
    publish: 'everybody'
  }
})
defineRooms({
  'a:{id}': {
    join: ({ params }) => {
      // @ts-expect-error no such placeholder
      return params.nr === '1'
    }
  }
})

// Calls
export const getOrder = defineCall('orders.get', {
  schema: { content: Type.Object({ id: Type.String() }), response: z.object({ total: z.number(), state: z.enum(['open', 'paid']) }) }
}, ({ user }, { id }) => {
  equal<typeof id, string>(true)
  // Literals keep their type in a handler written in place.
  return { total: user.name.length, state: 'open' }
})
export const ping = defineCall('ping', {}, async (ctx, content) => {
  equal<typeof content, unknown>(true)
  return { pong: ctx.event }
})
export const json = defineCall('json', {
  schema: { content: { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string' }, b: { type: 'array', items: { type: 'number' } } } } }
}, (ctx, content) => {
  equal<typeof content, { a: string, b: number[] }>(true)
})
// A handler may answer out of the decorators: calls depend on rooms, not the other way round.
export const say = defineCall('say', { schema: { content: Type.Object({ text: Type.String() }) } }, async ({ server }, content) => {
  return await server.realtime.notifyRoom('chat:1', 'message', content)
})
export const sayWrong = defineCall('say.wrong', {}, async ({ server }) => {
  // @ts-expect-error wrong content
  return await server.realtime.notifyRoom('chat:1', 'message', { text: 1 })
})
// @ts-expect-error the response does not fit its schema
defineCall('wrong', { schema: { response: z.object({ total: z.number() }) } }, () => ({ total: 'x' }))
// @ts-expect-error neither asynchronously
defineCall('wrong', { schema: { response: z.object({ total: z.number() }) } }, async () => ({ total: 'x' }))

const shipped = { shipped: Type.Object({ order: Type.String() }) }

export type Api = ApiOf<{
  rooms: typeof more
  calls: { getOrder: typeof getOrder, ping: typeof ping, say: typeof say }
  direct: typeof shipped
}>
equal<Api['rooms']['chat:{id}'], { message: { text: string }, edit: { n: number, at: Date } }>(true)
equal<Api['rooms']['late:{id}'], { tick: number }>(true)
equal<Api['rooms']['open:{id}'], AnyEvents>(true)
equal<Api['rooms']['org:{org}:files:{rest*}'], { saved: { path: string, size?: number } }>(true)
equal<Api['calls'], { 'orders.get': { content: { id: string }, response: { total: number, state: 'open' | 'paid' } }, ping: { content: unknown, response: { pong: string } }, say: { content: { text: string }, response: PublishResult } }>(true)
equal<Api['direct'], { shipped: { order: string } }>(true)
equal<keyof Api, 'rooms' | 'calls' | 'direct'>(true)
equal<ApiOf<{ calls: [typeof getOrder, typeof ping, typeof say] }>['calls'], Api['calls']>(true)
equal<ApiOf<{ rooms: typeof plain }>['rooms'][string], AnyEvents>(true)
const literal = { 'x:{id}': { events: { a: Type.String() } }, y: {} }
equal<ApiOf<{ rooms: typeof literal }>['rooms'], { 'x:{id}': { a: string }, y: AnyEvents }>(true)
