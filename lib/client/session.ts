import type { ClientOptions } from '../../types/client.js'
import { createConnection } from './connection.js'
import { CHANGE } from './core.js'
import type { Core } from './core.js'
import { createEmitter } from './emitter.js'
import { absolute, host, systemClock } from './environment.js'
import { RealtimeError } from './errors.js'
import type { ServerFrame } from './frames.js'
import { createInbox } from './inbox.js'
import { createQueue } from './queue.js'
import { createRequests } from './requests.js'
import { resume } from './resume.js'
import { createRoom } from './room.js'
import type { RoomHandle } from './room.js'
import { until } from './until.js'

/** A client without its conveniences. */
export interface Session extends Core {
  connect (): Promise<void>
  close (): void
}

/** Puts the parts of a client together: frames to the rooms and handlers they are for, and back. */
export function createSession (options: ClientOptions): Session {
  const { clock = systemClock, timeout = 10_000, inbox, onError } = options
  // Empty for the moment: the parts hold it, and begin to use it when all of them are in.
  const core: Session = Object({})
  const rooms = new Map<string, RoomHandle>()
  const emitter = createEmitter(() => core.live, report)
  const { emit } = emitter
  if (onError) emitter.on('error', onError)

  function report (error: unknown): void {
    // Where nobody listens, as any error that nobody caught.
    if (core.live && !emit('error', error)) host.reportError?.(error)
  }

  function room (id: string): RoomHandle {
    const room = rooms.get(id) ?? createRoom(id, core)
    rooms.set(id, room)
    return room
  }

  function frame (frame: ServerFrame): void {
    const { type } = frame
    if (type === 'ack' || type === 'error') core.answer(frame)
    else if ('roomId' in frame) room(frame.roomId).frame(frame)
    else if (type === 'direct') core.direct(frame)
    else if (type === 'reset') core.gap(frame)
    else if (type === 'broadcast') emit(type, frame)
  }

  const parts: Session = {
    clock,
    wait: timeout,
    rooms,
    live: true,
    status: { state: 'idle', attempt: 0 },
    inbox,
    room,
    report,
    ...emitter,
    ...createRequests(core),
    ...createInbox(core),
    ...createConnection(core, clock, options, {
      frame,
      opened: (welcome) => resume(core, welcome),
      changed () {
        if (core.connected) {
          rooms.forEach((room) => room.connected())
          core.flush()
          core.queue.pump()
        }
        emit('status', core.status)
        emit(CHANGE)
      },
      lost () {
        rooms.forEach((room) => room.lost())
        core.queue.reset()
        core.fail()
        if (core.ended) core.queue.drop(new RealtimeError('closed'))
      }
    }),
    queue: createQueue(core, clock, options.queue),
    async connect () {
      absolute(options.url)
      core.live = true
      await core.queue.load()
      // Unless it was closed meanwhile.
      if (core.live) core.open()
      await until(core, () => core.connected)
    },
    close () {
      core.end('closed')
      // Where it had ended already, nobody may have been told.
      emit(CHANGE)
      core.live = false
    }
  }
  return Object.assign(core, parts)
}
