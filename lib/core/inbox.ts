import { userChannel } from '../bridge/bridge.js'
import type { Bridge, Entry } from '../bridge/bridge.js'
import { resetFrame } from '../protocol/encode.js'
import type { InboxAnswer } from '../protocol/encode.js'
import type { GapReason } from '../protocol/frames.js'
import { formatPosition } from '../protocol/position.js'
import type { Position } from '../protocol/position.js'
import { answerBudget, readBacklog, settle } from './catch-up.js'
import type { AnswerBudget, Backlog } from './catch-up.js'
import type { Channel, ChannelView, Follower } from './channel.js'
import type { Connection } from './connection.js'
import { createFrame } from './frame.js'
import type { Frame } from './frame.js'
import type { Hub } from './hub.js'
import type { Receipts } from './receipts.js'
import type { TimerHandle, Timers } from './timers.js'

/** How long live delivery waits for a client that may want to resume first, in ms. */
const HOLD = 1_000

/** Messages behind a gap that an answer holds at most; its bytes usually end it earlier. */
const MAX_KEPT = 1_000

/** What this node knows of the inbox of a user who is connected here. */
export class Inbox implements ChannelView {
  readonly #userId: string
  readonly #receipts: Receipts

  constructor (userId: string, receipts: Receipts) {
    this.#userId = userId
    this.#receipts = receipts
  }

  message (payload: Buffer, volatile: boolean): Frame {
    return createFrame(payload, volatile)
  }

  typing (): Frame {
    throw new Error('nobody types in an inbox')
  }

  reset (reason: GapReason, position: Position): Frame {
    return createFrame(resetFrame({ inbox: true, reason, position: formatPosition(position) }))
  }

  onEntry (entry: Entry): void {
    if (entry.receipt) this.#receipts.expect(this.#userId, formatPosition(entry.position))
  }
}

/** One device at its user's inbox. */
export class InboxFollower implements Follower {
  readonly connection: Connection
  readonly channel: Channel<Inbox>
  /** Where delivery begins for a device that does not say otherwise. */
  readonly welcome: Position
  /** {@link Channel.resets} at that time. */
  readonly resets: number
  since = 0
  skip = 0
  ahead: Position | null = null
  live = false
  readonly presence = false
  /** Set while nothing is delivered because the first frame may be a resume. */
  hold: TimerHandle | null = null
  /** While not live: up to where the device has been served. */
  served: string
  /** Counts the attempts to bring this device up to date: a later one takes over from those under way. */
  turn = 0
  /** Whether the channel keeps entries for this device at the moment. */
  reading = true

  constructor (connection: Connection, channel: Channel<Inbox>) {
    this.connection = connection
    this.channel = channel
    this.welcome = channel.head
    this.resets = channel.resets
    this.served = formatPosition(channel.head)
  }

  get userId (): string {
    return this.connection.userId
  }

  send (frame: Frame): void {
    this.connection.send(frame)
  }

  /** Removals are entries of rooms. */
  removed (): void {}
}

export interface InboxesOptions {
  readonly bridge: Bridge
  readonly hub: Hub<Inbox>
  readonly timers: Timers
  readonly receipts: Receipts
}

/** Direct messages to the devices of this node: hold, replay, then live, never mixed. */
export class Inboxes {
  readonly #options: InboxesOptions

  constructor (options: InboxesOptions) {
    this.#options = options
  }

  /** Subscribes the connection's user; nothing is delivered yet. */
  async open (connection: Connection): Promise<void> {
    const { hub, receipts } = this.#options
    const channel = await hub.acquire(userChannel(connection.userId), false, () => new Inbox(connection.userId, receipts))
    if (connection.ended) {
      hub.release(channel.name)
      return
    }
    channel.beginRead()
    const follower = new InboxFollower(connection, channel)
    channel.follow(follower, null)
    connection.inbox = follower
  }

  /** From welcome on the client has this long to resume; everything it sends first but `resume` ends the wait. */
  hold (follower: InboxFollower): void {
    follower.hold = this.#options.timers.after(HOLD, () => this.release(follower))
  }

