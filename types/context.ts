import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { RealtimeUser } from './user.js'

/** Given to everything that runs on behalf of a connection. */
export interface ConnectionContext {
  /** Who is connected. After a renewal, the user of the new credential. */
  readonly user: RealtimeUser
  /** Names this connection in the whole cluster; also in every log line about it. */
  readonly connectionId: string
  /** The instance that declared the room, handler or hook, with the decorators visible there. */
  readonly server: FastifyInstance
  /** A child of the application's logger that carries the connection's id. */
  readonly log: FastifyBaseLogger
}

/** {@link ConnectionContext} inside a room. */
export interface RoomContext<Params = Readonly<Record<string, string>>> extends ConnectionContext {
  /** The room, as the client named it: `chat:42`. */
  readonly roomId: string
  /** The pattern whose policy applies: `chat:{id}`. */
  readonly pattern: string
  /** What the placeholders of the pattern stand for in this room id: `{ id: '42' }`. */
  readonly params: Params
}

/** {@link ConnectionContext} of a call that a client made. */
export interface CallContext extends ConnectionContext {
  /** The name under which the handler was declared. */
  readonly event: string
}
