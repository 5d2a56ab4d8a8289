import type { ClientOptions, Status } from '../../types/client.js'
import type { GapReason } from '../protocol/frames.js'
import { MAX_RECEIVED } from '../protocol/frames.js'
import { createConnection } from './connection.js'
import type { Core } from './core.js'
import { createEmitter } from './emitter.js'
import { host, systemClock } from './environment.js'
import { RealtimeError } from './errors.js'
import type { DirectFrame, ServerFrame } from './frames.js'
import { createQueue } from './queue.js'
import { createRequests } from './requests.js'
import { resume } from './resume.js'
import type { Inbox } from './resume.js'
import { createRoom } from './room.js'
import type { RoomHandle } from './room.js'

/** A client without its conveniences. */
export interface Session extends Core {
  readonly status: Status
  readonly inbox: string | undefined
  open (): Promise<void>
  close (): void
}

/** Holds the parts of a client together: frames to the rooms and handlers they are for, and back. */
export function createSession (options: ClientOptions): Session {
  const { clock = systemClock, timeout = 10_000, onError } = options
  const rooms = new Map<string, RoomHandle>()
  const endings = new Set<() => void>()
  const emitter = createEmitter(() => live, report)
  const { on, emit } = emitter
  let live = true
  let userId: string | undefined
  /** Handlers of errors that throw are not told about it. */
  let reporting = false
  /** Positions of direct messages that were handled, to be told of together. */
  const received: Array<string | undefined> = []
  if (onError !== undefined) on('error', onError)

  function report (error: unknown): void {
    if (reporting || !live) return
    reporting = true
    // Where nobody listens, as any error that nobody caught.
    if (emit('error', error) === 0) host.reportError?.(error)
    reporting = false
  }

  // --- inbox ---

  let position = options.inbox
  const inbox: Inbox = {
    get position () { return position },
    answer ({ recovered, messages = [], error, ...rest }) {
      if (error !== undefined) return report(new RealtimeError(error.code, error.message, error))
      if (recovered === false) gap(rest)
      for (const message of messages) if (live) direct(message)
      if (live) position = rest.position
    }
  }

  function gap ({ reason, position: next }: { reason?: GapReason, position?: string }): void {
    position = next
    emit('reset', { reason, position })
  }

  function direct (frame: DirectFrame): void {
    const mine = position = frame.position
    emit('direct', frame, frame.receipt === true ? () => { if (received.push(mine) === 1) queueMicrotask(acknowledge) } : undefined)
  }

  function acknowledge (): void {
    while (received.length > 0) connection.transmit({ type: 'received', positions: received.splice(0, MAX_RECEIVED) })
  }

  // --- connection ---

  function frame (frame: ServerFrame): void {
    const { type } = frame
    if (type === 'ack' || (type === 'error' && frame.id !== undefined)) requests.answer(frame)
    else if (type === 'error') report(new RealtimeError(frame.code, frame.message, frame))
    else if (type === 'direct') direct(frame)
    else if (type === 'broadcast') emit(type, frame)
    else if (type === 'joined') {
      core.room(frame.roomId).frame(frame)
      emit(type, { roomId: frame.roomId })
    } else if (type === 'reset' && frame.roomId === undefined) gap(frame)
    else if ('roomId' in frame) rooms.get(frame.roomId)?.frame(frame)
  }

  const core: Session = {
    ...emitter,
    clock,
    timeout,
    rooms,
    endings,
    report,
    get live () { return live },
    get status () { return connection.status },
    get connected () { return connection.status.state === 'connected' },
    get ended () { return connection.status.state === 'closed' },
    get welcome () { return connection.welcome },
    get userId () { return userId },
    get inbox () { return position },
    get queue () { return queue },
    room (id) {
      const room = rooms.get(id) ?? createRoom(id, core)
      rooms.set(id, room)
      return room
    },
    transmit: (frame) => connection.transmit(frame),
    request: (...request) => requests.send(...request),
    restart: () => connection.retry('timeout'),
    async open () {
      live = true
      await queue.load()
      connection.open()
    },
    close () {
      connection.close('closed')
      live = false
    }
  }

  const requests = createRequests(core)
  const queue = createQueue(core, options.queue)
  const connection = createConnection(core, options, {
    frame,
    opened (welcome) {
      userId = welcome.userId
      position ??= welcome.inbox
      return resume(core, inbox, welcome)
    },
    status (status) {
      if (status.state === 'connected') {
        rooms.forEach((room) => room.connected())
        requests.flush()
        queue.pump()
      }
      emit('status', status)
    },
    lost (final) {
      rooms.forEach((room) => room.lost())
      queue.reset()
      requests.fail(new RealtimeError('disconnected'), false)
      if (!final) return
      const error = new RealtimeError('closed')
      requests.fail(error, true)
      queue.drop(error)
      endings.forEach((end) => end())
    }
  })
  return core
}