  /** The client does not resume: delivery starts at the position of its welcome. */
  release (follower: InboxFollower): void {
    if (!this.#endHold(follower)) return
    void this.#deliverFrom(follower)
  }

  /** A resume came first: delivery waits for its answer, whatever comes behind it. */
  keepHolding (follower: InboxFollower): void {
    this.#endHold(follower)
  }

  /** Reads what a resume needs. `complete` must be called in the turn in which its answer is queued. */
  async prepare (follower: InboxFollower, since: string | undefined): Promise<{ complete: (budget: AnswerBudget) => InboxAnswer }> {
    const { channel, connection } = follower
    if (since === undefined && follower.live) {
      return {
        complete: () => {
          channel.flushTo(follower)
          return { position: formatPosition(channel.positionOf(follower)) }
        }
      }
    }
    // What was still being sent as frames ends here: the answer goes on from the client's position, or from what it has.
    follower.turn++
    if (follower.live) channel.flushTo(follower)
    follower.live = false
    if (!follower.reading) {
      follower.reading = true
      channel.beginRead()
    }
    let backlog: Backlog
    try {
      // There is no state to reload direct messages from, so what is kept behind a gap comes at once.
      const wanted = { since: since ?? follower.served, last: MAX_KEPT, unseen: true }
      backlog = await readBacklog(this.#options.bridge, channel, wanted) ?? fromHead(channel)
    } catch (err) {
      const error = connection.describe(err)
      return {
        complete: () => {
          this.#endRead(follower)
          this.#resetLive(follower)
          return { error }
        }
      }
    }
    return {
      complete: (budget) => {
        channel.flushTo(follower)
        const answer = settle(channel, follower, backlog, budget)
        follower.served = answer.position ?? follower.served
        this.#endRead(follower)
        if (since !== undefined) return answer
        const { position, messages, more, reason } = answer
        return { position, messages, more, reason }
      }
    }
  }

  close (connection: Connection): void {
    const follower = connection.inbox
    if (follower === null) return
    connection.inbox = null
    this.keepHolding(follower)
    this.#endRead(follower)
    follower.channel.unfollow(follower)
    this.#options.hub.release(follower.channel.name)
  }

  #endHold (follower: InboxFollower): boolean {
    if (follower.hold === null) return false
    this.#options.timers.cancel(follower.hold)
    follower.hold = null
    return true
  }

  #endRead (follower: InboxFollower): void {
    if (!follower.reading) return
    follower.reading = false
    follower.channel.endRead()
  }

  /** Sends what was missed as frames of its own, page by page, then goes live. */
  async #deliverFrom (follower: InboxFollower): Promise<void> {
    const { channel, connection, welcome, resets } = follower
    const turn = ++follower.turn
    // What arrived since the welcome is usually at hand, so that nothing is to be read.
    const atHand = resets === channel.resets && channel.since(welcome) !== null
    let backlog: Backlog | null = atHand
      ? { since: formatPosition(welcome), entries: [], position: welcome, more: false, resets }
      : null
    try {
      for (;;) {
        backlog ??= await readBacklog(this.#options.bridge, channel, { since: follower.served }) ?? fromHead(channel)
        if (connection.ended || follower.turn !== turn) return
        channel.flushTo(follower)
        const { position, recovered, reason, messages, more } = settle(channel, follower, backlog, answerBudget())
        if (recovered === false) connection.sendText(resetFrame({ inbox: true, reason: reason ?? 'expired', position: position ?? '' }))
        for (const payload of messages ?? []) connection.sendText(payload.toString())
        if (more !== true) {
          follower.served = position ?? follower.served
          break
        }
        // The log and what arrived here contradict each other: reading on would never end.
        if (position === follower.served) throw new Error('the inbox does not lead on from its own position')
        follower.served = position ?? follower.served
        backlog = null
      }
    } catch (err) {
      if (connection.ended || follower.turn !== turn) return
      connection.log.warn({ err }, 'realtime inbox could not be read')
      this.#resetLive(follower)
    }
    this.#endRead(follower)
  }

  /** The log cannot be read now: delivery goes on from here, and the client is told that there is a gap. */
  #resetLive (follower: InboxFollower): void {
    const { channel, connection } = follower
    if (connection.ended) return
    channel.flushTo(follower)
    follower.live = true
    channel.follow(follower, null)
    follower.send(channel.view.reset('expired', channel.head))
  }
}

/** Nothing to read: the follower is where the log is. */
function fromHead (channel: Channel<Inbox>): Backlog {
  return { since: formatPosition(channel.head), entries: [], position: channel.head, more: false, resets: channel.resets }
}
