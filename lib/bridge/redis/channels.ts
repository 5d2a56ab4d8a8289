import type { Clock } from '../../clock.js'
import type { Position } from '../../protocol/position.js'
import { BridgeError, REMOVAL_WINDOW } from '../bridge.js'
import type { BridgeHandlers, ChannelEvent, ChannelListener, ChannelName, SubscribeOptions, Subscription } from '../bridge.js'
import { ListenerQueue } from '../listener-queue.js'
import type { Subscriptions } from './connections.js'
import { readEnvelope } from './envelope.js'
import type { Envelope } from './envelope.js'
import { LogFollower } from './follower.js'
import type { Continuation, Head, LogStore } from './log-store.js'
import type { Names } from './names.js'
import { PresenceFollower } from './presence-follower.js'
import type { PlacedSnapshot, PresencePlace } from './presence-follower.js'
import type { PresenceStore } from './presence-store.js'
import { Repairs } from './repairs.js'
import { Retries } from './retries.js'

export interface ChannelsOptions {
  readonly clock: Clock
  /** How long a call may take, in ms. */
  readonly timeout: number
  readonly names: Names
  readonly logs: LogStore
  readonly presence: PresenceStore
  subscriberOf (channel: ChannelName): Subscriptions
  /** Whether its Redis is up. When it comes to be, {@link Channels.repairAll} is called. */
  isUp (channel: ChannelName): boolean
  readonly handlers: BridgeHandlers
}

/** How many entries one read of a repair asks for. */
const REPAIR = 200

/** How long the fan-out of a change of presence may be late before the store is asked, in ms. */
const PATIENCE = 500

/**
 * How often what is followed is read only so that the store keeps it, in ms: rooms without an entry have a third of the time for which
 * their heads are kept (log.lua), all others a third of the day that a head is kept at least.
 */
const KEEP_UNWRITTEN = 5 * 60 * 1000
const KEEP = 8 * 60 * 60 * 1000

/** How often it is looked for what has to be kept, in ms. */
const KEEP_ROUND = 30_000

/** A channel this node follows. */
interface Followed {
  readonly queue: ListenerQueue
  /** When its log was read last, by this node's clock. */
  read: number
  /** Absent until the head is known. */
  log?: LogFollower
  presence?: PresenceFollower
  /** Something arrived before that, or may have been lost. */
  early: boolean
}

/** What this node follows: subscriptions, what arrives by them, and the repair of what did not. */
export class Channels {
  readonly #options: ChannelsOptions
  readonly #followed = new Map<ChannelName, Followed>()
  /** By the name of the Pub/Sub channel. */
  readonly #byName = new Map<string, ChannelName>()
  /** For each Redis its own: one that hangs must not hold up the others. */
  readonly #repairs = new Map<Subscriptions, Repairs<ChannelName>>()
  /** Repairs that failed: it may be that nothing else ever shows what is missing. */
  readonly #retries: Retries<ChannelName>
  #cancelRound: (() => void) | null = null

  constructor (options: ChannelsOptions) {
    this.#options = options
    this.#retries = new Retries(options.clock, (channel) => this.#plan(channel))
  }

  get size (): number {
    return this.#followed.size
  }

