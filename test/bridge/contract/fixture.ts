import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { roomChannel } from '../../../lib/bridge/bridge.js'
import type {
  Bridge, BridgeHandlers, ChannelEvent, ChannelName, Entry, PublishResult, ReadQuery, ReadResult, Retention, Subscription
} from '../../../lib/bridge/bridge.js'
import type { Position } from '../../../lib/protocol/position.js'
import { QUIET } from '../../helpers/quiet.js'

/** One store with the nodes that share it, made for one test. What a bridge cannot do, its fixture leaves out. */
export interface ClusterFixture {
  /** A started node. A fixture is asked for as many as `nodes` of its contract says. */
  createNode (handlers: BridgeHandlers): Promise<Bridge>
  /** Closes the nodes that are still open, and the store. */
  close (): Promise<void>
  /** Moves the time of nodes and store. Without it, tests use short times and ask until they have passed. */
  readonly advance?: (ms: number) => void
  readonly faults?: Partial<Faults>
}

/** What the store and its links can be made to suffer. */
export interface Faults {
  /** The log's entries are gone, its head is not. */
  readonly loseEntries: (channel: ChannelName) => Promise<void>
  /** The log's head is gone, its entries are not. */
  readonly loseHead: (channel: ChannelName) => Promise<void>
  /** Everything is gone. */
  readonly loseAll: () => Promise<void>
  /** Remembers the store as it is; what it resolves with brings that state back, as a failover to a late replica does. */
  readonly snapshot: () => Promise<() => Promise<void>>
  /** The node stops receiving fan-out, without noticing by itself; what it resolves with lets it receive again. */
  readonly cutLink: (node: Bridge) => Promise<() => Promise<void>>
  /** The node reaches the store no more, in either direction; what it resolves with brings the store back. */
  readonly cutStore: (node: Bridge) => Promise<() => Promise<void>>
}

export interface ContractOptions {
  /** How many nodes can share the store: 1, or 2 for any number. */
  readonly nodes: 1 | 2
  /** Those that its fixtures have. */
  readonly faults?: ReadonlyArray<keyof Faults>
  create (): Promise<ClusterFixture>
}

export interface Scenario {
  readonly t: Test
  readonly fixture: ClusterFixture
  /** Where tests follow and read. */
  readonly near: Bridge
  /** Where they publish; the same node if there can be only one. */
  readonly far: Bridge
  /** A room that no other test uses. */
  readonly channel: ChannelName
  /** A time that is long if time can be moved, and short if it has to be waited for. */
  readonly ttl: number
  /** `ms` pass, and after that the condition holds, at once or at least soon. */
  passes (ms: number, condition: () => Promise<boolean>): Promise<void>
}

export type Handlers = (node: 'near' | 'far') => Partial<BridgeHandlers>

let rooms = 0

/** A channel of its own for every caller. */
export function freshChannel (): ChannelName {
  return roomChannel(`room-${++rooms}`)
}

/** Runs a test with nodes and a store of its own. */
export async function scenario (
  t: Test, options: ContractOptions, title: string, run: (scenario: Scenario) => Promise<void>, handlers: Handlers = () => ({})
): Promise<void> {
  await t.test(title, async t => {
    const fixture = await options.create()
    t.teardown(() => fixture.close())
    const create = (node: 'near' | 'far'): Promise<Bridge> => fixture.createNode({ ...QUIET, ...handlers(node) })
    const creating = create('near')
    const [near, far] = await Promise.all([creating, options.nodes === 1 ? creating : create('far')])
    const { advance } = fixture
    await run({
      t,
      fixture,
      near,
      far,
      channel: freshChannel(),
      ttl: advance === undefined ? 400 : 60_000,
      async passes (ms, condition) {
        advance?.(ms)
        for (let left = ms + 10_000; !await condition(); left -= 10) {
          if (advance !== undefined || left < 0) throw new Error(`not within ${ms} ms`)
          await wait(10)
        }
      }
    })
  })
}

