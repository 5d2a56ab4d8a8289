import type { Bridge, ChannelName } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import { Channel } from './channel.js'
import type { ChannelView } from './channel.js'
import type { FanOutScheduler } from './fan-out.js'
import type { TimerHandle, Timers } from './timers.js'

/** How long a channel nobody follows any more stays subscribed: reconnects and page changes come back within seconds. */
const LINGER = 2_000

interface Slot<View extends ChannelView> {
  readonly channel: Channel<View>
  readonly opened: Promise<void>
  /** Subscribed: what the channel knows is true. */
  live: boolean
  users: number
  /** Set while nobody uses it. */
  lingering: TimerHandle | null
}

export interface HubOptions {
  readonly bridge: Bridge
  readonly scheduler: FanOutScheduler
  readonly timers: Timers
  readonly clock: Clock
  readonly onError: (err: unknown, what: string) => void
}

/**
 * The channels this node is subscribed to. One subscription serves everybody here; it begins with the first one who needs it
 * and ends a while after the last one has gone.
 */
export class Hub<View extends ChannelView> {
  readonly #options: HubOptions
  readonly #slots = new Map<ChannelName, Slot<View>>()
  /** Subscriptions that are being ended; a new one waits for that, so that no two overlap. */
  readonly #ending = new Map<ChannelName, Promise<void>>()

  constructor (options: HubOptions) {
    this.#options = options
  }

  /** The channel, if it is subscribed now. */
  get (name: ChannelName): Channel<View> | undefined {
    const slot = this.#slots.get(name)
    return slot?.live === true ? slot.channel : undefined
  }

  get size (): number {
    return this.#slots.size
  }

  * channels (): Iterable<Channel<View>> {
    for (const { channel } of this.#slots.values()) yield channel
  }

  /**
   * Resolves once the subscription is live. Every `acquire` that resolved is followed by one `release`.
   * @throws {BridgeError}
   */
  async acquire (name: ChannelName, presence: boolean, view: () => View): Promise<Channel<View>> {
    let slot = this.#slots.get(name)
    if (slot === undefined) {
      const channel = new Channel(name, view(), this.#options.scheduler, this.#options.clock)
      slot = { channel, opened: this.#open(channel, presence), live: false, users: 0, lingering: null }
      this.#slots.set(name, slot)
    }
    slot.users++
    if (slot.lingering !== null) {
      this.#options.timers.cancel(slot.lingering)
      slot.lingering = null
    }
    try {
      await slot.opened
    } catch (err) {
      if (this.#slots.get(name) === slot) this.#slots.delete(name)
      throw err
    }
    slot.live = true
    return slot.channel
  }

  release (name: ChannelName): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    slot.users--
    if (slot.users > 0) return
    slot.lingering = this.#options.timers.after(LINGER, () => this.#end(name, slot))
  }

  #end (name: ChannelName, slot: Slot<View>): void {
    this.#slots.delete(name)
    const ended = slot.channel.unsubscribe().catch((err: unknown) => {
      this.#options.onError(err, 'unsubscribing failed')
    }).then(() => {
      this.#ending.delete(name)
    })
    this.#ending.set(name, ended)
  }

  async #open (channel: Channel<View>, presence: boolean): Promise<void> {
    await this.#ending.get(channel.name)
    channel.opened(await this.#options.bridge.subscribe(channel.name, { presence }, channel.receive))
  }
}