  async subscribe (channel: ChannelName, { presence: withPresence }: SubscribeOptions, listener: ChannelListener): Promise<Subscription> {
    const { clock, names, logs, presence, subscriberOf, handlers } = this.#options
    this.#end(channel)
    const name = names.channel(channel)
    const queue = new ListenerQueue(withPresence, listener, (error) => handlers.onError?.(error))
    const followed: Followed = { queue, early: false, read: clock.now() }
    this.#followed.set(channel, followed)
    this.#keepAll()
    this.#byName.set(name, channel)
    const unsubscribe = async (): Promise<void> => {
      if (this.#followed.get(channel) !== followed) return
      this.#end(channel)
      subscriberOf(channel).remove(name)
    }
    try {
      await subscriberOf(channel).add(name)
      const [found, snapshot] = await Promise.all([logs.head(channel), withPresence ? presence.snapshot(channel) : undefined])
      this.#follow(channel, followed, found, snapshot)
      // What waits for this promise runs in the microtask between these two, so it knows the head before what follows it.
      queueMicrotask(() => queueMicrotask(() => queue.start()))
      const removals = new Map<string, number>()
      for (const [userId, { age }] of found.removals) if (age < REMOVAL_WINDOW) removals.set(userId, age)
      return { head: found.head, removals, ...(snapshot !== undefined && { presence: { version: snapshot.version, members: snapshot.members } }), unsubscribe }
    } catch (error) {
      await unsubscribe()
      throw error
    }
  }

  /** What the subscriber heard. False: it was nothing, or nothing new. */
  receive (name: string, payload: Buffer): boolean {
    const channel = this.#byName.get(name)
    const followed = channel === undefined ? undefined : this.#followed.get(channel)
    if (followed === undefined) return true
    const envelope = readEnvelope(payload)
    return envelope !== null && this.#hear(followed, envelope)
  }

  /** The fan-out may have lost something: looks after what follows these. */
  repair (names: readonly string[]): void {
    for (const name of names) {
      const channel = this.#byName.get(name)
      if (channel !== undefined) this.#plan(channel)
    }
  }

  /** The same for all of which it holds; those that are not subscribed again yet are left to {@link repair}. */
  repairAll (where: (channel: ChannelName) => boolean): void {
    for (const [name, channel] of this.#byName) {
      if (where(channel) && !this.#options.subscriberOf(channel).misses(name)) this.#plan(channel)
    }
  }

  /** To this node alone, while there is no other way. */
  deliverHere (channel: ChannelName, event: ChannelEvent): void {
    this.#followed.get(channel)?.queue.deliver(event)
  }

  /** Resolves when this node, if it follows the channel's presence, has been told everything up to a place. */
  async presenceHeard (channel: ChannelName, place: Pick<PresencePlace, 'epoch' | 'version'>): Promise<void> {
    await this.#followed.get(channel)?.presence?.heard(place)
  }

  close (): void {
    this.#cancelRound?.()
    this.#retries.close()
    for (const repairs of this.#repairs.values()) repairs.close()
    for (const channel of [...this.#followed.keys()]) this.#end(channel)
  }

  #follow (channel: ChannelName, followed: Followed, { head, removals }: Head, snapshot: PlacedSnapshot | undefined): void {
    const { clock, timeout, logs, presence, handlers } = this.#options
    const { queue } = followed
    const deliver = (event: ChannelEvent): void => queue.deliver(event)
    const failed = (error: unknown): void => {
      this.#retries.add(channel)
      // That the store cannot be reached is known already.
      if (!(error instanceof BridgeError)) handlers.onError?.(error)
    }
    const readLog = (from: Position): Promise<Continuation> => {
      followed.read = clock.now()
      return logs.continue(channel, from, REPAIR)
    }
    followed.log = new LogFollower({ from: head, removals, deliver, failed, read: readLog })
    if (snapshot !== undefined) {
      const read = (known: PresencePlace): Promise<PlacedSnapshot | null> => presence.changed(channel, known)
      followed.presence = new PresenceFollower({ clock, from: snapshot, patience: PATIENCE, timeout, deliver, failed, read })
    }
    if (!followed.early) return
    followed.log.repair()
    followed.presence?.repair()
  }

  /** A head that ran out would look like one that was lost, and everybody would be told. */
  #keepAll (): void {
    const { clock } = this.#options
    this.#cancelRound ??= clock.timeout(() => {
      this.#cancelRound = null
      const now = clock.now()
      for (const [channel, { log, read }] of this.#followed) {
        if (now - read >= (log?.position.offset === 0 ? KEEP_UNWRITTEN : KEEP)) this.#plan(channel)
      }
      if (this.#followed.size > 0) this.#keepAll()
    }, KEEP_ROUND)
  }

  #plan (channel: ChannelName): void {
    const subscriptions = this.#options.subscriberOf(channel)
    let repairs = this.#repairs.get(subscriptions)
    if (repairs === undefined) this.#repairs.set(subscriptions, repairs = new Repairs((each) => this.#repair(each)))
    repairs.add(channel)
  }

  async #repair (channel: ChannelName): Promise<void> {
    const followed = this.#followed.get(channel)
    // While its Redis is down nothing can be read, and all of it is planned again when that is back.
    if (followed === undefined || !this.#options.isUp(channel)) return
    const { log, presence } = followed
    // The head that is on its way may be of before.
    if (log === undefined) followed.early = true
    // What fails is planned again by the followers themselves.
    else await Promise.allSettled([log.repaired(), presence?.repaired()])
  }

  #hear (followed: Followed, envelope: Envelope): boolean {
    const { log, presence, queue } = followed
    if (envelope.kind === 'volatile') for (const payload of envelope.payloads) queue.deliver({ type: 'volatile', payload })
    else if (envelope.kind === 'typing') queue.deliver({ type: 'typing', userId: envelope.userId, typing: envelope.typing })
    else if (log === undefined) followed.early = true
    else if (envelope.kind === 'log') return log.receive(envelope)
    else if (presence !== undefined) return presence.receive(envelope.body)
    return true
  }

  #end (channel: ChannelName): void {
    const followed = this.#followed.get(channel)
    if (followed === undefined) return
    this.#followed.delete(channel)
    this.#byName.delete(this.#options.names.channel(channel))
    followed.log?.end()
    followed.presence?.end()
    followed.queue.end()
  }
}
