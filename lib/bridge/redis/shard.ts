import type { Clock } from '../../clock.js'
import { ClusterConnections } from './cluster-connections.js'
import type { ClusterClients } from './cluster-connections.js'
import type { Connections, ConnectionsEvents, Subscriptions, Way } from './connections.js'
import { loadScript } from './script.js'
import { ServerConnections } from './server-connections.js'
import type { ServerClients } from './server-connections.js'
import { Store } from './store.js'

const PROBE = loadScript('probe')

/** How often it is tried again while Redis is away, in ms; between half of it and all of it. */
const RETRY = 1_000

/** The least between two probes, in ms, however often connections come and go. */
const MIN_GAP = 100

/** How much of the interval a probe may take: with all of it, what fails just behind a probe would be noticed later than after two. */
const PATIENCE = 0.8

/** The connections to one Redis. All of them are the bridge's own. */
export type ShardClients = (ServerClients | ClusterClients) & {
  /** What tells it from the other Redis of a list, the same on every node. Needed only where there are several. */
  readonly name?: string
}

export interface ShardOptions {
  readonly clients: ShardClients
  readonly clock: Clock
  /** How long a call may take, in ms. */
  readonly timeout: number
  /** How often to see whether the link is alive, in ms. */
  readonly probe: number
  /** See {@link StoreOptions.maxPending}. */
  readonly maxPending?: number
  /** Replicas that must have what is written before {@link Shard.replicated} resolves, and for how long to wait for them, in ms. */
  readonly replicas: { readonly count: number, readonly timeout: number }
  /** Keys and channels that no other node uses, by number. */
  probeName (number: number): string
  /** In a cluster, the clock of the server that has this counts. */
  readonly clockName: string
  onMessage (channel: string, payload: Buffer): void
  /** Fan-out to these may have been lost. */
  onRestored (channels: readonly string[]): void
  /** Redis is back: what has to be known before a call is answered. While it rejects, it is not back. */
  beforeUp (): Promise<void>
  /** `null`: all is well again. */
  onChange (reason: string | null): void
  onError (error: unknown): void
}

/** How far a probe came on one way. */
interface Progress {
  answered: boolean
  heard: boolean
}

/**
 * One Redis: connections for calls, others that hear the fan-out, and a probe that goes the whole way round: a write, a fan-out, and back.
 * None of them would ever notice by itself that nothing comes through any more.
 *
 * There is one probe at a time, by every server of a cluster. It is down from the first sign of trouble until a probe has come back by all
 * ways.
 */
export class Shard {
  readonly store: Store
  readonly #options: ShardOptions
  readonly #connections: Connections
  #reason: string | null = 'not connected yet'
  /** What the connections said last, since it was up. */
  #lastError = ''
  #probes = 0
  /** When the last one was sent, by this node's clock. */
  #probed = -Infinity
  /** What waits for a probe, by the channel it comes back on. */
  readonly #hearing = new Map<string, (number: number) => void>()
  /** The store's clock less this node's. */
  #offset = 0
  #closed = false
  #wake = (): void => {}
  #interrupt = (_problem: string): void => {}
  /** The channel of a probe that is under way is subscribed again: it may have passed by. */
  #repeat = (_channels: readonly string[]): void => {}
  #started = (): void => {}

