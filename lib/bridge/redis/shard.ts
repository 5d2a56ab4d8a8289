import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { loadScript } from './script.js'
import { Store } from './store.js'
import { Subscriber } from './subscriber.js'

const PROBE = loadScript('probe')

/** How often it is tried again while Redis is away, in ms; between half of it and all of it. */
const RETRY = 1_000

/** The least between two probes, in ms, however often connections come and go. */
const MIN_GAP = 100

/** How much of the interval a probe may take: with all of it, what fails just behind a probe would be noticed later than after two. */
const PATIENCE = 0.8

/** Calls that may wait for one Redis. */
const MAX_PENDING = 100_000

/** The connections to one Redis. All of them are the bridge's own. */
export interface ShardClients {
  readonly command: Redis | Cluster
  readonly subscriber: Redis
}

export interface ShardOptions {
  readonly clients: ShardClients
  readonly clock: Clock
  /** How long a call may take, in ms. */
  readonly timeout: number
  /** How often to see whether the link is alive, in ms. */
  readonly probe: number
  /** A key and a channel that no other node uses. */
  readonly probeName: string
  onMessage (channel: string, payload: Buffer): void
  /** Fan-out to these may have been lost. */
  onRestored (channels: readonly string[]): void
  /** Redis is back: what has to be known before a call is answered. While it rejects, it is not back. */
  beforeUp (): Promise<void>
  /** `null`: all is well again. */
  onChange (reason: string | null): void
  onError (error: unknown): void
}

/** How far a probe came. */
interface Progress {
  stage: 'sent' | 'answered' | 'back'
  heard: boolean
}

/**
 * One Redis: a connection for calls, another one that hears the fan-out, and a probe that goes the whole way round: a write, a fan-out,
 * and back. Neither connection would ever notice by itself that nothing comes through any more.
 *
 * There is one probe at a time. It is down from the first sign of trouble until a probe has come back by both ways.
 */
export class Shard {
  readonly store: Store
  readonly subscriber: Subscriber
  readonly #options: ShardOptions
  /** Since when each connection tries to come about. */
  readonly #connecting = new Map<Redis | Cluster, number>()
  #reason: string | null = 'not connected yet'
  /** What the connections said last, since it was up. */
  #lastError = ''
  #probes = 0
  /** When the last one was sent, by this node's clock. */
  #probed = -Infinity
  /** The store's clock less this node's. */
  #offset = 0
  #closed = false
  #wake = (): void => {}
  #interrupt = (_problem: string): void => {}
  #hear = (_number: number): void => {}
  #started = (): void => {}

  constructor (options: ShardOptions) {
    this.#options = options
    const { clients: { command, subscriber }, clock, timeout, probeName, onMessage, onRestored } = options
    this.store = new Store({ client: command, clock, timeout, maxPending: MAX_PENDING })
    this.store.refuse(this.#reason)
    this.subscriber = new Subscriber({
      client: subscriber,
      clock,
      sharded: false,
      timeout,
      onMessage: (channel, payload) => {
        if (channel === probeName) this.#hear(Number(payload.toString()))
        else onMessage(channel, payload)
      },
      onRestored
    })
    for (const client of [command, subscriber]) {
      // Without a listener it would end the process.
      client.on('error', (error: unknown) => this.#failed(error))
      client.on('connecting', () => this.#connecting.set(client, clock.now()))
      client.on('ready', () => this.#wake())
      client.on('close', () => this.#lost())
    }
  }

  /** Why it is down; `null`: it is up. */
  get reason (): string | null {
    return this.#reason
  }

  /** The store's clock, epoch ms: never ahead of it by more than it was set back since the last probe. */
  get time (): number {
    return this.#options.clock.now() + this.#offset
  }

  /** Connects; resolves when a probe came back, or rejects after the time of a call. */
  async start (): Promise<void> {
    const { clients: { command, subscriber }, clock, timeout } = this.#options
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.timeout(() => reject(new Error(this.#reason ?? 'Redis cannot be reached')), timeout)
      this.#started = () => {
        cancel()
        resolve()
      }
      for (const client of [command, subscriber]) client.connect().catch(() => {})
      void this.#watch()
    })
  }

  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.store.close()
    this.subscriber.close()
    this.#interrupt('the bridge is closed')
    this.#wake()
    for (const client of [this.#options.clients.command, this.#options.clients.subscriber]) client.disconnect()
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
    const { clients: { command }, clock, probe } = this.#options
    this.#tend()
    if (command.status !== 'ready' || !this.subscriber.ready) {
      const why = this.#lastError === '' ? '' : `: ${this.#lastError}`
      return Promise.resolve(`there is no connection to Redis${why}`)
    }
    this.#probed = clock.now()
    return new Promise((resolve) => {
      const progress: Progress = { stage: 'sent', heard: false }
      let over = false
      const finish = (problem: string | null): void => {
        over = true
        cancel()
        this.#interrupt = () => {}
        resolve(problem)
      }
      // What came in while this process was held up is read first: that would be nobody else's fault.
      const cancel = clock.timeout(() => setImmediate(() => { if (!over) finish(this.#giveUp(progress)) }), probe * PATIENCE)
      this.#interrupt = finish
      this.#goRound(progress).then(() => finish(null), (error: unknown) => finish(messageOf(error)))
    })
  }

  async #goRound (progress: Progress): Promise<void> {
    const { clock, probe, probeName, beforeUp } = this.#options
    const number = ++this.#probes
    await this.subscriber.add(probeName)
    const heard = new Promise<void>((resolve) => {
      this.#hear = (heard) => {
        if (heard !== number) return
        progress.heard = true
        resolve()
      }
    })
    const time = Number(await this.store.run(PROBE, [probeName], [number, probe * 4, 'PUBLISH', probeName], true))
    progress.stage = 'answered'
    this.#offset = time - clock.now()
    await heard
    progress.stage = 'back'
    if (this.#reason !== null) await beforeUp()
  }

  /** The time of a probe is over. Connections that it did not come back by are made anew: they look alive and may be dead. */
  #giveUp ({ stage, heard }: Progress): string {
    const { clients: { command, subscriber } } = this.#options
    if (stage === 'back') return 'Redis is too slow'
    if (!heard && subscriber.status === 'ready') subscriber.disconnect(true)
    if (stage === 'answered') return 'Redis does not fan out'
    if (command.status === 'ready') command.disconnect(true)
    return 'Redis does not answer'
  }

  /** A connection that hangs on its way, or was given up by ioredis, would stay so. */
  #tend (): void {
    const { clients: { command, subscriber }, clock, timeout } = this.#options
    for (const client of [command, subscriber]) {
      const hanging = client.status === 'connecting' || client.status === 'connect'
      if (hanging && clock.now() - (this.#connecting.get(client) ?? clock.now()) > timeout) client.disconnect(true)
      if (client.status === 'end') client.connect().catch(() => {})
    }
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
