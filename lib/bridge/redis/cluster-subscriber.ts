import type { Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { Subscriptions } from './connections.js'
import { slotOf } from './slots.js'

/** A connection to one master. */
export interface SubscriberLink {
  readonly client: Redis
}

export interface ClusterSubscriberOptions<Link extends SubscriberLink> {
  readonly clock: Clock
  /** How long a subscription may take, in ms. */
  readonly timeout: number
  /** Where the channels of a slot are to be subscribed; `null`: that is not known. */
  home (slot: number): Link | null
  /** SSUBSCRIBE; otherwise SUBSCRIBE, which any master of the cluster knows. */
  sharded (): boolean
  /** A master does not have a channel that should be there. Resolves when it was found out who has it. */
  redirected (link: Link): Promise<void>
  onMessage (channel: string, payload: Buffer): void
  /** These are subscribed again: whatever was fanned out meanwhile is missing. */
  onRestored (channels: readonly string[]): void
}

/** How long a channel nobody wants any more stays subscribed, in ms: members come and go. */
const LINGER = 1_000

/** Between tries to find a channel's master, in ms. */
const RETRY = 50

interface Wanted<Link> {
  readonly slot: number
  /** Where it is subscribed, or is being. */
  link: Link | null
  confirmed: Promise<void> | null
  /** How many wait for it. */
  waiting: number
  /** It was subscribed before, and something may have been lost since. */
  missed: boolean
  cancelLinger: (() => void) | null
}

/**
 * The channels a node hears from a cluster, each on a connection of our own to the master of its slot. Where a channel has moved, or its
 * connection was lost, it is subscribed again, and told of when that is confirmed.
 */
export class ClusterSubscriber<Link extends SubscriberLink> implements Subscriptions {
  readonly #options: ClusterSubscriberOptions<Link>
  readonly #wanted = new Map<string, Wanted<Link>>()
  readonly #ready = new Set<Link>()
  #restored: string[] = []
  #closed = false

  constructor (options: ClusterSubscriberOptions<Link>) {
    this.#options = options
  }

  get channels (): number {
    return this.#wanted.size
  }

  isReady (link: Link): boolean {
    return this.#ready.has(link)
  }

  /** A connection that is to be used from now on, not connected yet. */
  attach (link: Link): void {
    const { client } = link
    const hear = (channel: Buffer, payload: Buffer): void => { if (!this.#closed) this.#options.onMessage(channel.toString(), payload) }
    client.on('smessageBuffer', hear)
    client.on('messageBuffer', hear)
    client.on('ready', () => {
      this.#ready.add(link)
      this.arrange()
    })
    client.on('close', () => this.#lost(link))
    // The master says that it has a channel no more, but ioredis does not say which.
    client.on('moved', () => { void this.#options.redirected(link) })
  }

  async add (channel: string): Promise<void> {
    const { clock, timeout, redirected } = this.#options
    const wanted = this.#wanted.get(channel) ?? { slot: slotOf(channel), link: null, confirmed: null, waiting: 0, missed: false, cancelLinger: null }
    this.#wanted.set(channel, wanted)
    wanted.cancelLinger?.()
    wanted.cancelLinger = null
    wanted.waiting++
    let over = false
    let cancel = (): void => {}
    const late = new Promise<never>((_resolve, reject) => {
      cancel = clock.timeout(() => {
        over = true
        reject(new BridgeError('unavailable', 'Redis did not confirm a subscription in time'))
      }, timeout)
    })
    try {
      for (;;) {
        const confirmed = this.#place(channel, wanted)
        if (confirmed === null) throw new BridgeError('unavailable', 'there is no connection to Redis to subscribe with')
        const { link } = wanted
        try {
          await Promise.race([confirmed, late])
          return
        } catch (error) {
          // It moved while it was being subscribed.
          if (over || this.#closed || link === null || !(isRedirection(error) || wanted.confirmed !== null)) throw error
          if (wanted.confirmed === null) {
            await Promise.race([redirected(link), late])
            await new Promise<void>((resolve) => { clock.timeout(resolve, RETRY) })
          }
        }
      }
    } catch (error) {
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

  remove (channel: string): void {
    const wanted = this.#wanted.get(channel)
    if (wanted === undefined || wanted.cancelLinger !== null) return
    wanted.cancelLinger = this.#options.clock.timeout(() => {
      this.#wanted.delete(channel)
      if (wanted.link !== null) this.#unsubscribe(channel, wanted.link)
    }, LINGER)
  }

  /** Subscribes what is not where it should be: after it was found out, or has changed, which master has which slots. */
  arrange (): void {
    for (const [channel, wanted] of this.#wanted) {
      const { link } = wanted
      const home = this.#options.home(wanted.slot)
      if (link !== null && link !== home) {
        this.#miss(wanted)
        this.#unsubscribe(channel, link)
      }
      void this.#place(channel, wanted)
    }
  }

  close (): void {
    this.#closed = true
    for (const { cancelLinger } of this.#wanted.values()) cancelLinger?.()
    this.#wanted.clear()
  }

  #lost (link: Link): void {
    this.#ready.delete(link)
    for (const wanted of this.#wanted.values()) if (wanted.link === link) this.#miss(wanted)
  }

  #miss (wanted: Wanted<Link>): void {
    wanted.missed = true
    wanted.link = null
    wanted.confirmed = null
  }

  #place (channel: string, wanted: Wanted<Link>): Promise<void> | null {
    if (wanted.confirmed !== null) return wanted.confirmed
    const { home, sharded } = this.#options
    const link = home(wanted.slot)
    if (link === null || !this.#ready.has(link) || this.#closed) return null
    const { client } = link
    // One command for each: those of several slots may not be together.
    const confirmed = (sharded() ? client.ssubscribe(channel) : client.subscribe(channel)).then(() => {
      if (wanted.confirmed !== confirmed || !wanted.missed) return
      wanted.missed = false
      this.#tell(channel)
    })
    wanted.link = link
    wanted.confirmed = confirmed
    confirmed.catch((error: unknown) => {
      if (wanted.confirmed !== confirmed) return
      wanted.link = null
      wanted.confirmed = null
      // Whoever waits for it sees to that; what was there already has to be found.
      if (isRedirection(error) && wanted.missed) this.#seek(channel, wanted, link)
    })
    return confirmed
  }

  #seek (channel: string, wanted: Wanted<Link>, link: Link): void {
    void this.#options.redirected(link).then(() => {
      this.#options.clock.timeout(() => { if (this.#wanted.get(channel) === wanted) void this.#place(channel, wanted) }, RETRY)
    })
  }

  /** In one turn many come back. */
  #tell (channel: string): void {
    if (this.#restored.push(channel) > 1) return
    setImmediate(() => {
      const channels = this.#restored
      this.#restored = []
      if (!this.#closed) this.#options.onRestored(channels)
    })
  }

  #unsubscribe (channel: string, { client }: Link): void {
    if (client.status !== 'ready') return
    const done: Promise<unknown> = this.#options.sharded() ? client.sunsubscribe(channel) : client.unsubscribe(channel)
    done.catch(() => {})
  }
}

function isRedirection (error: unknown): boolean {
  return error instanceof Error && /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/.test(error.message)
}
