import type { ClientClock, Status } from '../../types/client.js'
import type { Connection } from './connection.js'
import type { Emitter } from './emitter.js'
import type { Welcome } from './frames.js'
import type { Inbox } from './inbox.js'
import type { Queue } from './queue.js'
import type { Requests } from './requests.js'
import type { RoomHandle } from './room.js'

/** The event of a client, and of a room, after which something about it is different. No event of an application has this name. */
export const CHANGE = ''

/** The parts of a client, as they see each other. */
export interface Core extends Emitter, Requests, Connection, Inbox {
  readonly clock: ClientClock
  /** For answers, in ms. */
  readonly wait: number
  readonly queue: Queue
  readonly rooms: Map<string, RoomHandle>
  /** Not closed by the application: handlers may be called. */
  live: boolean
  status: Status
  /** Caught up and able to send. */
  connected?: boolean
  /** Closed, by whomever. */
  ended?: boolean
  /** What the server said of this connection. */
  welcome?: Welcome
  userId?: string
  /** Everything of the inbox up to here was handed over. */
  inbox?: string

  /** The handle of a room, wanted or not. */
  room (roomId: string): RoomHandle
  /** An error nobody waits for. */
  report (error: unknown): void
}
