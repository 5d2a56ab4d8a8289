import type { ClientMessage, ClientOptions, PendingMessage, Published, RequestOptions, RoomOptions, Status } from '../../types/client.js'
import { USER_UPDATE_EVENT } from '../protocol/frames.js'
import type { Handler } from './emitter.js'
import { ignore, RealtimeError } from './errors.js'
import type { RoomMessageFrame } from './frames.js'
import type { RoomHandle } from './room.js'
import { createSession } from './session.js'

/** The object an application holds, before the Api gives it its types; what is public of it is `Client`. */
export function buildClient (options: ClientOptions) {
  const session = createSession(options)
  const { on, off, close } = session
  /** How many watch, by user id. */
  const watchers = new Map<string, number>()

  function room (id: string, options: RoomOptions = {}): RoomHandle {
    const room = session.room(id)
    room.want(options)
    return room
  }

  function connect (): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!session.connected && !session.ended) return
        off()
        session.endings.delete(check)
        if (session.connected) resolve()
        else reject(new RealtimeError('closed', session.status.reason))
      }
      const off = on('status', check)
      session.endings.add(check)
      session.open().then(check, reject)
    })
    promise.catch(ignore)
    return promise
  }

  if (options.autoConnect !== false) void connect()

  return {
    get status (): Status { return session.status },
    get userId (): string | undefined { return session.userId },
    get inbox (): string | undefined { return session.inbox },
    get pending (): PendingMessage[] { return session.queue.pending },
    connect,
    close,
    on,
    off,
    room,
    async call (event: string, content: unknown = null, options?: RequestOptions): Promise<unknown> {
      const { content: response } = await session.request({ type: 'call', event, content }, options)
      return response
    },
    watchUser (userId: string, handler: Handler): () => void {
      const user = room('user:' + userId, { presence: false })
      const off = user.on(USER_UPDATE_EVENT, ({ content }: RoomMessageFrame) => handler(content))
      const count = (by: number): number => {
        const all = (watchers.get(userId) ?? 0) + by
        watchers.set(userId, all)
        return all
      }
      count(1)
      let watching = true
      return () => {
        off()
        if (watching && count(-1) === 0) user.leave()
        watching = false
      }
    },
    async joinRoom (id: string, options?: RoomOptions): Promise<RoomHandle> {
      const joined = room(id, options)
      await joined.ready()
      return joined
    },
    send: (id: string, content: unknown): Promise<Published> => room(id).send(content),
    onMessage: (handler: (message: ClientMessage) => unknown): () => void => on('message', handler)
  }
}
