import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyPluginAsync, FastifyTypeProvider } from 'fastify'
import realtime from 'fastify-realtime'
import type { RealtimeOptions } from 'fastify-realtime'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as Type1 from 'typebox'
import { z } from 'zod'
import { equal } from './equal.js'
import { getOrder, rooms } from './rooms.js'

const app = Fastify({ logger: true })
await app.register(realtime, {
  rooms,
  auth: { secret: 'secret', algorithms: ['HS256'], user: (payload) => ({ id: String(payload.sub), name: 'x' }) },
  limits: { handshakes: { max: 10, timeWindow: '1m' }, messages: { max: 10, timeWindow: 1000 } },
  drain: { code: 1001 },
  stats: { authorize: ({ user }) => user.name === 'admin' }
})

// What may be undefined, as the environment's values are, is accepted where it may be left out.
const fromEnvironment: RealtimeOptions = {
  path: process.env.REALTIME_PATH,
  auth: { secret: process.env.JWT_SECRET, algorithms: undefined, cookie: undefined, requireExp: undefined },
  limits: { payload: undefined, handshakes: undefined },
  heartbeat: { interval: process.env.HEARTBEAT },
  origins: process.env.ORIGINS?.split(',')
}
await app.register(realtime, fromEnvironment)
await app.register(realtime, { auth: { secret: process.env.JWT_SECRET } })

// No provider: Infer.
app.realtime.room('x:{id}', {
  join: ({ params }) => params.id === '1',
  events: { a: z.object({ q: z.string() }), b: Type.Number() },
  publish: (ctx, message) => {
    if (message.event === 'a') equal<typeof message.content, { q: string }>(true)
    else equal<typeof message.content, number>(true)
    return true
  }
})
app.realtime.room({
  'x:{id}': {
    join: ({ params }) => params.id === '1',
    events: { a: z.object({ q: z.string() }) },
    onMessage: (ctx, message) => { equal<typeof message.content, { q: string }>(true) }
  }
})
// @ts-expect-error a reserved event name
app.realtime.room('x:{id}', { events: { typing: Type.String() } })
app.realtime.handle('x', {
  schema: { content: z.object({ q: z.string() }), response: Type.Object({ ok: Type.Literal(true) }) }
}, async (ctx, content) => {
  equal<typeof content, { q: string }>(true)
  return { ok: true }
})
app.realtime.handle('x', {
  schema: { response: Type.Object({ ok: Type.Literal(true) }) }
  // @ts-expect-error the response does not fit its schema
}, () => ({ ok: false }))
app.realtime.handle('x', {}, (ctx, content) => { equal<typeof content, unknown>(true) })

// A provider of the instance wins.
interface OwnProvider extends FastifyTypeProvider {
  validator: this['schema'] extends { q: infer Q } ? { own: Q } : unknown
  serializer: this['schema'] extends { r: 1 } ? { reply: 1 } : unknown
}
const own = app.withTypeProvider<OwnProvider>()
own.realtime.room('x:{id}', {
  events: { a: { q: 1 }, b: Type.String() },
  onMessage: (ctx, message) => {
    if (message.event === 'a') equal<typeof message.content, { own: 1 }>(true)
    // What the provider does not know is left to Infer.
    else equal<typeof message.content, string>(true)
  }
})
own.realtime.handle('x', { schema: { content: { q: 1 }, response: { r: 1 } } }, (ctx, content) => {
  equal<typeof content, { own: 1 }>(true)
  return { reply: 1 }
})
// @ts-expect-error the provider's word about the response
own.realtime.handle('x', { schema: { response: { r: 1 } } }, () => ({ reply: 2 }))
own.realtime.room(rooms)
own.realtime.handle(getOrder)

const typebox = app.withTypeProvider<TypeBoxTypeProvider>()
typebox.realtime.room('x:{id}', {
  events: { a: Type1.Object({ q: Type1.String() }) },
  onMessage: (ctx, message) => { equal<typeof message.content, { q: string }>(true) }
})
typebox.realtime.room(rooms)

const zod = app.withTypeProvider<ZodTypeProvider>()
zod.realtime.handle('x', { schema: { content: z.object({ at: z.coerce.date() }) } }, (ctx, content) => {
  equal<typeof content, { at: Date }>(true)
})

// The decorator must not make instances that differ in their provider incompatible.
export const asDefault: FastifyInstance[] = [app, typebox, zod, own]
const plugin: FastifyPluginAsync = async (instance) => { instance.realtime.room(rooms) }
await typebox.register(plugin)
await zod.register(realtime, { rooms })
await typebox.register(async (instance) => {
  instance.realtime.handle('y', { schema: { content: Type1.String() } }, (ctx, content) => { equal<typeof content, string>(true) })
})

// Options
export const good: RealtimeOptions[] = [
  {},
  { auth: { authenticate: (request) => request.headers.authorization === undefined ? null : { user: { id: '1', name: 'x' }, expiresAt: 1 } } },
  { auth: { authenticate: async () => null } },
  { origins: ['https://example.com'] },
  { origins: async (origin, request) => origin === request.hostname },
  { rooms: { 'a:{b}': { join: ({ params }) => params['b'] === 'x', onMessage (ctx, message) { message.content = 1 } } } }
]
export const bad: RealtimeOptions[] = [
  // @ts-expect-error misspelt
  { pth: '/x' },
  // @ts-expect-error not a close code for this
  { drain: { code: 1000 } },
  // @ts-expect-error one or the other
  { auth: { secret: 'x', authenticate: () => null } },
  // @ts-expect-error misspelt
  { limits: { payloads: 1 } },
  // @ts-expect-error the user the application declared
  { auth: { secret: 'x', user: () => ({ id: '1' }) } }
]
