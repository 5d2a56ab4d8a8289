import type { Clock } from '../../clock.js'
import { KEPT, nameOf } from './holdings.js'
import type { Names } from './names.js'
import { loadScript } from './script.js'
import { listOf } from './store.js'
import type { Reply, Store } from './store.js'

const BEAT = loadScript('node-beat')
const BURY = loadScript('node-bury')

/** One life of a node as the others see it. Its name among all of them is `<nodeId>:<number>`. */
export interface Incarnation {
  readonly nodeId: string
  /** Grows, so that whoever buries one buries those before it. */
  readonly number: number
}

/** In how many reads the same counter must have been seen before its node is taken for dead, the first one included. */
const READS = 4

export interface LeaseOptions {
  readonly clock: Clock
  readonly names: Names
  readonly nodeId: string
  /** How long a node may be silent, in ms. */
  readonly lease: number
  /** Where the registry is. */
  store (): Store
  /** Another incarnation begins, which holds nothing; what the one before held has to be given to it. */
  renewed (incarnation: Incarnation): void
  /** Whether that is done. */
  restored (incarnation: Incarnation): boolean
  /** After every sign of life, with the incarnations whose holdings nobody has swept to the end yet. */
  beaten (dead: readonly string[]): void
  /** What tells the Redis (its state, not its address) from another one; `null`: unknown. */
  identify (): Promise<string | null>
}

interface Seen {
  readonly counter: string
  readonly since: number
  reads: number
}

/**
 * Shows the other nodes that this one lives, and finds out which of them do. What is compared are counters and this node's own clock:
 * no pause of Redis, of the network or of this node makes another one look dead.
 */
export class Lease {
  readonly #options: LeaseOptions
  #incarnation: Incarnation
  /** Settles when the incarnation is in the registry. */
  #entered: Promise<void> | null = null
  #isEntered = false
  /** Incarnations before this one that are still in the registry, until what they held has been handed on. */
  #older: Incarnation[] = []
  /** The counters this node knows its incarnations to have. */
  readonly #counters = new Map<Incarnation, number>()
  readonly #seen = new Map<string, Seen>()
  #calls = 0
  #identity: string | null = null
  #lastBeat = -Infinity
  #beating = false
  #cancel = (): void => {}
  #closed = false

  constructor (options: LeaseOptions) {
    this.#options = options
    this.#incarnation = { nodeId: options.nodeId, number: 1 }
  }

  get incarnation (): Incarnation {
    return this.#incarnation
  }

  /** Numbers the calls of this node, whatever its incarnation. */
  nextCall (): number {
    return ++this.#calls
  }

  /** Ids of the nodes that are alive, as the store knows them now. */
  async read (): Promise<string[]> {
    const { store, names } = this.#options
    const registry = listOf(await store().command('hkeys', names.service('nodes'))).map(String)
    return [...new Set(registry.map(nodeOf))]
  }

  async start (): Promise<void> {
    await this.entered()
    this.#identity = await this.#options.identify()
    await this.#beat()
  }

  /** The incarnation, when it is in the registry: who calls before that could die without anybody knowing of it. */
  async entered (): Promise<Incarnation> {
    while (!this.#isEntered) {
      this.#entered ??= this.#enter(this.#incarnation).finally(() => { this.#entered = null })
      await this.#entered
    }
    return this.#incarnation
  }

