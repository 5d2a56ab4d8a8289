import type { Realtime } from './realtime.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Rooms, presence, direct messages and calls over WebSocket. Usable once `register` has resolved. */
    readonly realtime: Realtime
  }
}
