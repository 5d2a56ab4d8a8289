import type { Clock } from '../../clock.js'
import { userChannel } from '../bridge.js'
import type { ChannelName } from '../bridge.js'
import type { Incarnation } from './lease.js'
import type { Names } from './names.js'
import { loadScript } from './script.js'
import type { Store } from './store.js'

const HOLD = loadScript('hold')
const RELEASE = loadScript('release')

/** How long what belongs to nodes is kept without a sign of them, in ms: nobody may be there to sweep it for a while. */
export const KEPT = 24 * 60 * 60 * 1000

/** Things in one call. */
const CHUNK = 500

/** What an incarnation can hold: somebody's presence in a channel, or a user's connections. */
export type Holding = `p:${ChannelName}` | `c:${string}`

export function presenceHolding (channel: ChannelName): Holding {
  return `p:${channel}`
}

export function userHolding (userId: string): Holding {
  return `c:${userId}`
}

/** The channel in whose place something held is, and what is held there; `null`: nothing this version knows. */
export function readHolding (text: string): { kind: 'presence', channel: ChannelName } | { kind: 'user', userId: string, channel: ChannelName } | null {
  const name = text.slice(2)
  if (text.startsWith('p:') && isChannel(name)) return { kind: 'presence', channel: name }
  if (text.startsWith('c:')) return { kind: 'user', userId: name, channel: userChannel(name) }
  return null
}

function isChannel (name: string): name is ChannelName {
  return name.startsWith('r:') || name.startsWith('u:')
}

export function holdingsKey (names: Names, incarnation: string): string {
  return names.service(`holdings:${incarnation}`)
}

export interface HoldingsOptions {
  readonly clock: Clock
  readonly names: Names
  /** Each Redis lists what is held there. */
  storeOf (channel: ChannelName): Store
  stores (): readonly Store[]
}

interface Held {
  /** Tells it from what was listed under the same name before. */
  readonly number: number
  /** Whether it is on the list. */
  listed: Promise<boolean>
}

interface Waiting {
  readonly holding: Holding
  readonly held: Held
  settle (listed: boolean): void
  fail (error: unknown): void
}

/** What one incarnation holds, as survivors will find it. Something is listed before it is held; that it is listed too long does no harm. */
export class Holdings {
  readonly #options: HoldingsOptions
  #incarnation: Incarnation
  readonly #held = new Map<Holding, Held>()
  readonly #idle = new Set<Holding>()
  readonly #waiting = new Map<Store, Waiting[]>()
  /** Where this incarnation has a list. */
  readonly #begun = new Set<Store>()
  #numbers = 0
  #pass: Iterator<Holding> | null = null

  constructor (options: HoldingsOptions, incarnation: Incarnation) {
    this.#options = options
    this.#incarnation = incarnation
  }

  get size (): number {
    return this.#held.size
  }

  /** Another incarnation, which holds nothing yet. */
  begin (incarnation: Incarnation): void {
    this.#incarnation = incarnation
    this.#held.clear()
    this.#idle.clear()
    this.#begun.clear()
    this.#waiting.clear()
    this.#pass = null
  }

  /**
   * Lists something. False: the incarnation is no more, or never held what it thinks it does.
   * @throws {BridgeError} it may be listed all the same
   */
  async hold (holding: Holding, incarnation: Incarnation): Promise<boolean> {
    if (incarnation !== this.#incarnation) return false
    this.#idle.delete(holding)
    let held = this.#held.get(holding)
    if (held === undefined) {
      held = this.#list(holding)
      this.#held.set(holding, held)
      const { listed } = held
      listed.then((done) => { if (!done) this.#forget(holding, listed) }, () => this.#forget(holding, listed))
    }
    return await held.listed
  }

  /** Nothing is held there at the moment. */
  idle (holding: Holding): void {
    if (this.#held.has(holding)) this.#idle.add(holding)
  }

  /** Takes off the list what is idle. */
  async release (): Promise<void> {
    const { names } = this.#options
    const key = holdingsKey(names, nameOf(this.#incarnation))
    const byStore = new Map<Store, Array<string | number>>()
    for (const holding of this.#idle) {
      const held = this.#held.get(holding)
      const store = this.#storeOf(holding)
      this.#held.delete(holding)
      if (held === undefined || store === null) continue
      const args = byStore.get(store) ?? []
      byStore.set(store, args)
      args.push(holding, held.number)
    }
    this.#idle.clear()
    await Promise.all(Array.from(byStore, async ([store, args]) => {
      for (const chunk of chunks(args, 2 * CHUNK)) await store.run(RELEASE, [key], chunk)
    }))
  }

  /** Renews the lists. False: one is gone; of a Redis that cannot be asked that is not known. */
  async renew (): Promise<boolean> {
    const stores = [...this.#begun]
    const key = holdingsKey(this.#options.names, nameOf(this.#incarnation))
    const found = await Promise.allSettled(stores.map((store) => store.run(HOLD, [key], [KEPT, 0])))
    return found.every((result) => result.status === 'rejected' || String(result.value) === 'ok')
  }

  /** The next ones of an endless round over all that is held. */
  next (count: number): Holding[] {
    const found: Holding[] = []
    this.#pass ??= this.#held.keys()
    while (found.length < count) {
      const { done, value } = this.#pass.next()
      if (done === true) {
        this.#pass = null
        break
      }
      found.push(value)
    }
    return found
  }

  #forget (holding: Holding, listed: Promise<boolean>): void {
    if (this.#held.get(holding)?.listed === listed) this.#held.delete(holding)
  }

  #storeOf (holding: Holding): Store | null {
    const read = readHolding(holding)
    return read === null ? null : this.#options.storeOf(read.channel)
  }

  /** What is held first in one turn is listed in one call. */
  #list (holding: Holding): Held {
    const number = ++this.#numbers
    const store = this.#storeOf(holding)
    if (store === null) throw new TypeError(`${holding} cannot be held`)
    const held: Held = { number, listed: Promise.resolve(false) }
    held.listed = new Promise<boolean>((resolve, reject) => {
      let waiting = this.#waiting.get(store)
      if (waiting === undefined) {
        this.#waiting.set(store, waiting = [])
        const incarnation = this.#incarnation
        const batch = waiting
        setImmediate(() => {
          if (this.#waiting.get(store) === batch) this.#waiting.delete(store)
          for (const chunk of chunks(batch, CHUNK)) void this.#send(store, incarnation, chunk)
        })
      }
      waiting.push({ holding, held, settle: resolve, fail: reject })
    })
    return held
  }

  async #send (store: Store, incarnation: Incarnation, batch: readonly Waiting[]): Promise<void> {
    const first = !this.#begun.has(store)
    try {
      const args = [KEPT, first ? 1 : 0, ...batch.flatMap(({ holding, held }) => [holding, held.number])]
      const reply = String(await store.run(HOLD, [holdingsKey(this.#options.names, nameOf(incarnation))], args))
      if (reply === 'ok' && incarnation === this.#incarnation) this.#begun.add(store)
      for (const { settle } of batch) settle(reply === 'ok')
    } catch (error) {
      for (const { fail } of batch) fail(error)
    }
  }
}

export function nameOf ({ nodeId, number }: Incarnation): string {
  return `${nodeId}:${number}`
}

function * chunks<T> (items: readonly T[], size: number): Generator<T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size)
}
