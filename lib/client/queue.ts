import type { ClientClock, ClientOptions, Published, StoredMessage } from '../../types/client.js'
import { createBackoff } from './backoff.js'
import type { Core } from './core.js'
import { ignore, RealtimeError } from './errors.js'
import type { Welcome } from './frames.js'

/** What part of the server's limit the queue leaves itself, and of the time of keys, for the way there takes some too. */
const SHARE = 0.8

/**
 * Messages from `publish` to their acknowledgement, in the order in which they were published. A message keeps its key from the
 * beginning, so that it may be sent again whenever the answer is in doubt.
 */
export interface Queue {
  pending (): StoredMessage[]
  /** Takes over what an earlier page left. Before the first connection. */
  load (): Promise<void>
  /** @param problem - why it cannot be published at all */
  push (roomId: string, event: string, content: unknown, key?: string, problem?: RealtimeError | false): Promise<Published>
  /** Sends what can be sent. */
  pump (): void
  /** The connection is gone: old waits mean nothing. */
  reset (): void
  /** Gives up what waits for a room, or everything; not what is on its way. */
  drop (error: RealtimeError, roomId?: string): void
}

interface Entry {
  readonly message: StoredMessage & { sentAt?: number }
  flying?: boolean
  settle (error?: RealtimeError, published?: Published): void
}

export function createQueue (core: Core, { wall, timeout, random, id }: ClientClock, { size = 1_000, inFlight = 32, storage }: ClientOptions['queue'] = {}): Queue {
  const backoff = createBackoff(random)
  let entries = new Set<Entry>()
  let flying = 0
  /** After a retryable error: one message at a time, until one got through. */
  let single = false
  /** While waiting for better times. */
  let cancel: (() => void) | undefined
  let lastAt = 0
  /** When the bucket will be full again, which is all its state. */
  let fullAt = 0

  function enter (message: StoredMessage, done: (error?: RealtimeError, published?: Published) => void): void {
    const entry: Entry = {
      message,
      settle (error, published) {
        if (!entries.delete(entry)) return
        // What a client that ends, or another user, leaves behind is for the next one.
        if (!/^(cl|ot)/.test(error?.code ?? '')) storage?.delete(message)
        done(error, published)
        if (error) core.emit('failed', { ...message, error })
      }
    }
    entries.add(entry)
  }

  function pump (): void {
    const { connected, welcome, userId } = core
    if (!connected || !welcome) return
    for (const entry of entries) {
      const { message, settle } = entry
      if (cancel || flying >= (single ? 1 : inFlight)) return
      if (entry.flying) continue
      const { state, position } = core.room(message.roomId).haven()
      // In doubt, and nobody would recognise it: its key is forgotten, or the room is volatile and never knew it.
      const lost = message.sentAt && (wall() - message.sentAt > welcome.limits.keyTtl * SHARE || (state === 'joined' && !position))
      if (lost || !/^j/.test(state)) settle(new RealtimeError('unknown'))
      else if (message.userId && message.userId !== userId) settle(new RealtimeError('other_user'))
      else if (state === 'joined') {
        const ms = pace(welcome)
        if (ms) pause(ms)
        else send(entry)
      }
    }
  }

  function send (entry: Entry): void {
    const { message, settle } = entry
    const { key, roomId, event, content, sentAt } = message
    entry.flying = true
    flying++
    if (!sentAt) {
      message.sentAt = wall()
      storage?.put(message)
    }
    void core.request({ type: 'message', roomId, event, content, key }).then((ack) => {
      backoff.count = 0
      single = false
      settle(undefined, ack)
    }, (error: RealtimeError) => {
      const { code, retryable, retryAfter } = error
      if (retryable || code === 'timeout') {
        // Refused for now and never in doubt: its key was not used, so there is no hurry.
        if (retryable) message.sentAt = sentAt
        single = true
        pause(backoff.next(retryAfter))
      } else if (code !== 'disconnected') settle(error)
    }).then(() => {
      entry.flying = false
      flying--
      pump()
    })
  }

  function pause (ms: number): void {
    cancel?.()
    cancel = timeout(() => {
      cancel = undefined
      pump()
    }, ms)
  }

  /** Takes a token of the server's bucket as it must look from here; else how long until there is one, in ms. */
  function pace ({ limits: { messages: { max, window } } }: Welcome): number {
    const fuller = Math.max(fullAt, wall()) + window / max / SHARE
    const ms = fuller - wall() - window
    if (ms <= 0) fullAt = fuller
    return Math.max(0, ms)
  }

  return {
    pending: () => [...entries].map(({ message }) => message),
    async load () {
      const stored = await storage?.load() ?? []
      const fresh = entries
      entries = new Set()
      for (const message of stored) if (![...fresh].some((entry) => entry.message.key === message.key)) enter({ ...message }, ignore)
      entries = new Set([...entries, ...fresh])
    },
    push (roomId, event, content = null, key = id(), problem) {
      const promise = new Promise<Published>((resolve, reject) => {
        if (problem) throw problem
        if (core.ended) throw new RealtimeError('closed')
        if (entries.size >= size) throw new RealtimeError('queue_full')
        lastAt = Math.max(lastAt + 1, wall())
        // As it is now: what becomes of the object later is none of this message.
        const message = { key, roomId, event, content: JSON.parse(JSON.stringify(content)), at: lastAt, userId: core.userId }
        enter(message, (error, published) => published ? resolve(published) : reject(error))
        storage?.put(message)
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
    drop (error, roomId) {
      for (const { message, flying, settle } of entries) if (!roomId || (message.roomId === roomId && !flying)) settle(error)
    }
  }
}
