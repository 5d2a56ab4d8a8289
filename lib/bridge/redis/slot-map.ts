import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { settled } from './settled.js'
import { SLOTS } from './slots.js'

/** Which master has which slot, as one node of the cluster sees it. */
export interface SlotMap {
  /** `host:port` by slot; nothing where no master has it. */
  readonly owners: ReadonlyArray<string | undefined>
  /** Grows with every change in the cluster: who sees the greatest has seen the latest. */
  readonly epoch: number
  /** Whether the node thinks that the cluster works. */
  readonly ok: boolean
}

export interface SlotMapOptions {
  readonly clock: Clock
  /** How long nodes may take to answer, in ms: the masters, and if none of them does, the others. */
  readonly timeout: number
  /** One that is right where others know the same. */
  readonly preferred: string | null
  /** A node has said something, in time or not. */
  onAnswer (): void
}

/** What nodes said instead of an answer. */
interface Refusals {
  last: string
}

/** @throws when none of the cluster's nodes answers in time */
export async function readSlotMap (cluster: Cluster, options: SlotMapOptions): Promise<SlotMap> {
  const masters = cluster.nodes('master')
  const others = cluster.nodes('all').filter((node) => !masters.includes(node))
  const refusals: Refusals = { last: '' }
  const found = await ask(cluster, masters, options, refusals) ?? await ask(cluster, others, options, refusals)
  if (found !== null) return found
  throw new Error(`no node of the cluster says who has which slots${refusals.last === '' ? '' : `: ${refusals.last}`}`)
}

/**
 * All of them, since one that is cut off from the others still believes what was true before. Among those who know the same, the
 * preferred one is right: it has said itself that it lost something.
 */
async function ask (
  cluster: Cluster, nodes: readonly Redis[], { clock, timeout, preferred, onAnswer }: SlotMapOptions, refusals: Refusals
): Promise<SlotMap | null> {
  let best: SlotMap | null = null
  const asked = nodes.map(async (node) => {
    try {
      const map = await readFrom(cluster, node)
      onAnswer()
      if (best === null || isBetter(map, best, addressOf(node) === preferred)) best = map
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ReplyError') return
      // One that refuses is there.
      onAnswer()
      refusals.last = error.message
    }
  })
  await settled(asked, clock, timeout)
  return best
}

function isBetter (map: SlotMap, best: SlotMap, preferred: boolean): boolean {
  if (map.ok !== best.ok) return map.ok
  return map.epoch > best.epoch || (map.epoch === best.epoch && preferred)
}

async function readFrom (cluster: Cluster, node: Redis): Promise<SlotMap> {
  const [slots, info] = await Promise.all([node.call('cluster', 'slots'), node.call('cluster', 'info')])
  const owners = new Array<string | undefined>(SLOTS)
  if (!Array.isArray(slots)) throw new TypeError('CLUSTER SLOTS is not a list')
  for (const range of slots) {
    if (!Array.isArray(range)) continue
    const [from, to, master]: readonly unknown[] = range
    if (!Array.isArray(master)) continue
    const [host, port]: readonly unknown[] = master
    // Without a name it is where it was asked.
    const owner = mapped(cluster, `${String(host ?? '') || (node.options.host ?? '')}:${Number(port)}`)
    owners.fill(owner, Number(from), Number(to) + 1)
  }
  const epoch = Number(/^cluster_current_epoch:(\d+)/m.exec(String(info))?.[1] ?? 0)
  return { owners, epoch, ok: /^cluster_state:ok/m.test(String(info)) }
}

/** Where a node is for us. */
function mapped (cluster: Cluster, address: string): string {
  const { natMap } = cluster.options
  const found = typeof natMap === 'function' ? natMap(address) : natMap?.[address]
  return found === undefined || found === null ? address : `${found.host}:${found.port}`
}

export function addressOf ({ options: { host = '127.0.0.1', port = 6379 } }: Redis): string {
  return `${host}:${port}`
}

export function readAddress (address: string): { readonly host: string, readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}
