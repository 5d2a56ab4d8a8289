import { REMOVAL_WINDOW } from '../bridge/bridge.js'
import type { ChannelEvent, ChannelName, Entry, PresenceSnapshot, Subscription } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import type { Frame } from './frame.js'
import type { GapReason } from '../protocol/frames.js'
import type { Position } from '../protocol/position.js'
import { FanOut } from './fan-out.js'
import type { FanOutScheduler } from './fan-out.js'

/** What a channel fans out. `offset` is 0 where the item has no place in the log. */
export interface Item {
  readonly kind: 'message' | 'presence' | 'typing' | 'reset' | 'removal'
  /** Order of arrival at this channel on this node. */
  readonly seq: number
  readonly offset: number
  /** `null`: for the receiver's eyes only (a removal). */
  readonly frame: Frame | null
  /** Whose presence it is, who is typing, or removed. */
  readonly userId: string | null
}

/** Somebody on this node who follows a channel. */
export interface Follower {
  readonly userId: string
  /** Items up to this number were there before the follower was, or were handed to it. */
  since: number
  /** Entries up to this offset are in the answer that the follower got. */
  skip: number
  /** Where that answer led to, when its read was ahead of what had arrived here. */
  ahead: Position | null
  /** False while the follower reads the log page by page: no messages meanwhile. */
  live: boolean
  /** Whether presence frames are wanted. */
  presence: boolean
  send (frame: Frame): void
  /** The user was removed: sends what says so, and unfollows. */
  removed (): void
}

/** Entries that arrived while somebody was reading the log, kept by reference until the last such reader is through. */
const RECENT_ENTRIES = 512
const RECENT_BYTES = 1024 * 1024

/** A frame that says how a member is now. */
export interface MemberFrame {
  readonly userId: string
  readonly frame: Frame
}

/** What an item takes besides its frame. */
const ITEM_BYTES = 128

/** How the items of a channel look on the wire: the part that differs between rooms and inboxes. */
export interface ChannelView {
  message (payload: Buffer, volatile: boolean): Frame
  typing (userId: string, typing: boolean): Frame
  reset (reason: GapReason, position: Position): Frame
  /** Called before the followers get the entry. */
  onEntry? (entry: Entry): void
  onPresence? (event: Extract<ChannelEvent, { type: 'presence' }>): Frame | null
  onPresenceSnapshot? (snapshot: PresenceSnapshot, timestamp: number): MemberFrame[]
}

/**
 * One channel that this node is subscribed to: its head, its followers, and the one ordered way from the bridge to them.
 */
export class Channel<View extends ChannelView = ChannelView> {
  readonly name: ChannelName
  /** What this node knows of the room or inbox behind the channel; lives exactly as long as the subscription. */
  readonly view: View
  readonly #fanOut: FanOut<Follower, Item>
  readonly #scheduler: FanOutScheduler
  readonly #clock: Clock
  #subscription: Subscription | null = null
  #head: Position = { epoch: '0', offset: 0, chain: '0' }
  #seq = 0
  #resets = 0
  #recent: Entry[] = []
  #recentBytes = 0
  /** Entries up to this offset may have arrived without being kept. */
  #missedUpTo = 0
  #readers = 0
  readonly #removals = new Map<string, { readonly at: number, readonly reason?: string }>()
  #prunedAt = 0