  constructor (options: ShardOptions) {
    this.#options = options
    const { clients, clock, timeout, maxPending, onMessage, onRestored } = options
    const events: ConnectionsEvents = {
      onMessage: (channel, payload) => {
        const hear = this.#hearing.get(channel)
        if (hear === undefined) onMessage(channel, payload)
        else hear(Number(payload.toString()))
      },
      onRestored: (channels) => {
        this.#repeat(channels)
        onRestored(channels)
      },
      onReady: () => this.#wake(),
      onLost: () => this.#lost(),
      onError: (error) => this.#failed(error)
    }
    this.#connections = isCluster(clients)
      ? new ClusterConnections({ ...options, clients, events, patience: options.probe / 4 })
      : new ServerConnections({ ...options, clients, events })
    const { command } = this.#connections
    this.store = new Store({ client: command, clock, timeout, maxPending, fanOut: () => this.#connections.fanOut })
    this.store.refuse(this.#reason)
  }

  get subscriber (): Subscriptions {
    return this.#connections.subscriptions
  }

  /** Why it is down; `null`: it is up. */
  get reason (): string | null {
    return this.#reason
  }

  /** The store's clock, epoch ms: never ahead of it by more than it was set back since the last probe. */
  get time (): number {
    return this.#options.clock.now() + this.#offset
  }

  /** Resolves when what was written to a key has reached enough replicas; see {@link Connections.replicated}. */
  async replicated (key: string): Promise<void> {
    await this.#connections.replicated(key)
  }

  /** See {@link Connections.identify}. */
  async identify (): Promise<string | null> {
    return await this.#connections.identify()
  }

  /** Connects; resolves when a probe came back, or rejects after the time of a call. */
  async start (): Promise<void> {
    const { clock, timeout } = this.#options
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.timeout(() => reject(new Error(this.#reason ?? 'Redis cannot be reached')), timeout)
      this.#started = () => {
        cancel()
        resolve()
      }
      this.#connections.connect()
      void this.#watch()
    })
  }

  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.store.close()
    this.#interrupt('the bridge is closed')
    this.#wake()
    this.#connections.close()
  }

  async #watch (): Promise<void> {
    const { clock, probe } = this.#options
    while (!this.#closed) {
      const began = clock.now()
      const problem = await this.#probe()
      if (this.#closed) return
      if (problem === null) this.#up()
      else this.#down(problem)
      await this.#pause(problem === null ? probe - (clock.now() - began) : RETRY * (0.5 + 0.5 * clock.random()))
    }
  }

  #pause (ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      let cancel = clock.timeout(resolve, ms)
      this.#wake = () => {
        cancel()
        if (this.#closed) resolve()
        else cancel = clock.timeout(resolve, Math.max(0, MIN_GAP - (clock.now() - this.#probed)))
      }
      // What ended while nothing waited for it.
      if (this.#closed) this.#wake()
    })
  }

  /** Resolves with what is wrong. */
  #probe (): Promise<string | null> {
    const { clock, probe } = this.#options
    this.#probed = clock.now()
    return new Promise((resolve) => {
      const progress = new Map<Way, Progress>()
      const cancels: Array<() => void> = []
      let over = false
      const finish = (problem: string | null): void => {
        if (over) return
        over = true
        for (const cancel of cancels) cancel()
        this.#interrupt = () => {}
        this.#repeat = () => {}
        this.#hearing.clear()
        resolve(problem)
      }
      // What came in while this process was held up is read first: that would be nobody else's fault.
      cancels.push(clock.timeout(() => setImmediate(() => { if (!over) finish(this.#giveUp(progress)) }), probe * PATIENCE))
      this.#interrupt = finish
      this.#goRound(progress, () => over, cancels).then(() => finish(null), (error: unknown) => finish(messageOf(error)))
    })
  }

  async #goRound (progress: Map<Way, Progress>, isOver: () => boolean, cancels: Array<() => void>): Promise<void> {
    const { beforeUp } = this.#options
    await this.#connections.prepare()
    if (isOver()) return
    if (!this.#connections.ready) {
      const why = this.#lastError === '' ? '' : `: ${this.#lastError}`
      throw new Error(`there is no connection to Redis${why}`)
    }
    const number = ++this.#probes
    const ways = this.#connections.ways()
    const offsets = await Promise.all(ways.map(async (way) => {
      const own: Progress = { answered: false, heard: false }
      progress.set(way, own)
      return await this.#goOneWay(way, own, number, isOver, cancels)
    }))
    this.#offset = offsets[0] ?? this.#offset
    if (this.#reason !== null && !isOver()) await beforeUp()
  }

  /** Resolves with what the clock of that server is ahead of this node's. */
  async #goOneWay (way: Way, progress: Progress, number: number, isOver: () => boolean, cancels: Array<() => void>): Promise<number> {
    const { clock, probe } = this.#options
    const { store, subscriber, fanOut } = { store: this.store, subscriber: this.subscriber, fanOut: this.#connections.fanOut }
    const names = new Set<string>()
    let offset = 0
    let back = (): void => {}
    const heard = new Promise<void>((resolve) => { back = resolve })
    const send = async (name: string): Promise<void> => {
      const time = Number(await store.run(PROBE, [name], [number, probe * 4, fanOut, name], true))
      progress.answered = true
      offset = time - clock.now()
    }
    const go = async (attempt: number): Promise<void> => {
      const name = way.name(attempt)
      if (names.has(name) || isOver()) return
      names.add(name)
      this.#hearing.set(name, (heard) => {
        if (heard !== number) return
        progress.heard = true
        if (progress.answered) back()
      })
      await subscriber.add(name)
      await send(name)
      if (progress.heard) back()
    }
    const repeat = this.#repeat
    this.#repeat = (channels) => {
      repeat(channels)
      for (const name of channels) if (names.has(name)) send(name).catch(() => {})
    }
    // The fan-out of a slot that is moving may not be heard; another one of the same server is.
    for (const attempt of [1, 2]) cancels.push(clock.timeout(() => { go(attempt).catch(() => {}) }, probe * PATIENCE * attempt / 3))
    await go(0)
    await heard
    return offset
  }

  /** The time of a probe is over. Connections that it did not come back by are made anew: they look alive and may be dead. */
  #giveUp (progress: ReadonlyMap<Way, Progress>): string {
    let problem = 'Redis is too slow'
    for (const [{ renewCommand, renewSubscriber }, { answered, heard }] of progress) {
      if (answered && heard) continue
      if (!heard) renewSubscriber()
      if (!answered) renewCommand()
      problem = answered ? 'Redis does not fan out' : 'Redis does not answer'
    }
    return problem
  }

  #failed (error: unknown): void {
    this.#lastError = messageOf(error)
    this.#options.onError(error)
  }

  #lost (): void {
    // While it is down, what a probe found out says more.
    if (this.#reason === null) this.#down('the connection to Redis was lost')
    this.#interrupt(this.#reason ?? '')
    this.#wake()
  }

  #up (): void {
    this.#lastError = ''
    if (this.#reason === null) return
    this.#reason = null
    this.store.refuse(null)
    this.#options.onChange(null)
    this.#started()
  }

  #down (reason: string): void {
    if (this.#closed || this.#reason === reason) return
    this.#reason = reason
    this.store.refuse(reason)
    this.#options.onChange(reason)
  }
}

/** The words alone: the errors of ioredis carry commands with their arguments, passwords among them. */
function messageOf (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  return 'code' in error ? String(error.code) : error.name
}

function isCluster (clients: ShardClients): clients is ClusterClients {
  return 'connectionTo' in clients
}
