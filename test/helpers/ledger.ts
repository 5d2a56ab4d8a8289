import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Client } from '../../lib/client/index.js'
import { parsePosition } from '../../lib/protocol/position.js'

/** What every message of a ledger says: whose it is, and its number there, from 1 on. */
export interface Numbered {
  readonly by: string
  readonly n: number
}

/** What a ledger found: all of it exact, none of it sampled. */
export interface Counts {
  /** Acknowledged messages. */
  readonly acknowledged: number
  /** Messages that the server said it certainly did not take. */
  readonly refused: number
  /** What subscribers got altogether. */
  readonly delivered: number
  /** Acknowledged and not delivered, summed over the subscribers, and of these without a `reset` in that place. */
  readonly lost: number
  readonly silent: number
  /** Delivered a second time to the same subscriber, without and with a `reset` in between. */
  readonly repeated: number
  readonly again: number
  /** Delivered behind a later one of the same publisher, or at a position that does not go up. */
  readonly misordered: number
  /** Delivered though it was refused, or nobody of this ledger wrote it. */
  readonly forbidden: number
  /** `reset`s by subscriber. */
  readonly resets: Readonly<Record<string, number>>
}

/** Publishes one message; rejects where it was refused for certain. */
export type Send = (content: Numbered) => Promise<unknown>

type Room = ReturnType<Client['room']>

type Heard = { readonly message: Numbered, readonly position: string | undefined } | 'reset' | 'foreign'

interface Subscriber {
  readonly roomId: string
  readonly heard: Heard[]
  /** Number of the last message by publisher. */
  readonly latest: Map<string, number>
}

interface Publisher {
  readonly roomId: string
  readonly acknowledged: Set<number>
  readonly refused: Set<number>
  /** Publishes the next one. Resolves with its number. */
  next (): Promise<number>
}

/** Who published what, and who got it. */
export interface Ledger {
  /** To be called before the publishers of its room begin. */
  subscriber (name: string, room: Room): void
  /** Publishes at a steady rate until {@link Ledger.close}. A message waits for the answer to the one before it. */
  publisher (name: string, roomId: string, send: Send, perSecond?: number): void
  /** Resolves when every publisher had so many more messages acknowledged than now. */
  progress (messages: number): Promise<void>
  /** Ends the publishing, sees that every subscriber gets what comes last, and counts. */
  close (): Promise<Counts>
}

/** How long anything may take that the ledger waits for, in ms. */
const PATIENCE = 30_000