  /** An incarnation may change nothing any more, or the store has lost what it holds. */
  lost (incarnation: Incarnation): void {
    if (incarnation !== this.#incarnation || this.#closed) return
    this.#older = [...this.#older, incarnation]
    this.#renew()
  }

  /** The link to the store is back. What the store has now may be older than what it had. */
  reconnected (): void {
    this.#seen.clear()
    if (this.#closed) return
    this.#compare().catch(() => this.#again())
  }

  /** Leaves the registry, so that the others need not wait for the lease to take over what is left. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#cancel()
    const all = [...this.#older, this.#incarnation]
    await Promise.all(all.map((incarnation) => this.#bury(nameOf(incarnation), '').catch(() => {})))
  }

  async #compare (): Promise<void> {
    const identity = await this.#options.identify()
    if (identity === null || identity !== this.#identity) {
      this.#identity = identity
      // Under the same name nobody could tell what this node holds from what a store that lost some calls thinks it does.
      this.lost(this.#incarnation)
    }
    await this.#beat()
  }

  #renew (): void {
    this.#incarnation = { nodeId: this.#options.nodeId, number: this.#incarnation.number + 1 }
    this.#isEntered = false
    this.#entered = null
    this.#options.renewed(this.#incarnation)
    this.#again()
  }

  async #enter (incarnation: Incarnation): Promise<void> {
    const [counter] = listOf(listOf(await this.#run([nameOf(incarnation), 'enter']))[0])
    if (incarnation !== this.#incarnation) return
    if (counter === 0) this.#renew()
    else {
      this.#counters.set(incarnation, Number(counter))
      this.#isEntered = true
    }
  }

  #run (incarnations: readonly string[]): Promise<Reply> {
    const { store, names } = this.#options
    return store().run(BEAT, [names.service('nodes'), names.service('nodes', 'dead')], [KEPT, ...incarnations])
  }

  async #bury (name: string, counter: string): Promise<void> {
    const { store, names } = this.#options
    await store().run(BURY, [names.service('nodes'), names.service('nodes', 'dead')], [KEPT, name, counter])
  }

  /** A little later: every node has lost its connection in the same moment. */
  #again (): void {
    const { clock, lease } = this.#options
    this.#plan(lease / 12 * clock.random())
  }

  #plan (wait: number): void {
    if (this.#closed) return
    this.#cancel()
    this.#cancel = this.#options.clock.timeout(() => { void this.#beat() }, wait)
  }

  /** Never rejects. */
  async #beat (): Promise<void> {
    if (this.#beating || this.#closed) return
    this.#beating = true
    const { clock, lease, beaten } = this.#options
    const began = clock.now()
    try {
      // Who was silent, or stopped, for long has not watched the others.
      if (began - this.#lastBeat > lease * 2 / 3) this.#seen.clear()
      this.#lastBeat = began
      const dead = await this.#show()
      this.#lastBeat = clock.now()
      beaten(dead)
    } catch {
      this.#seen.clear()
    } finally {
      this.#beating = false
      // At the latest a third of the lease after the last one began, however long the rest took.
      this.#plan(Math.max(lease / 30, lease / 3 - (clock.now() - began)))
    }
  }

  async #show (): Promise<string[]> {
    const { clock, lease, restored } = this.#options
    await this.entered()
    const began = clock.now()
    const own = [...this.#older, this.#incarnation]
    const [results, registry, dead] = listOf(await this.#run(own.flatMap((incarnation) => [nameOf(incarnation), 'beat'])))
    for (const [index, incarnation] of own.entries()) this.#count(incarnation, Number(listOf(results)[index]))
    const now = clock.now()
    // An answer that took long says how the others were doing at another time than it seems to.
    if (now - began > lease / 3) this.#seen.clear()
    await this.#watch(listOf(registry).map(String), now)
    if (this.#isEntered && this.#older.length > 0 && restored(this.#incarnation)) {
      const handedOn = this.#older
      await Promise.all(handedOn.map((incarnation) => this.#bury(nameOf(incarnation), '')))
      this.#older = this.#older.filter((incarnation) => !handedOn.includes(incarnation))
      for (const incarnation of handedOn) this.#counters.delete(incarnation)
    }
    return listOf(dead).map(String)
  }

  /** A counter that is gone: the incarnation was taken for dead. One that went back: so did everything else in the store. */
  #count (incarnation: Incarnation, counter: number): void {
    const isBack = counter <= (this.#counters.get(incarnation) ?? 0)
    this.#counters.set(incarnation, counter)
    if (isBack && counter > 0) this.lost(incarnation)
    if (counter > 0) return
    this.#counters.delete(incarnation)
    if (incarnation === this.#incarnation) this.#renew()
    else this.#older = this.#older.filter((older) => older !== incarnation)
  }

  async #watch (registry: readonly string[], now: number): Promise<void> {
    const { lease, nodeId } = this.#options
    const silent: Array<[string, string]> = []
    for (let index = 0; index < registry.length; index += 2) {
      const [name = '', counter = ''] = registry.slice(index, index + 2)
      if (nodeOf(name) === nodeId) continue
      const seen = this.#seen.get(name)
      if (seen === undefined || seen.counter !== counter) this.#seen.set(name, { counter, since: now, reads: 1 })
      else if (++seen.reads >= READS && now - seen.since >= lease) silent.push([name, counter])
    }
    const known = new Set(registry)
    for (const name of this.#seen.keys()) if (!known.has(name)) this.#seen.delete(name)
    await Promise.all(silent.map(([name, counter]) => this.#bury(name, counter)))
  }
}

/** The node of an incarnation's name. */
function nodeOf (name: string): string {
  return name.slice(0, name.lastIndexOf(':'))
}
