import fp from 'fastify-plugin'
import '../types/fastify.js'
import { defineCall, defineRooms } from './define.js'
import { isRefusal, Refusal } from './errors.js'
import { plugin } from './plugin.js'

const named = Object.assign(
  fp(plugin, { name: 'fastify-realtime', fastify: '5.x' }),
  { defineCall, defineRooms, isRefusal, Refusal }
)

/**
 * The plugin: `await app.register(realtime, options)`, before the routes. `require()` returns only this function, so everything
 * else this module exports stands on it too.
 */
const realtime = Object.assign(named, { default: named, realtime: named })

export default realtime
export { realtime, realtime as 'module.exports', defineCall, defineRooms, isRefusal, Refusal }
export type { RefusalOptions, RealtimeErrorCode } from './errors.js'
export type * from '../types/api.js'
export type * from '../types/calls.js'
export type * from '../types/context.js'
export type * from '../types/duration.js'
export type * from '../types/events.js'
export type * from '../types/hooks.js'
export type * from '../types/infer.js'
export type * from '../types/jsonify.js'
export type * from '../types/lookup.js'
export type * from '../types/message.js'
export type * from '../types/options.js'
export type * from '../types/pattern.js'
export type * from '../types/policy.js'
export type * from '../types/presence.js'
export type * from '../types/provider.js'
export type * from '../types/publish.js'
export type * from '../types/realtime.js'
export type * from '../types/redis.js'
export type * from '../types/register.js'
export type * from '../types/retention.js'
export type * from '../types/schema.js'
export type * from '../types/user.js'