export function createLedger (t: Test): Ledger {
  const publishers = new Map<string, Publisher>()
  const subscribers = new Map<string, Subscriber>()
  const running: Array<Promise<void>> = []
  const ending = new AbortController()
  t.teardown(() => ending.abort())

  async function until (what: string, condition: () => boolean): Promise<void> {
    const began = performance.now()
    while (!condition()) {
      if (performance.now() - began > PATIENCE) throw new Error(`${what}: not within ${PATIENCE} ms: ${JSON.stringify(count())}`)
      await wait(5)
    }
  }

  /** Publishes until one is acknowledged, and resolves with its number. */
  async function final ({ acknowledged, next }: Publisher): Promise<number> {
    for (const began = performance.now(); ;) {
      const n = await next()
      if (acknowledged.has(n)) return n
      if (performance.now() - began > PATIENCE) throw new Error('nothing is acknowledged any more')
      await wait(50)
    }
  }

  function count (): Counts {
    const total = { acknowledged: 0, refused: 0, delivered: 0, lost: 0, silent: 0, repeated: 0, again: 0, misordered: 0, forbidden: 0 }
    const resets: Record<string, number> = {}
    for (const { acknowledged, refused } of publishers.values()) {
      total.acknowledged += acknowledged.size
      total.refused += refused.size
    }
    for (const [name, { roomId, heard }] of subscribers) {
      const own = examine(heard, new Map([...publishers].filter(([, publisher]) => publisher.roomId === roomId)))
      for (const key of ['delivered', 'lost', 'silent', 'repeated', 'again', 'misordered', 'forbidden'] as const) total[key] += own[key]
      resets[name] = heard.filter((event) => event === 'reset').length
    }
    return { ...total, resets }
  }

  return {
    subscriber (name, room) {
      if ([...publishers.values()].some(({ roomId }) => roomId === room.id)) throw new Error('too late: nobody could say what it should get')
      const heard: Heard[] = []
      const latest = new Map<string, number>()
      subscribers.set(name, { roomId: room.id, heard, latest })
      room.on('message', ({ content, position }) => {
        heard.push(isNumbered(content) ? { message: content, position } : 'foreign')
        if (isNumbered(content)) latest.set(content.by, content.n)
      })
      room.on('reset', () => heard.push('reset'))
    },

    publisher (name, roomId, send, perSecond = 100) {
      const publisher: Publisher = {
        roomId,
        acknowledged: new Set(),
        refused: new Set(),
        async next () {
          const n = publisher.acknowledged.size + publisher.refused.size + 1
          try {
            await send({ by: name, n })
            publisher.acknowledged.add(n)
          } catch {
            publisher.refused.add(n)
          }
          return n
        }
      }
      publishers.set(name, publisher)
      running.push((async () => {
        for (let due = performance.now(); !ending.signal.aborted; due = Math.max(due + 1_000 / perSecond, performance.now() - 100)) {
          await wait(Math.max(0, due - performance.now()))
          if (!ending.signal.aborted) await publisher.next()
        }
      })())
    },

    async progress (messages) {
      const goals = [...publishers.values()].map(({ acknowledged }) => ({ acknowledged, goal: acknowledged.size + messages }))
      await until(`${messages} more messages`, () => goals.every(({ acknowledged, goal }) => acknowledged.size >= goal))
    },

    async close () {
      ending.abort()
      await Promise.all(running)
      const last = new Map<string, number>()
      for (const [name, publisher] of publishers) last.set(name, await final(publisher))
      await until('the last messages', () => [...subscribers.values()].every(({ roomId, latest }) =>
        [...publishers].every(([name, publisher]) => publisher.roomId !== roomId || latest.get(name) === last.get(name))))
      return count()
    }
  }
}

/** What one subscriber got of the publishers of its room. */
function examine (heard: readonly Heard[], publishers: ReadonlyMap<string, Publisher>): Omit<Counts, 'acknowledged' | 'refused' | 'resets'> {
  const counts = { delivered: 0, lost: 0, silent: 0, repeated: 0, again: 0, misordered: 0, forbidden: 0 }
  /** Numbers by publisher, with how many `reset`s had come by then. */
  const seen = new Map([...publishers.keys()].map((name) => [name, new Map<number, number>()]))
  let resets = 0
  /** By publisher: the last number, and whether a `reset` came since. */
  const latest = new Map<string, number>()
  const excused = new Set<string>()
  let offset = -1
  let epoch = ''

  function skip (name: string, { acknowledged }: Publisher, from: number, to: number): void {
    if (excused.has(name)) return
    for (const n of acknowledged) if (n >= from && n < to) counts.silent++
  }

  for (const event of heard) {
    if (event === 'reset') {
      for (const name of publishers.keys()) excused.add(name)
      epoch = ''
      resets++
      continue
    }
    counts.delivered++
    const publisher = event === 'foreign' ? undefined : publishers.get(event.message.by)
    if (event === 'foreign' || publisher === undefined || publisher.refused.has(event.message.n)) {
      counts.forbidden++
      continue
    }
    const { by, n } = event.message
    const last = latest.get(by) ?? 0
    const position = parsePosition(event.position ?? '')
    const before = seen.get(by)?.get(n)
    if (before !== undefined) counts[before === resets ? 'repeated' : 'again']++
    else if (n < last || position === null || (position.epoch === epoch && position.offset <= offset)) counts.misordered++
    // Another log without a word about it.
    if (epoch !== '' && position?.epoch !== epoch) counts.silent++
    epoch = position?.epoch ?? ''
    offset = position?.offset ?? -1
    seen.get(by)?.set(n, resets)
    skip(by, publisher, last + 1, n)
    latest.set(by, Math.max(last, n))
    excused.delete(by)
  }
  for (const [name, publisher] of publishers) {
    skip(name, publisher, (latest.get(name) ?? 0) + 1, Infinity)
    for (const n of publisher.acknowledged) if (seen.get(name)?.has(n) !== true) counts.lost++
  }
  return counts
}

function isNumbered (content: unknown): content is Numbered {
  return typeof content === 'object' && content !== null && 'by' in content && 'n' in content
}