/** As {@link scenario}, for a fault that not every fixture has. */
export async function faulty<F extends keyof Faults> (
  t: Test, options: ContractOptions, fault: F, title: string, run: (scenario: Scenario, hook: Faults[F]) => Promise<void>, handlers?: Handlers
): Promise<void> {
  if (options.faults?.includes(fault) !== true) return
  await scenario(t, options, title, async scenario => {
    const hook = scenario.fixture.faults?.[fault]
    if (hook === undefined) throw new Error(`the fixture has no ${fault}`)
    await run(scenario, hook)
  }, handlers)
}

export const KEEP: Retention = { size: 1000, ttl: 5 * 60_000 }

/** A client frame as the core hands it to the bridge, told apart by its number. */
export function head (number: number): string {
  return `{"type":"message","roomId":"room","event":"message","userId":"alice","content":${number}`
}

export async function publish (
  bridge: Bridge, channel: ChannelName, number: number, retention: Retention = KEEP
): Promise<{ position: Position, timestamp: number }> {
  return stored(await bridge.publish({ channel, head: head(number), retention }))
}

/** One after the other; resolves with their positions. */
export async function publishMany (
  bridge: Bridge, channel: ChannelName, from: number, to: number, retention: Retention = KEEP
): Promise<Position[]> {
  const positions: Position[] = []
  for (let number = from; number <= to; number++) positions.push((await publish(bridge, channel, number, retention)).position)
  return positions
}

/** The result of a publication that went into a log. */
export function stored (result: PublishResult | null): { status: string, position: Position, timestamp: number } {
  if (result === null || result.status === 'conflict' || result.position === undefined) {
    throw new Error(`not stored: ${JSON.stringify(result)}`)
  }
  return { status: result.status, position: result.position, timestamp: result.timestamp }
}

export function numberOf (payload: Buffer): number {
  const frame: { content: number } = JSON.parse(payload.toString())
  return frame.content
}

export function numbers (entries: readonly Entry[]): number[] {
  return entries.map(entry => numberOf(entry.payload))
}

export function range (from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
}

/** Bounds of a page that cut nothing in these tests. */
export const WHOLE = { limit: 10_000, maxBytes: 10_000_000 }

export function read (
  bridge: Bridge, channel: ChannelName, query: DistributiveOmit<ReadQuery, 'limit' | 'maxBytes'>, bounds: { limit: number, maxBytes: number } = WHOLE
): Promise<ReadResult> {
  return bridge.read(channel, { ...query, ...bounds })
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** What a listener has got so far. */
export interface Followed {
  readonly subscription: Subscription
  readonly events: readonly ChannelEvent[]
  /** Numbers of the messages, volatile ones too. */
  numbers (): number[]
  /** Resolves as soon as the condition holds; events are looked at as they come. */
  until (condition: (events: readonly ChannelEvent[]) => boolean): Promise<void>
  /** Resolves when so many messages have come. */
  messages (count: number): Promise<void>
}

export async function follow (
  bridge: Bridge, channel: ChannelName, { presence = false, onEvent }: { presence?: boolean, onEvent?: (event: ChannelEvent) => void } = {}
): Promise<Followed> {
  const events: ChannelEvent[] = []
  const waiting = new Set<() => void>()
  const subscription = await bridge.subscribe(channel, { presence }, event => {
    events.push(event)
    for (const check of waiting) check()
    onEvent?.(event)
  })

  function seen (): number[] {
    return events.flatMap(event => {
      if (event.type === 'entry') return [numberOf(event.entry.payload)]
      return event.type === 'volatile' ? [numberOf(event.payload)] : []
    })
  }

  function until (condition: (events: readonly ChannelEvent[]) => boolean): Promise<void> {
    return new Promise(resolve => {
      const check = (): void => {
        if (!condition(events)) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  }

  return { subscription, events, numbers: seen, until, messages: count => until(() => seen().length >= count) }
}
