import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { loadScript } from './script.js'
import { Store } from './store.js'
import { Subscriber } from './subscriber.js'

const PROBE = loadScript('probe')

/** How often it is tried again while Redis is away, in ms; between half of it and all of it. */
const RETRY = 1_000

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
  /** `null`: all is well again. */
  onChange (reason: string | null): void
  onError (error: unknown): void
}

/**
 * One Redis: a connection for calls, another one that hears the fan-out, and a probe that goes the whole way round: a write, a fan-out,
 * and back. Neither connection would ever notice by itself that nothing comes through any more.
 */
export class Shard {
  readonly store: Store
  readonly subscriber: Subscriber
  readonly #options: ShardOptions
  #sent = 0
  #heard = 0
  /** The probe's answer has come. */
  #answered = false
  #reason: string | null = 'not connected yet'
  #cancel = (): void => {}
  #closed = false

  constructor (options: ShardOptions) {
    this.#options = options
    const { clients: { command, subscriber }, clock, timeout, probeName, onMessage, onRestored, onError } = options
    this.store = new Store({ client: command, clock, timeout, maxPending: 100_000 })
    this.store.refuse(this.#reason)
    this.subscriber = new Subscriber({
      client: subscriber,
      clock,
      sharded: false,
      timeout,
      onMessage: (channel, payload) => {
        if (channel === probeName) this.#hear(payload)
        else onMessage(channel, payload)
      },
      onRestored: (channels) => {
        onRestored(channels)
        this.#soon()
      }
    })
    for (const client of [command, subscriber]) {
      // Without a listener it would end the process; what it means is found out by the probe.
      client.on('error', onError)
      client.on('close', () => this.#down('the connection to Redis was lost'))
      client.on('ready', () => this.#soon())
    }
  }

  get reason (): string | null {
    return this.#reason
  }

  /** Connects; resolves when a probe came back, or rejects after the time of a call. */
  async start (): Promise<void> {
    const { clients: { command, subscriber }, clock, timeout } = this.#options
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.timeout(() => reject(new Error(`Redis cannot be reached: ${this.#reason ?? ''}`)), timeout)
      this.#started = () => {
        cancel()
        resolve()
      }
      for (const client of [command, subscriber]) client.connect().catch(() => {})
      this.#soon()
    })
  }

  #started = (): void => {}

  close (): void {
    this.#closed = true
    this.#cancel()
    this.store.close()
    this.subscriber.close()
    for (const client of [this.#options.clients.command, this.#options.clients.subscriber]) client.disconnect()
  }

  #soon (): void {
    if (this.#closed || this.#reason === null) return
    this.#cancel()
    this.#cancel = this.#options.clock.timeout(() => this.#probe(), 0)
  }

  #probe (): void {
    if (this.#closed) return
    const { clients, clock, probe, probeName, onError } = this.#options
    if (this.#sent > this.#heard && this.#reason === null) {
      this.#down(this.#answered ? 'Redis does not fan out' : 'Redis does not answer')
    }
    // Whoever does not answer is connected anew: a link that ends nowhere looks like one that is merely silent.
    if (this.#sent > this.#heard && this.#sent > 0) {
      if (clients.subscriber.status === 'ready') clients.subscriber.disconnect(true)
      if (!this.#answered && clients.command.status === 'ready') clients.command.disconnect(true)
      this.#heard = this.#sent
    }
    const wait = this.#reason === null ? probe : RETRY * (0.5 + 0.5 * clock.random())
    this.#cancel = clock.timeout(() => this.#probe(), wait)
    if (clients.command.status !== 'ready' || !this.subscriber.ready) return
    const number = ++this.#sent
    this.#answered = false
    this.subscriber.add(probeName).then(async () => {
      await this.store.probeScript(PROBE, [probeName], [number, probe * 4, 'PUBLISH', probeName])
      if (number === this.#sent) this.#answered = true
    }).catch((error: unknown) => {
      if (number !== this.#sent || this.#closed) return
      this.#heard = number
      this.#down(error instanceof Error ? error.message : String(error))
      onError(error)
    })
  }

  #hear (payload: Buffer): void {
    const number = Number(payload.toString())
    if (number !== this.#sent) return
    this.#heard = number
    if (this.#reason === null) return
    this.#reason = null
    this.store.refuse(null)
    this.#options.onChange(null)
    this.#started()
  }

  #down (reason: string): void {
    if (this.#closed || this.#reason === reason) return
    const before = this.#reason
    this.#reason = reason
    this.store.refuse(reason)
    if (before !== reason) this.#options.onChange(reason)
    this.#soonAfterLoss()
  }

  /** Not at once: every node loses its connection in the same moment. */
  #soonAfterLoss (): void {
    this.#cancel()
    const { clock } = this.#options
    this.#cancel = clock.timeout(() => this.#probe(), RETRY * clock.random())
  }
}
