import { setTimeout as wait } from 'node:timers/promises'
import { BridgeError } from '../../lib/bridge/bridge.js'
import type { Bridge, ChannelEvent, ChannelName } from '../../lib/bridge/bridge.js'
import { until } from './until.js'

/** What a ledger found: all of it exact, none of it sampled. */
export interface BridgeCounts {
  /** Publications that were acknowledged, refused for certain, and neither. */
  readonly acknowledged: number
  readonly refused: number
  readonly inDoubt: number
  /** Acknowledged, and not in the log in the end. */
  readonly lost: number
  /** In the log in the end, and never told to somebody who followed it, nor covered by a `reset`; summed over the followers. */
  readonly missed: number
  /** Told, not in the log in the end, and not followed by a `reset`; summed over the followers. */
  readonly unsaid: number
  /** Told again to the same follower. */
  readonly repeated: number
  /** Told at a position that does not go up, or in the log behind what its publisher published later, both acknowledged. */
  readonly misordered: number
  /** In the log, or told, though it was refused. */
  readonly forbidden: number
  /** By follower. */
  readonly resets: readonly number[]
}

/** Who published what to one channel, and who was told of it. */
export interface BridgeLedger {
  follow (bridge: Bridge): Promise<void>
  /** Publishes at a steady rate until {@link BridgeLedger.close}, whether or not the ones before were answered. */
  publish (bridge: Bridge, perSecond: number): void
  /** Resolves when every publisher had so many more publications acknowledged than now. */
  progress (count: number): Promise<void>
  /** Resolves when so many more are in doubt. */
  doubts (count: number): Promise<void>
  /** Ends the publishing, sees that everybody gets what comes last, and counts. */
  close (): Promise<BridgeCounts>
}

const RETENTION = { size: 1_000_000, ttl: 10 * 60_000 }

/** More than one publisher publishes. */
const SPAN = 1_000_000

interface Publisher {
  readonly bridge: Bridge
  readonly acknowledged: Set<number>
  readonly refused: Set<number>
  readonly inDoubt: Set<number>
  readonly flying: Set<Promise<void>>
  next (): Promise<void>
}

export function createBridgeLedger (channel: ChannelName): BridgeLedger {
  const publishers: Publisher[] = []
  const followers: ChannelEvent[][] = []
  const running: Array<Promise<void>> = []
  const ending = new AbortController()

  async function progress (count: number): Promise<void> {
    const goals = publishers.map(({ acknowledged }) => ({ acknowledged, goal: acknowledged.size + count }))
    await until(`${count} more publications`, () => goals.every(({ acknowledged, goal }) => acknowledged.size >= goal))
  }

  async function entries (): Promise<Map<number, number>> {
    const [{ bridge } = { bridge: null }] = publishers
    const log = await bridge?.read(channel, { last: SPAN, limit: SPAN, maxBytes: 1e9 })
    return new Map(log?.entries.map(({ payload, position }) => [numberOf(payload), position.offset]))
  }

  function outcomes (kind: 'acknowledged' | 'refused' | 'inDoubt'): Set<number> {
    return new Set(publishers.flatMap((publisher) => [...publisher[kind]]))
  }

  return {
    async follow (bridge) {
      const events: ChannelEvent[] = []
      followers.push(events)
      await bridge.subscribe(channel, { presence: false }, (event) => events.push(event))
    },

    publish (bridge, perSecond) {
      const base = publishers.length * SPAN
      let count = 0
      const publisher: Publisher = {
        bridge,
        acknowledged: new Set(),
        refused: new Set(),
        inDoubt: new Set(),
        flying: new Set(),
        async next () {
          const number = base + ++count
          try {
            await bridge.publish({ channel, head: `{"type":"message","content":${number}`, retention: RETENTION })
            publisher.acknowledged.add(number)
          } catch (error) {
            if (!(error instanceof BridgeError)) throw error
            publisher[error.code === 'timeout' ? 'inDoubt' : 'refused'].add(number)
          }
        }
      }
      publishers.push(publisher)
      running.push((async () => {
        for (let due = performance.now(); !ending.signal.aborted; due += 1_000 / perSecond) {
          await wait(Math.max(0, due - performance.now()))
          const flight = publisher.next().finally(() => publisher.flying.delete(flight))
          publisher.flying.add(flight)
        }
        await Promise.all(publisher.flying)
      })())
    },

    progress,

    async doubts (count) {
      const goal = outcomes('inDoubt').size + count
      await until(`${count} more doubts`, () => outcomes('inDoubt').size >= goal)
    },

    async close () {
      ending.abort()
      await Promise.all(running)
      for (const publisher of publishers) {
        const before = publisher.acknowledged.size
        await until('a last publication', async () => {
          await publisher.next()
          return publisher.acknowledged.size > before
        })
      }
      const log = await entries()
      const [last = 0] = [...log.keys()].slice(-1)
      await until('everybody has the last publication', () => followers.every((events) => events.some((event) => isEntry(event, last))))

      const acknowledged = outcomes('acknowledged')
      const refused = outcomes('refused')
      const counts = { missed: 0, unsaid: 0, repeated: 0, misordered: 0, forbidden: 0 }
      for (const number of refused) if (log.has(number)) counts.forbidden++
      const latest = new Map<number, number>()
      for (const number of log.keys()) {
        if (!acknowledged.has(number)) continue
        const by = Math.floor(number / SPAN)
        if (number < (latest.get(by) ?? 0)) counts.misordered++
        latest.set(by, number)
      }
      for (const events of followers) add(counts, examine(events, log, refused))
      return {
        acknowledged: acknowledged.size,
        refused: refused.size,
        inDoubt: outcomes('inDoubt').size,
        lost: [...acknowledged].filter((number) => !log.has(number)).length,
        ...counts,
        resets: followers.map((events) => events.filter(({ type }) => type === 'reset').length)
      }
    }
  }
}

type Found = Record<'missed' | 'unsaid' | 'repeated' | 'misordered' | 'forbidden', number>

function add (counts: Found, more: Found): void {
  for (const key of ['missed', 'unsaid', 'repeated', 'misordered', 'forbidden'] as const) counts[key] += more[key]
}

function examine (events: readonly ChannelEvent[], log: ReadonlyMap<number, number>, refused: ReadonlySet<number>): Found {
  const found: Found = { missed: 0, unsaid: 0, repeated: 0, misordered: 0, forbidden: 0 }
  /** What was told since the last `reset`, and all. */
  const current = new Set<number>()
  const all = new Set<number>()
  let offset = 0
  /** Up to where a `reset` says that something may be missing. */
  let excused = 0
  for (const event of events) {
    if (event.type === 'reset') {
      current.clear()
      offset = excused = event.position.offset
    } else if (event.type === 'entry') {
      const number = numberOf(event.entry.payload)
      if (all.has(number)) found.repeated++
      if (refused.has(number)) found.forbidden++
      if (event.entry.position.offset <= offset) found.misordered++
      offset = event.entry.position.offset
      all.add(number)
      current.add(number)
    }
  }
  for (const number of current) if (!log.has(number)) found.unsaid++
  for (const [number, offset] of log) if (!all.has(number) && offset > excused) found.missed++
  return found
}

function isEntry (event: ChannelEvent, number: number): boolean {
  return event.type === 'entry' && numberOf(event.entry.payload) === number
}

function numberOf (payload: Buffer): number {
  const frame: { content: number } = JSON.parse(payload.toString())
  return frame.content
}
