import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import { Caretaker } from './caretaker.js'
import { ClusterSubscriber } from './cluster-subscriber.js'
import { identityOf } from './connections.js'
import type { Connections, ConnectionsEvents, FanOut, Way } from './connections.js'
import { Redirected, Replicas } from './replicas.js'
import { settled } from './settled.js'
import { addressOf, readAddress, readSlotMap } from './slot-map.js'
import type { SlotMap } from './slot-map.js'
import { SLOTS, slotOf } from './slots.js'

/** To a cluster. All of them are the bridge's own. */
export interface ClusterClients {
  readonly command: Cluster
  /** Makes a connection to one of its nodes, not connected yet. */
  connectionTo (address: { readonly host: string, readonly port: number }, role: 'subscriber' | 'replicas'): Redis
}

export interface ClusterConnectionsOptions {
  readonly clients: ClusterClients
  readonly clock: Clock
  /** How long a call may take, in ms. */
  readonly timeout: number
  /** How long the nodes may take to say who has which slots, in ms. */
  readonly patience: number
  readonly replicas: { readonly count: number, readonly timeout: number }
  probeName (number: number): string
  /** The clock of the master that has this counts. */
  readonly clockName: string
  readonly events: ConnectionsEvents
}

/** How many names are tried until one is found whose slot a master has. */
const MAX_NAMES = 200_000

/** Names a probe can choose from at one master: while a slot moves, what is published in it may not be heard. */
const NAMES = 3

/** For how many times the patience with it no node may have answered until all connections are made anew. */
const SILENCE = 2

/** Between tries to find the master of a key, in ms. */
const RETRY = 50

interface Link {
  readonly address: string
  readonly client: Redis
  readonly replicas: { readonly client: Redis, readonly barrier: Replicas } | null
  readonly way: Way
  /** Numbers of probe names that were in its slots when they were found. */
  names: number[]
  nextName: number
}

/**
 * A cluster: calls go where their keys are, by ioredis; subscriptions are on plain connections of our own, one for each master. All
 * masters have to be there: what is published on one of them, the node has to hear.
 */
export class ClusterConnections implements Connections {
  readonly command: Cluster
  readonly subscriptions: ClusterSubscriber<Link>
  readonly #options: ClusterConnectionsOptions
  readonly #caretaker: Caretaker
  readonly #links = new Map<string, Link>()
  #owners: ReadonlyArray<string | undefined> = []
  #complete = false
  #fanOut: FanOut | null = null
  /** Readings that have not begun yet, by the node they prefer. */
  readonly #planned = new Map<string | null, Promise<void>>()
  #reading: Promise<void> = Promise.resolve()
  /** Since when nodes have been asked and none has answered, by this node's clock. */
  #unanswered: number | null = null
  #closed = false

  constructor (options: ClusterConnectionsOptions) {
    this.#options = options
    const { clients: { command }, clock, timeout, events } = options
    this.command = command
    this.#caretaker = new Caretaker(clock, timeout)
    this.#caretaker.watch(command)
    command.on('error', events.onError)
    command.on('node error', events.onError)
    command.on('ready', events.onReady)
    command.on('close', () => {
      this.#unanswered = null
      events.onLost()
    })
    this.subscriptions = new ClusterSubscriber({
      clock,
      timeout,
      home: (slot) => this.#home(slot),
      sharded: () => this.fanOut === 'SPUBLISH',
      redirected: async (link) => await this.#learn(link.address).catch(() => {}),
      onMessage: events.onMessage,
      onRestored: events.onRestored
    })
  }

  get fanOut (): FanOut {
    return this.#fanOut ?? 'SPUBLISH'
  }

