import type { Client, ClientMessage, ClientOptions, Published, RequestOptions, RoomOptions } from '../../types/client.js'
import { USER_UPDATE_EVENT } from '../protocol/frames.js'
import type { Handler } from './emitter.js'
import { ignore } from './errors.js'
import type { RoomMessageFrame } from './frames.js'
import type { RoomHandle } from './room.js'
import { createSession } from './session.js'

/**
 * A client of a fastify-realtime server, for pages, workers and Node. With an Api everything is typed by it; without, nothing is.
 *
 * @example
 * ```ts
 * const client = createClient<Api>({
 *   url: '/realtime',
 *   getToken: async () => {
 *     const response = await fetch('/token')
 *     if (!response.ok) throw new Error(`no token: ${response.status}`)
 *     return await response.text()
 *   }
 * })
 * const room = client.room('chat:42')
 * room.on('message', ({ userId, content }) => show(userId, content.text))
 * await room.send({ text: 'hi' })
 * ```
 */
export function createClient<Api = unknown> (options: ClientOptions): Client<Api>
// What is public of it is `Client`; what the session has of it (`status`, `connect`, `on`, ...) is the session's, always as it is.
export function createClient (options: ClientOptions): object {
  const session = createSession(options)
  const { queue, request, on } = session

  function room (id: string, options: RoomOptions = {}): RoomHandle {
    const room = session.room(id)
    room.want(options)
    room.live = true
    return room
  }

  if (options.autoConnect !== false) session.connect().catch(ignore)

  return Object.assign(Object.create(session), {
    room,
    pending: queue.pending,
    discard: queue.discard,
    async call (event: string, content: unknown = null, options?: RequestOptions): Promise<unknown> {
      // As it is now: it may wait for a connection.
      return (await request({ type: 'call', event, content: JSON.parse(JSON.stringify(content)) }, undefined, options)).content
    },
    watchUser (userId: string, handler: Handler): () => void {
      const user = session.room('user:' + userId)
      user.want({ presence: false })
      const off = user.on(USER_UPDATE_EVENT, ({ content }: RoomMessageFrame) => handler(content))
      return () => {
        // The last one, and only once: by then it may be another handle, for other watchers.
        if (off() !== 0 || user.live) return
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
