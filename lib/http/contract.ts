import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { RealtimeStats } from '../../types/realtime.js'
import type { RealtimeUser } from '../../types/user.js'
import type { Bridge } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'

/** Who a request comes from, and until when that holds. */
export interface Identity {
  readonly user: RealtimeUser
  /** Epoch milliseconds; `null`: never. */
  readonly expiresAt: number | null
  /** The Origin header of the request that brought it. */
  readonly origin?: string
}

/** A socket that passed every check of the handshake. */
export interface Handover {
  readonly ws: WebSocket
  /** Only for copying from: whoever keeps it keeps the whole request in memory for as long as the connection lives. */
  readonly request: FastifyRequest
  readonly identity: Identity
  /** Frees the connection's slot. Called again, or after the socket closed, it does nothing. */
  release (): void
}

/** What the routes need of the rest of the node. */
export interface HttpDeps {
  readonly bridge: Pick<Bridge, 'putTicket' | 'takeTicket' | 'status'>
  readonly clock: Clock
  /** No more connections are taken. */
  draining (): boolean
  /** Takes over a socket. Must attach its message listener before it returns, or the first frames are lost. */
  accept (handover: Handover): void
  renew (connectionId: string, identity: Identity): Promise<'renewed' | 'not-found' | 'other-user'>
  stats (): Promise<RealtimeStats>
  /** Room names of the cluster in order, those after `after`. */
  rooms (after: string | undefined, limit: number): Promise<{ readonly rooms: readonly string[], readonly more: boolean }>
}