  get ready (): boolean {
    if (this.command.status !== 'ready' || !this.#complete) return false
    for (const { client, replicas } of this.#links.values()) {
      if (client.status !== 'ready' || (replicas !== null && replicas.client.status !== 'ready')) return false
    }
    return true
  }

  connect (): void {
    this.#caretaker.connect()
  }

  close (): void {
    this.#closed = true
    this.subscriptions.close()
    for (const { replicas } of this.#links.values()) replicas?.barrier.close()
    this.#caretaker.end()
  }

  async prepare (): Promise<void> {
    this.#caretaker.tend()
    if (this.command.status === 'ready') await this.#learn(null)
  }

  ways (): readonly Way[] {
    const first = this.#owners[slotOf(this.#options.clockName)]
    return [...this.#links.values()].sort((a, b) => Number(b.address === first) - Number(a.address === first)).map(({ way }) => way)
  }

  async replicated (key: string): Promise<void> {
    const { clock, replicas: { timeout } } = this.#options
    const end = clock.now() + timeout
    for (;;) {
      const link = this.#linkOf(slotOf(key))
      try {
        await link?.replicas?.barrier.confirm(key)
        if (link !== null) return
      } catch (error) {
        if (!(error instanceof Redirected)) throw error
        await this.#learn(link?.address ?? null).catch(() => {})
      }
      if (clock.now() >= end || this.#closed) throw new BridgeError('timeout', 'it is not certain that this lasts: it is moving from master to master')
      await new Promise<void>((resolve) => { clock.timeout(resolve, RETRY) })
    }
  }

  async identify (): Promise<string | null> {
    const nodes = [...this.#links.keys()].sort().map((address) => this.#node(address))
    try {
      return identityOf(await Promise.all(nodes.flatMap((node) => ['server', 'replication'].map(async (section) => await node?.info(section)))))
    } catch {
      return null
    }
  }

  /** Reads the map of slots and goes by it. One who asks while one is read gets the next one. */
  #learn (preferred: string | null): Promise<void> {
    const planned = this.#planned.get(preferred)
    if (planned !== undefined) return planned
    const reading = this.#reading.catch(() => {}).then(async () => {
      this.#planned.delete(preferred)
      if (!this.#closed) await this.#read(preferred)
    })
    this.#planned.set(preferred, reading)
    this.#reading = reading
    return reading
  }

  async #read (preferred: string | null): Promise<void> {
    const { owners } = await this.#readMap(preferred)
    if (this.#closed) return
    this.#complete = true
    for (let slot = 0; slot < SLOTS; slot++) if (owners[slot] === undefined) this.#complete = false
    if (this.#owners.length === SLOTS && owners.every((owner, slot) => owner === this.#owners[slot])) {
      // Also where nothing has changed: one that failed is tried again.
      this.subscriptions.arrange()
      return
    }
    const masters = new Set(owners.filter((owner) => owner !== undefined))
    await this.#findFanOut([...masters])
    if (this.#closed) return
    this.#owners = owners
    // Its own map says where calls go.
    this.command.refreshSlotsCache(() => {})
    for (const address of masters) if (!this.#links.has(address)) this.#open(address)
    const gone = [...this.#links.values()].filter(({ address }) => !masters.has(address))
    for (const { address } of gone) this.#links.delete(address)
    this.subscriptions.arrange()
    for (const { client, replicas } of gone) {
      replicas?.barrier.close()
      if (replicas !== null) this.#caretaker.end(replicas.client)
      this.#caretaker.end(client)
    }
  }

  /** Without a map there is no way for a probe to go, which would find dead connections: they are found here. */
  async #readMap (preferred: string | null): Promise<SlotMap> {
    const { clock, patience } = this.#options
    if (this.command.status === 'ready') this.#unanswered ??= clock.now()
    try {
      return await readSlotMap(this.command, { clock, timeout: patience, preferred, onAnswer: () => { this.#unanswered = null } })
    } catch (error) {
      // Not at once: a cluster that is slow would have its connections to make on top of it.
      if (this.#unanswered !== null && clock.now() - this.#unanswered >= SILENCE * patience) this.#renewAll()
      throw error
    }
  }

  #renewAll (): void {
    this.#unanswered = null
    if (this.command.status === 'ready') this.command.disconnect(true)
    for (const { client, replicas } of this.#links.values()) {
      for (const one of [client, replicas?.client]) if (one?.status === 'ready') one.disconnect(true)
    }
  }

  /** Sharded Pub/Sub is there since Redis 7. All nodes of the application find the same: it is the oldest master that decides. */
  async #findFanOut (masters: readonly string[]): Promise<void> {
    if (this.#fanOut !== null) return
    const { clock, patience } = this.#options
    const versions: number[] = []
    // Readings wait for each other, so none may wait for ever.
    await settled(masters.map(async (address) => {
      const info = await this.#node(address)?.info('server')
      versions.push(Number(/^redis_version:(\d+)/m.exec(String(info))?.[1] ?? 7))
    }), clock, patience)
    if (versions.length < masters.length) throw new Error('a master of the cluster does not say which version it has')
    this.#fanOut = Math.min(...versions) < 7 ? 'PUBLISH' : 'SPUBLISH'
  }

  #open (address: string): void {
    const { clients, clock, replicas: { count, timeout }, events } = this.#options
    const client = clients.connectionTo(readAddress(address), 'subscriber')
    const copies = count === 0 ? null : clients.connectionTo(readAddress(address), 'replicas')
    const link: Link = {
      address,
      client,
      replicas: copies === null ? null : { client: copies, barrier: new Replicas({ client: copies, clock, count, timeout }) },
      way: {
        name: (attempt) => this.#probeName(link, attempt),
        renewCommand: () => this.#node(address)?.disconnect(),
        renewSubscriber: () => { if (client.status === 'ready') client.disconnect(true) }
      },
      names: [],
      nextName: 0
    }
    this.#links.set(address, link)
    this.subscriptions.attach(link)
    for (const one of copies === null ? [client] : [client, copies]) {
      this.#caretaker.watch(one)
      one.on('error', events.onError)
      one.on('ready', events.onReady)
      // One that has no slots any more may go.
      one.on('close', () => { if (this.#links.get(address) === link) events.onLost() })
      one.connect().catch(() => {})
    }
  }

  #linkOf (slot: number): Link | null {
    const owner = this.#owners[slot]
    return owner === undefined ? null : this.#links.get(owner) ?? null
  }

  /** Without sharded Pub/Sub every master hears all that is published in the cluster. */
  #home (slot: number): Link | null {
    if (this.fanOut === 'SPUBLISH') return this.#linkOf(slot)
    for (const link of this.#links.values()) if (this.subscriptions.isReady(link)) return link
    return null
  }

  #probeName (link: Link, attempt: number): string {
    const { probeName } = this.#options
    const isThere = (number: number): boolean => this.#owners[slotOf(probeName(number))] === link.address
    link.names = link.names.filter(isThere)
    for (let tried = 0; link.names.length < NAMES && tried < MAX_NAMES; tried++) {
      const number = link.nextName++
      if (isThere(number)) link.names.push(number)
    }
    return probeName(link.names[attempt % Math.max(1, link.names.length)] ?? 0)
  }

  #node (address: string): Redis | undefined {
    return this.command.nodes('all').find((node) => addressOf(node) === address)
  }
}
