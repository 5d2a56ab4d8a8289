/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// An application that registered no types: everything is accepted, nothing is any.
import Fastify from 'fastify'
import realtime, { defineRooms } from 'fastify-realtime'
import type { AnyUser, RealtimeUser } from 'fastify-realtime'
import { equal } from './equal.js'

equal<RealtimeUser, AnyUser>(true)

const app = Fastify()
await app.register(realtime, {
  auth: { secret: 'x' },
  rooms: {
    'chat:{id}': {
      join: ({ user, params }) => user.id === params.id,
      events: { message: { type: 'string' } },
      onMessage (ctx, message) {
        equal<typeof message.content, unknown>(true)
        equal<typeof ctx.user['role'], unknown>(true)
        message.content = 'changed'
      }
    }
  }
})
const published = await app.realtime.notifyRoom('any:room', 'any-event', { any: 'content' })
equal<typeof published.timestamp, number>(true)
equal<typeof published.position, string | undefined>(true)
await app.realtime.sendDirect('u', 'any-event', 1)
await app.realtime.broadcastUserUpdate('u', 1)
await app.realtime.broadcast('any-event', 1)
const page = await app.realtime.history('any:room', { limit: 1 })
equal<NonNullable<typeof page.messages[0]>['content'], unknown>(true)
const list = await app.realtime.connections({ userId: 'u' })
equal<typeof list.unreachable, readonly string[]>(true)
const stats = await app.realtime.stats()
equal<typeof stats.eventLoopDelay.p99, number>(true)
const removed = await app.realtime.removeUser('u', 'any:room')
equal<typeof removed.position, string | undefined>(true)
// @ts-expect-error options are still checked
await app.realtime.notifyRoom('any:room', 'any-event', 1, { keys: 'x' })

export const rooms = defineRooms({ 'a:{b}': { join: ({ user, params }) => user.id === params.b } })
