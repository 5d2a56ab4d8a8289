import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ClientOptions } from '../../lib/client/index.js'
import type { RealtimeOptions } from '../../lib/index.js'
import { createApp } from '../helpers/app.js'
import type { TestApp } from '../helpers/app.js'
import { createLedger } from '../helpers/ledger.js'
import type { Ledger, Numbered } from '../helpers/ledger.js'
import { createSdk } from '../helpers/sdk.js'
import type { Sdk } from '../helpers/sdk.js'

/** How long faults last and traffic runs, in s: `CHAOS_SECONDS=60 npm run chaos` for more than a glance. */
export const SECONDS = Number(process.env.CHAOS_SECONDS ?? 1)

/** Messages a second by each publisher. */
export const RATE = Number(process.env.CHAOS_RATE ?? 100)

/** Short, so that tests do not wait for long; what they state is in terms of these. In ms. */
export const PROBE = 500
export const TIMEOUT = 2_000

/** Two probes and whatever a busy machine adds; test/bridge/redis-probe.test.ts is exact about it. In ms. */
export const SOON = 10_000

export const rooms: NonNullable<RealtimeOptions['rooms']> = {
  'chat:{id}': { join: () => true, publish: 'members', history: { size: 10_000 }, presence: {} },
  'small:{id}': { join: () => true, publish: 'members', history: { size: 100 } },
  'live:{id}': { join: () => true, publish: 'members', history: false }
}

const PLENTY = { max: 1_000_000, timeWindow: '10s' } as const

export const limits: NonNullable<RealtimeOptions['limits']> = { messages: PLENTY, messagesPerUser: PLENTY, joins: PLENTY }

/** Options of Redis beside its place. */
export interface Settings {
  readonly prefix?: string
  /** In ms, as the others. */
  readonly lease?: number
  readonly probe?: number
  readonly timeout?: number
}

export interface ChaosNode extends TestApp {
  readonly name: string
}

export interface Scene {
  readonly nodes: readonly [ChaosNode, ChaosNode, ...ChaosNode[]]
  readonly ledger: Ledger
  /** A client of a node that hears `chat:1` and is in the ledger by its name; only before the publishing begins. */
  subscribe (node: Pick<TestApp, 'wsUrl' | 'token'>, userId: string, options?: Partial<ClientOptions>): Promise<Sdk<unknown>>
  /** On every node a client and the application publish to `chat:1`, steadily until the ledger is closed. Resolves when all have begun. */
  begin (): Promise<void>
}

/** A node that reaches its Redis by a port of this machine. */
export async function createNode (t: Test, name: string, port: number, settings: Settings = {}): Promise<ChaosNode> {
  const app = await createApp(t, { rooms, limits, redis: { host: '127.0.0.1', port, probe: PROBE, timeout: TIMEOUT, ...settings } })
  return { ...app, name }
}

/**
 * Nodes, each with two subscribers of `chat:1`.
 * @param ports - of Redis, or of what stands before it: one for each node
 */
export async function createScene (t: Test, ports: readonly [number, number, ...number[]], settings: Settings = {}): Promise<Scene> {
  const [first, second, ...others] = ports
  const nodes: Scene['nodes'] = [
    await createNode(t, 'a', first, settings),
    await createNode(t, 'b', second, settings),
    ...await Promise.all(others.map((port, index) => createNode(t, `c${index}`, port, settings)))
  ]
  const ledger = createLedger(t)

  async function subscribe (node: Pick<TestApp, 'wsUrl' | 'token'>, userId: string, options: Partial<ClientOptions> = {}): Promise<Sdk<unknown>> {
    const sdk = createSdk(t, node, userId, options)
    const room = sdk.client.room('chat:1')
    ledger.subscriber(userId, room)
    await room.ready()
    return sdk
  }

  for (const node of nodes) for (const number of [1, 2]) await subscribe(node, `${node.name}-hears-${number}`)
  return {
    nodes,
    ledger,
    subscribe,
    async begin () {
      for (const node of nodes) {
        // One at a time: more may overtake each other where one of them is refused for a moment, as the SDK says.
        const { client } = createSdk(t, node, `${node.name}-writes`, { queue: { inFlight: 1 } })
        const room = client.room('chat:1')
        await room.ready()
        ledger.publisher(`${node.name}-client`, room.id, (content) => room.send(content), RATE)
        ledger.publisher(`${node.name}-server`, room.id, (content) => notify(node, room.id, content), RATE)
      }
      await ledger.progress(20)
    }
  }
}

/** Publishes as a careful application does: until it is known what became of it. Rejects where it is certainly not there. */
export async function notify ({ app }: TestApp, roomId: string, content: Numbered): Promise<void> {
  const key = `${content.by}:${content.n}`
  for (let doubtful = false; ;) {
    try {
      await app.realtime.notifyRoom(roomId, 'message', content, { key })
      return
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === 'RT_ERR_TIMEOUT') doubtful = true
      else if (code !== 'RT_ERR_UNAVAILABLE' || !doubtful) throw error
      await wait(20)
    }
  }
}

export const isUp = async ({ app }: TestApp): Promise<boolean> => (await app.inject({ url: '/realtime/health/ready' })).statusCode === 200
export const isDown = async (node: TestApp): Promise<boolean> => !await isUp(node)

/** What has to hold whatever happened to a link: nothing is missing, and nobody had to be told so. */
export const PERFECT = { lost: 0, silent: 0, repeated: 0, misordered: 0, forbidden: 0 }