  constructor (name: ChannelName, view: View, scheduler: FanOutScheduler, clock: Clock) {
    this.name = name
    this.view = view
    this.#clock = clock
    this.#scheduler = scheduler
    this.#fanOut = new FanOut<Follower, Item>(scheduler, deliver, {
      bytes: bytesOfItem,
      shorten: (items) => this.#shorten(items)
    })
  }

  /** Position of the last entry that arrived here. */
  get head (): Position {
    return this.#head
  }

  /** How often the log was reset. What was read of it before the latest may belong to a history that nobody continues. */
  get resets (): number {
    return this.#resets
  }

  get size (): number {
    return this.#fanOut.receivers.size
  }

  /** Bytes that wait for a large audience. */
  get queuedBytes (): number {
    return this.#fanOut.queuedBytes
  }

  get followers (): Iterable<Follower> {
    return this.#fanOut.receivers
  }

  /** The hub calls it once, with the confirmed subscription. */
  opened (subscription: Subscription): void {
    this.#subscription = subscription
    this.#head = subscription.head
    for (const [userId, age] of subscription.removals) this.#removals.set(userId, { at: this.#clock.now() - age })
    if (subscription.presence !== undefined) this.view.onPresenceSnapshot?.(subscription.presence, 0)
  }

  async unsubscribe (): Promise<void> {
    await this.#subscription?.unsubscribe()
  }

  readonly receive = (event: ChannelEvent): void => {
    switch (event.type) {
      case 'entry':
        this.#head = event.entry.position
        if (this.#readers > 0) this.#remember(event.entry)
        this.view.onEntry?.(event.entry)
        this.#push('message', event.entry.position.offset, this.view.message(event.entry.payload, false), null)
        return
      case 'removal':
        this.#head = event.entry.position
        this.#removals.set(event.entry.userId, { at: this.#clock.now(), reason: event.entry.reason })
        this.#pruneRemovals()
        this.#push('removal', event.entry.position.offset, null, event.entry.userId)
        return
      case 'volatile':
        this.#push('message', 0, this.view.message(event.payload, true), null)
        return
      case 'typing':
        this.#push('typing', 0, this.view.typing(event.userId, event.typing), event.userId)
        return
      case 'presence': {
        const frame = this.view.onPresence?.(event) ?? null
        if (frame !== null) this.#push('presence', 0, frame, event.member.userId)
        return
      }
      case 'presence-snapshot':
        for (const { userId, frame } of this.view.onPresenceSnapshot?.(event.snapshot, this.#clock.wall()) ?? []) {
          this.#push('presence', 0, frame, userId)
        }
        return
      case 'reset':
        this.#head = event.position
        this.#resets++
        this.#forgetRecent()
        this.#push('reset', event.position.offset, this.view.reset(event.reason, event.position), null)
    }
  }

  /** Up to where a live follower has been served, or will be without its doing. */
  positionOf (follower: Follower): Position {
    const { ahead } = follower
    return ahead !== null && ahead.epoch === this.#head.epoch && ahead.offset > this.#head.offset ? ahead : this.#head
  }

  /** Hands a follower at once what is still on its way to it, so that an answer given now can stand for all of that. */
  flushTo (follower: Follower): void {
    if (this.#fanOut.receivers.has(follower)) this.#fanOut.flushTo(follower)
  }

  /** Adds a follower; it gets what arrives from now on, entries up to `ahead` excepted. */
  follow (follower: Follower, ahead: Position | null): void {
    follower.since = this.#seq
    follower.skip = ahead?.offset ?? 0
    follower.ahead = ahead
    this.#fanOut.receivers.add(follower)
  }

  unfollow (follower: Follower): void {
    this.#fanOut.receivers.delete(follower)
  }

  /** Between `beginRead` and `endRead` the entries that arrive stay at hand for {@link since}. */
  beginRead (): void {
    if (this.#readers === 0) this.#missedUpTo = this.#head.offset
    this.#readers++
  }

  endRead (): void {
    this.#readers--
    if (this.#readers === 0) this.#forgetRecent()
  }

  /**
   * The entries that arrived here after `position`, which a read led to: `null` when they are not all at hand (too many, or
   * the log is another one by now), an empty list also when the read was ahead of what arrived.
   */
  since (position: Position): readonly Entry[] | null {
    if (position.epoch !== this.#head.epoch) return null
    if (position.offset >= this.#head.offset) return []
    // Removals take offsets too and are not kept: what must not be missing is the stretch as a whole.
    if (this.#missedUpTo > position.offset) return null
    return this.#recent.filter((entry) => entry.position.offset > position.offset)
  }

  /** Whether the user was removed after `moment` (of the injected clock). */
  removedSince (userId: string, moment: number): boolean {
    const removal = this.#removals.get(userId)
    return removal !== undefined && removal.at >= moment
  }

  /** Why the user was removed last, where that was said. */
  removalReason (userId: string): string | undefined {
    return this.#removals.get(userId)?.reason
  }

  #remember (entry: Entry): void {
    this.#recent.push(entry)
    this.#recentBytes += entry.payload.length
    while (this.#recent.length > RECENT_ENTRIES || this.#recentBytes > RECENT_BYTES) {
      const dropped = this.#recent.shift()
      if (dropped === undefined) break
      this.#recentBytes -= dropped.payload.length
      this.#missedUpTo = dropped.position.offset
    }
  }

  #forgetRecent (): void {
    this.#recent = []
    this.#recentBytes = 0
    this.#missedUpTo = this.#head.offset
  }

  #push (kind: Item['kind'], offset: number, frame: Frame | null, userId: string | null): void {
    this.#fanOut.push({ kind, seq: ++this.#seq, offset, frame, userId })
  }

  /**
   * Messages come faster than a large audience can be served. What is volatile goes first. Where that is not enough, followers
   * are told of the gap instead of the messages that made it, and of each member how it is instead of how that came about.
   */
  #shorten (items: readonly Item[]): Item[] {
    const lasting = items.filter(({ frame }) => frame?.volatile !== true)
    if (bytesOf(lasting) * 2 <= bytesOf(items)) return lasting
    const latest = new Map<string, Item>()
    for (const item of lasting) if (item.kind === 'presence' && item.userId !== null) latest.set(item.userId, item)
    const kept = lasting.filter((item) => item.kind === 'removal' || (item.kind === 'presence' && latest.get(item.userId ?? '') === item))
    if (!lasting.some(({ kind }) => kind === 'message' || kind === 'reset')) return kept
    this.#scheduler.onError(new Error(`${this.name} gets more than its ${this.size} followers here can be sent: they are told of a gap`))
    kept.push({ kind: 'reset', seq: ++this.#seq, offset: this.#head.offset, frame: this.view.reset('trimmed', this.#head), userId: null })
    return kept
  }

  #pruneRemovals (): void {
    const now = this.#clock.now()
    if (now - this.#prunedAt < REMOVAL_WINDOW) return
    this.#prunedAt = now
    for (const [userId, { at }] of this.#removals) {
      if (now - at > REMOVAL_WINDOW) this.#removals.delete(userId)
    }
  }
}

function bytesOfItem ({ frame }: Item): number {
  return ITEM_BYTES + (frame?.size ?? 0)
}

function bytesOf (items: readonly Item[]): number {
  return items.reduce((bytes, item) => bytes + bytesOfItem(item), 0)
}

function deliver (follower: Follower, items: readonly Item[]): void {
  for (const item of items) {
    if (item.seq <= follower.since) continue
    follower.since = item.seq
    switch (item.kind) {
      case 'message':
        if (follower.live && (item.offset === 0 || item.offset > follower.skip) && item.frame !== null) follower.send(item.frame)
        break
      case 'presence':
        if (follower.presence && item.frame !== null) follower.send(item.frame)
        break
      case 'typing':
        if (follower.userId !== item.userId && item.frame !== null) follower.send(item.frame)
        break
      case 'reset':
        follower.skip = 0
        follower.ahead = null
        if (follower.live && item.frame !== null) follower.send(item.frame)
        break
      case 'removal':
        if (follower.userId === item.userId) {
          follower.removed()
          return
        }
    }
  }
}
