import type { ClientOptions, PendingMessage, Published, QueueStorage, StoredMessage } from '../../types/client.js'
import { createBackoff } from './backoff.js'
import type { Core } from './core.js'
import { ignore, RealtimeError } from './errors.js'
import type { Welcome } from './frames.js'

/** Messages on their way at a time. */
const WINDOW = 32

/** What part of the server's limit the queue leaves itself, and of the time of keys, for the way there takes some too. */
const SHARE = 0.8

/**
 * Messages from `publish` to their acknowledgement, in the order in which they were published. A message keeps its key from the
 * beginning, so that it may be sent again whenever the answer is in doubt.
 */
export interface Queue {
  readonly pending: PendingMessage[]
  /** Takes over what an earlier page left. Before the first connection. */
  load (): Promise<void>
  push (roomId: string, event: string, content: unknown, key?: string): Promise<Published>
  /** Sends what can be sent. */
  pump (): void
  /** The connection is gone: old waits mean nothing. */
  reset (): void
  /** Gives up what waits for a room, or everything; not what is on its way. */
  drop (error: RealtimeError, roomId?: string): void
}

interface Entry extends StoredMessage {
  sentAt?: number
  flying?: boolean
  settle (error?: RealtimeError, published?: Published): void
}

export function createQueue (core: Core, { size = 1_000, storage }: ClientOptions['queue'] = {}): Queue {
  const { wall, timeout, random, id } = core.clock
  const backoff = createBackoff(random)
  let entries = new Set<Entry>()
  let flying = 0
  /** After a retryable error: one message at a time, until one got through. */
  let single = false
  /** While waiting for better times. */
  let cancel: (() => void) | undefined
  let lastAt = 0
  let tokens = Infinity
  let countedAt = 0

  async function store<Result> (use: (storage: QueueStorage) => Result | Promise<Result>): Promise<Result | undefined> {
    try {
      return storage && await use(storage)
    } catch (error) {
      core.report(error)
    }
  }

  function save (entry: Entry): void {
    const { settle, flying, ...stored } = entry
    void store((storage) => storage.put(stored))
  }

  function enter (message: StoredMessage, done: (error?: RealtimeError, published?: Published) => void): Entry {
    const entry: Entry = {
      ...message,
      settle (error, published) {
        if (!entries.delete(entry)) return
        // What a client that ends, or another user, leaves behind is for the next one.
        if (!/closed|other/.test(error?.code ?? '')) void store((storage) => storage.delete(message))
        done(error, published)
        if (error !== undefined) core.emit('failed', { ...describe(message), error })
      }
    }
    entries.add(entry)
    return entry
  }

  function pump (): void {
    const { connected, welcome, userId } = core
    if (!connected || welcome === undefined) return
    for (const entry of entries) {
      if (cancel !== undefined || flying >= (single ? 1 : WINDOW)) return
      if (entry.flying === true) continue
      const { state } = core.room(entry.roomId).haven()
      const late = wall() - (entry.sentAt ?? Infinity) > welcome.limits.keyTtl * SHARE
      if (late || !/^j/.test(state)) entry.settle(new RealtimeError('unknown'))
      else if (entry.userId !== undefined && entry.userId !== userId) entry.settle(new RealtimeError('other_user'))
      else if (state === 'joined') {
        const ms = pace(welcome)
        if (ms > 0) pause(ms)
        else void send(entry)
      }
    }
  }

  async function send (entry: Entry): Promise<void> {
    const { key, roomId, event, content, sentAt, settle } = entry
    entry.flying = true
    flying++
    if (sentAt === undefined) {
      entry.sentAt = wall()
      save(entry)
    }
    try {
      const { position, timestamp, duplicate } = await core.request({ type: 'message', roomId, event, content: JSON.parse(content), key })
      backoff.count = 0
      single = false
      settle(undefined, { position, timestamp, duplicate, key })
    } catch (error) {
      if (!(error instanceof RealtimeError)) throw error
      const { code, retryable, retryAfter } = error
      if (retryable || code === 'timeout') {
        // Refused for now and never in doubt: its key was not used, so there is no hurry.
        if (retryable) entry.sentAt = sentAt
        single = true
        pause(backoff.next(retryAfter))
      } else if (code !== 'disconnected') settle(error)
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

  /** Takes a token of the server's bucket as it must look from here; else how long until there is one, in ms. */
  function pace ({ limits: { messages: { max, window } } }: Welcome): number {
    const now = wall()
    const rate = max * SHARE / window
    tokens = Math.min(max * SHARE, tokens + Math.max(0, now - countedAt) * rate)
    countedAt = now
    return tokens < 1 ? (1 - tokens) / rate : (tokens--, 0)
  }

  return {
    get pending () { return [...entries].map(describe) },
    async load () {
      const stored = await store((storage) => storage.load()) ?? []
      const fresh = entries
      entries = new Set()
      const known = new Set([...fresh].map(nameOf))
      for (const message of [...stored].sort((a, b) => a.at - b.at)) if (!known.has(nameOf(message))) enter(message, ignore)
      for (const entry of fresh) entries.add(entry)
    },
    push (roomId, event, content, key = id()) {
      const promise = new Promise<Published>((resolve, reject) => {
        if (core.ended) throw new RealtimeError('closed')
        if (entries.size >= size) throw new RealtimeError('queue_full', `${size} messages wait`, { roomId, key })
        lastAt = Math.max(lastAt + 1, wall())
        // As text, and now: what becomes of the object later is none of this message.
        save(enter(
          { key, roomId, event, content: JSON.stringify(content) ?? 'null', at: lastAt, userId: core.userId },
          (error, published) => published === undefined ? reject(error) : resolve(published)
        ))
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
      tokens = Infinity
    },
    drop (error, roomId) {
      for (const entry of entries) if (roomId === undefined || (entry.roomId === roomId && entry.flying !== true)) entry.settle(error)
    }
  }
}

function describe ({ key, roomId, event, content }: StoredMessage): PendingMessage {
  return { key, roomId, event, content: JSON.parse(content) }
}

function nameOf ({ roomId, key }: StoredMessage): string {
  return roomId + '\n' + key
}
