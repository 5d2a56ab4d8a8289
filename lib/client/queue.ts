import type { ClientClock, ClientOptions, MessageId, Published, QueueStorage, StoredMessage } from '../../types/client.js'
import { createBackoff } from './backoff.js'
import type { Core } from './core.js'
import { ignore, RealtimeError } from './errors.js'
import type { Welcome } from './frames.js'
import { createTurn } from './turn.js'

/** What part of the server's limit the queue leaves itself, and of the time of keys, for the way there takes some too. */
const SHARE = 0.8

/**
 * Messages from `publish` to their acknowledgement, in the order in which they were published. A message keeps its key from the
 * beginning, so that it may be sent again whenever the answer is in doubt.
 */
export interface Queue {
  pending (): StoredMessage[]
  /** Takes over what an earlier page left. Resolves when that is done, or takes too long or is given up; it may still come then. */
  load (): Promise<void>
  /** @param problem - why it cannot be published at all */
  push (roomId: string, event: string, content: unknown, key?: string, problem?: RealtimeError | false): Promise<Published>
  /** Sends what can be sent. */
  pump (): void
  /** The connection is gone: old waits mean nothing. */
  reset (): void
  /** Gives up what waits, for a room, of it what has a key; not what is on its way. Or everything. */
  drop (error: RealtimeError, roomId?: string, key?: string): void
  /** The application wants a message gone, also from the storage. */
  discard (message: MessageId): void
}

interface Entry {
  readonly message: StoredMessage & { sentAt?: number, userId?: string }
  flying?: boolean
  settle (error: RealtimeError | undefined, published?: Published): void
}

export function createQueue (core: Core, { wall, timeout, random, id }: ClientClock, { size = 1_000, inFlight = 32, storage }: ClientOptions['queue'] = {}): Queue {
  /** It has counted since a retryable error: one message at a time, until one got through. */
  const backoff = createBackoff(random)
  /** One for each time between `connect` and the end. */
  const { next, guard } = createTurn()
  let entries = new Set<Entry>()
  let flying = 0
  /** While waiting for better times. */
  let cancel: (() => void) | undefined
  let lastAt = 0
  /** When the bucket will be full again, which is all its state; by the clock of the wall. */
  let fullAt = 0
  let loading: Promise<void> | undefined

  function keep (work: (storage: QueueStorage) => void | Promise<void>): void {
    // An async function calls at once, and catches what is thrown at once as well as later.
    const call = async (): Promise<void> => storage && work(storage)
    call().catch(core.report)
  }

  function enter (message: StoredMessage, done: (error?: RealtimeError, published?: Published) => void): void {
    const entry: Entry = {
      message,
      settle (error, published) {
        if (!entries.delete(entry)) return
        // What a client that ends, or another user, leaves behind is for the next one.
        if (!/^(cl|ot)/.test(error?.code ?? '')) keep((storage) => storage.delete(message))
        done(error, published)
        core.emit(error ? 'failed' : 'sent', { ...message, ...published, error })
      }
    }
    entries.add(entry)
    lastAt = Math.max(lastAt, message.at)
  }

  function pump (): void {
    const { welcome, userId } = core
    if (!core.connected || !welcome) return
    for (const entry of entries) {
      const { message, settle } = entry
      if (cancel || (flying && (backoff.count || !(flying < inFlight)))) return
      if (entry.flying) continue
      if (message.userId && message.userId !== userId) settle(new RealtimeError('other_user'))
      else {
        const { state, position, wanted } = core.room(message.roomId).haven()
        // In doubt, and nobody would recognise it: its key is forgotten, or the room is volatile and never knew it.
        const lost = message.sentAt && (wall() - message.sentAt > welcome.limits.keyTtl * SHARE || (state === 'joined' && !position))
        if (lost || !wanted) settle(new RealtimeError('unknown'))
        else if (state === 'joined') {
          const ms = pace(welcome)
          if (ms > 0) pause(ms)
          else void send(entry)
        }
      }
    }
  }

  async function send (entry: Entry): Promise<void> {
    const { message, settle } = entry
    const { key, roomId, event, content, sentAt } = message
    entry.flying = true
    flying++
    if (!sentAt) {
      message.sentAt = wall()
      message.userId = core.userId
      keep((storage) => storage.put(message))
    }
    try {
      const ack = await core.request({ type: 'message', roomId, event, content, key })
      backoff.count = 0
      settle(undefined, ack)
    } catch (error) {
      const { code, retryable, retryAfter }: RealtimeError = Object(error)
      if (retryable || code === 'timeout') {
        // Refused for now and never in doubt: its key was not used, so there is no hurry.
        if (retryable) message.sentAt = sentAt
        pause(backoff.next(retryAfter))
      } else if (code !== 'disconnected') settle(Object(error))
    }
    entry.flying = false
    flying--
    pump()
  }

  function pause (ms: number): void {
    cancel?.()
    cancel = timeout(() => {
      cancel = undefined
      pump()
    }, ms)
  }

  /** Takes a token of the server's bucket as it must look from here; else, above 0, how long until there is one, in ms. */
  function pace ({ limits: { messages: { max, window } } }: Welcome): number {
    // A clock that was set back must not make it wait for the time it lost.
    fullAt = Math.min(fullAt, wall() + window)
    // One token, or all of a bucket that holds less than one.
    const fuller = Math.max(fullAt, wall()) + window / Math.max(1, max * SHARE)
    const ms = fuller - wall() - window
    if (ms <= 0) fullAt = fuller
    return ms
  }

  function take (stored: readonly StoredMessage[]): void {
    const fresh = entries
    entries = new Set()
    for (const message of stored) {
      const { roomId, key } = message
      if (![...fresh].some((entry) => entry.message.roomId === roomId && entry.message.key === key)) enter({ ...message }, ignore)
    }
    for (const entry of fresh) entries.add(entry)
    pump()
  }

  function drop (error: RealtimeError, roomId?: string, key?: string): void {
    for (const { message, flying, settle } of entries) {
      if (!roomId || (message.roomId === roomId && !flying && (!key || message.key === key))) settle(error)
    }
    if (roomId) return
    next()
    loading = undefined
  }

  return {
    pending: () => [...entries].map(({ message }) => message),
    async load () {
      if (storage && !loading) {
        const call = async (): Promise<void> => guard(take)(await storage.load())
        loading = new Promise<void>((resolve, reject) => {
          void call().then(resolve, reject).then(timeout(() => reject(new RealtimeError('timeout')), core.wait))
        }).catch(core.report)
      }
      await loading
    },
    push (roomId, event, content = null, key = id(), problem) {
      const promise = new Promise<Published>((resolve, reject) => {
        // As it is now: what becomes of the object later is none of this message.
        const message = { key, roomId, event, content: JSON.parse(JSON.stringify(content)), at: Math.max(lastAt + 1, wall()), userId: core.userId }
        const error = problem || (core.ended && new RealtimeError('closed')) || (!(entries.size < size) && new RealtimeError('queue_full'))
        if (error) {
          core.emit('failed', { ...message, error })
          throw error
        }
        enter(message, (error, published) => published ? resolve(published) : reject(error))
        keep((storage) => storage.put(message))
      })
      // It is told as `failed` as well, so nobody has to wait for it.
      promise.catch(ignore)
      pump()
      return promise
    },
    pump,
    reset () {
      cancel?.()
      cancel = undefined
      fullAt = 0
    },
    drop,
    discard (message) {
      const { roomId, key } = message
      drop(new RealtimeError('discarded'), roomId, key)
      // What a client that ended has left there.
      keep((storage) => storage.delete(message))
    }
  }
}
