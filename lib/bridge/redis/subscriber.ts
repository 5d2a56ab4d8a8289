import type { Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { Subscriptions } from './connections.js'

export interface SubscriberOptions {
  /** A connection of its own, without `autoResubscribe`: what has to be subscribed is known here. */
  readonly client: Redis
  readonly clock: Clock
  /** How long a subscription may take, in ms. */
  readonly timeout: number
  onMessage (channel: string, payload: Buffer): void
  /** These are subscribed again after the connection was lost, more may follow: whatever was fanned out meanwhile is missing. */
  onRestored (channels: readonly string[]): void
}

/** Channels in one command: few enough that others get their turn in between. */
const CHUNK = 500

/** How long a channel nobody wants any more stays subscribed, in ms: members come and go. */
const LINGER = 1_000

interface Wanted {
  /** Settles when the subscription is confirmed, or the connection is lost. */
  confirmed: Promise<void> | null
  /** How many wait for that. */
  waiting: number
  /** It was subscribed before, and something may have been lost since. */
  missed: boolean
  /** Ends it, unless it is wanted again by then. */
  cancelLinger: (() => void) | null
}

/**
 * The channels one connection is subscribed to. A channel is subscribed at most once; when the connection comes back all of them are
 * subscribed again, and {@link SubscriberOptions.onRestored} is told of each when that is confirmed.
 */
export class Subscriber implements Subscriptions {
  readonly #options: SubscriberOptions
  readonly #wanted = new Map<string, Wanted>()
  /** Counts the connections, so that what one left undone is not taken for the next one's. */
  #life = 0
  #ready = false

  constructor (options: SubscriberOptions) {
    this.#options = options
    const { client, onMessage } = options
    client.on('messageBuffer', (channel: Buffer, payload: Buffer) => onMessage(channel.toString(), payload))
    client.on('ready', () => this.#restore())
    client.on('close', () => this.#lost())
    if (client.status === 'ready') this.#restore()
  }

  get ready (): boolean {
    return this.#ready
  }

  get channels (): number {
    return this.#wanted.size
  }

  /**
   * Resolves when the subscription is confirmed.
   * @throws {BridgeError} `unavailable`; nothing is subscribed then
   */
  async add (channel: string): Promise<void> {
    const { clock, timeout } = this.#options
    const wanted = this.#wanted.get(channel) ?? { confirmed: null, waiting: 0, missed: false, cancelLinger: null }
    this.#wanted.set(channel, wanted)
    wanted.cancelLinger?.()
    wanted.cancelLinger = null
    if (!this.#ready) {
      this.#wanted.delete(channel)
      throw new BridgeError('unavailable', 'there is no connection to Redis to subscribe with')
    }
    const confirmed = wanted.confirmed ?? this.#subscribe([channel])
    wanted.confirmed = confirmed
    wanted.waiting++
    let cancel = (): void => {}
    try {
      await Promise.race([confirmed, new Promise((_resolve, reject) => {
        cancel = clock.timeout(() => reject(new BridgeError('unavailable', 'Redis did not confirm a subscription in time')), timeout)
      })])
    } catch (error) {
      // A refusal is not the answer to whoever asks later.
      confirmed.catch(() => { if (wanted.confirmed === confirmed) wanted.confirmed = null })
      if (wanted.waiting === 1) this.remove(channel)
      throw error instanceof BridgeError ? error : new BridgeError('unavailable', 'a subscription failed', { cause: error })
    } finally {
      wanted.waiting--
      cancel()
    }
  }

  misses (channel: string): boolean {
    return this.#wanted.get(channel)?.missed ?? false
  }

  /** Nobody wants it any more; it ends a little later unless somebody does again. */
  remove (channel: string): void {
    const wanted = this.#wanted.get(channel)
    if (wanted === undefined || wanted.cancelLinger !== null) return
    wanted.cancelLinger = this.#options.clock.timeout(() => {
      this.#wanted.delete(channel)
      if (this.#ready) this.#send('unsubscribe', [channel]).catch(() => {})
    }, LINGER)
  }

  close (): void {
    this.#ready = false
    for (const { cancelLinger } of this.#wanted.values()) cancelLinger?.()
    this.#wanted.clear()
  }

  async #subscribe (channels: readonly string[]): Promise<void> {
    await this.#send('subscribe', channels)
  }

  #send (command: 'subscribe' | 'unsubscribe', channels: readonly string[]): Promise<unknown> {
    const { client } = this.#options
    return command === 'subscribe' ? client.subscribe(...channels) : client.unsubscribe(...channels)
  }

  #lost (): void {
    this.#life++
    this.#ready = false
    for (const wanted of this.#wanted.values()) {
      wanted.confirmed = null
      wanted.missed = true
    }
  }

  #restore (): void {
    const life = ++this.#life
    this.#ready = true
    const channels = [...this.#wanted.keys()]
    for (let from = 0; from < channels.length; from += CHUNK) {
      const chunk = channels.slice(from, from + CHUNK)
      const confirmed = this.#subscribe(chunk)
      for (const channel of chunk) {
        const wanted = this.#wanted.get(channel)
        if (wanted !== undefined) wanted.confirmed = confirmed
      }
      confirmed.then(() => {
        if (life === this.#life) this.#restored(chunk)
      }, () => {
        // The connection is as good as lost; the next one does all of it again.
        if (life === this.#life) this.#options.client.disconnect(true)
      })
    }
  }

  #restored (channels: readonly string[]): void {
    for (const channel of channels) {
      const wanted = this.#wanted.get(channel)
      if (wanted !== undefined) wanted.missed = false
    }
    this.#options.onRestored(channels)
  }
}
