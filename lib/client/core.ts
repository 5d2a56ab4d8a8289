import type { ClientClock, RequestOptions, Status } from '../../types/client.js'
import type { Emitter } from './emitter.js'
import type { RealtimeError } from './errors.js'
import type { Ack, ServerFrame, Welcome } from './frames.js'
import type { Queue } from './queue.js'
import type { RoomHandle } from './room.js'

/** What the parts of a client share. */
export interface Core extends Emitter {
  readonly clock: ClientClock
  /** For answers, in ms. */
  readonly timeout: number
  readonly queue: Queue
  readonly rooms: Map<string, RoomHandle>
  /** Called when the client closes. */
  readonly endings: Set<() => void>
  /** Closed by the application: no handler is called. */
  readonly live: boolean
  /** Caught up and able to send. */
  readonly connected: boolean
  /** Closed, by whomever. */
  readonly ended: boolean
  /** What the server said of this connection. */
  readonly welcome: Welcome | undefined
  readonly userId: string | undefined

  /** The handle of a room, wanted or not. */
  room (roomId: string): RoomHandle
  /** Sends, if there is a socket to send on. Returns why the frame must not be sent. */
  transmit (frame: object): RealtimeError | undefined
  request (frame: object, options?: RequestOptions, now?: boolean): Promise<Ack>
  /** The state of the connection is in doubt: only a new one is certain. */
  restart (): void
  /** An error nobody waits for. */
  report (error: unknown): void
}

/** What a connection tells. */
export interface ConnectionOwner {
  /** Catches up; resolves when what was missed has been handed over. */
  opened (welcome: Welcome): Promise<void>
  frame (frame: ServerFrame): void
  status (status: Status): void
  /** The socket is gone; with `final` there will be no other. */
  lost (final: boolean): void
}
