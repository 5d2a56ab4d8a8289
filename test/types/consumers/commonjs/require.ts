// What CommonJS gets: `require()` returns the plugin itself, and every value stands on it.
import Fastify from 'fastify'
import byDefault from 'fastify-realtime'
import type { RealtimeOptions, defineCall, defineRooms } from 'fastify-realtime'
import required = require('fastify-realtime')
import * as all from 'fastify-realtime'
import { createClient } from 'fastify-realtime/client'

type IsAny<T> = 0 extends 1 & T ? true : false
export const notAny: [IsAny<typeof required>, IsAny<typeof byDefault>, IsAny<typeof required.defineRooms>, IsAny<typeof all>] = [false, false, false, false]

export const options: RealtimeOptions = { path: '/live' }

export async function register () {
  const app = Fastify()
  await app.register(required, options)
  await app.register(byDefault, options)
  await app.register(required.default, options)
  await app.register(required.realtime, options)
  // @ts-expect-error options are typed
  await app.register(required, { pth: '/live' })
  return app
}

export const same: [typeof defineRooms, typeof defineCall] = [required.defineRooms, required.defineCall]
export const rooms = required.defineRooms({
  'chat:{id}': { events: { message: { type: 'string' } }, onMessage: (ctx, message) => { message.content = message.content.trim() } }
})
export const ping = all.defineCall('ping', {}, () => 'pong')
export const client = createClient({ url: 'ws://localhost:3000/realtime' })
export const clientNotAny: IsAny<typeof client> = false
