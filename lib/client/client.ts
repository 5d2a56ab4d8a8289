import type { ClientMessage, ClientOptions, Published, RequestOptions, RoomOptions } from '../../types/client.js'
import { USER_UPDATE_EVENT } from '../protocol/frames.js'
import type { Handler } from './emitter.js'
import { ignore } from './errors.js'
import type { RoomMessageFrame } from './frames.js'
import type { RoomHandle } from './room.js'
import { createSession } from './session.js'

/**
 * The object an application holds, before the Api gives it its types; what is public of it is `Client`. It has what the session has
 * (`status`, `connect`, `on`, ...) from the session, always as it is.
 */
export function buildClient (options: ClientOptions): object {
  const session = createSession(options)
  const { queue, request, on } = session

  function room (id: string, options: RoomOptions = {}): RoomHandle {
    const room = session.room(id)
    room.want(options)
    return room
  }

  if (options.autoConnect !== false) session.connect().catch(ignore)

  return Object.assign(Object.create(session), {
    room,
    pending: queue.pending,
    async call (event: string, content: unknown = null, options?: RequestOptions): Promise<unknown> {
      // As it is now: it may wait for a connection.
      return (await request({ type: 'call', event, content: JSON.parse(JSON.stringify(content)) }, undefined, options)).content
    },
    watchUser (userId: string, handler: Handler): () => void {
      const user = room('user:' + userId, { presence: false })
      const off = user.on(USER_UPDATE_EVENT, ({ content }: RoomMessageFrame) => handler(content))
      return () => {
        // The last one, and only once: by then it may be another handle, for other watchers.
        if (off() !== 0) return
        user.leave()
        // Whoever looks at many users, one after the other, keeps none of them.
        session.rooms.delete(user.id)
      }
    },
    async joinRoom (id: string, options?: RoomOptions): Promise<RoomHandle> {
      const joined = room(id, options)
      await joined.ready()
      return joined
    },
    send: (id: string, content: unknown): Promise<Published> => room(id).send(content),
    onMessage: (handler: (message: ClientMessage) => unknown): () => void => on('message', handler)
  })
}
