import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { Realtime } from './realtime.js'

declare module 'fastify' {
  // All declarations of an interface must name the same type parameters; the last one carries the instance's type provider.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    /** Rooms, presence, direct messages and calls over WebSocket. Usable once `register` has resolved. */
    readonly realtime: Realtime<TypeProvider extends FastifyTypeProvider ? TypeProvider : FastifyTypeProviderDefault>
  }
}
