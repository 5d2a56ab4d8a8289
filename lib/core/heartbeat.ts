import type { Clock } from '../clock.js'
import { Timer, type Timers } from './timers.js'

/** A connection as the heartbeat sees it. */
export interface Peer {
  /** `clock.now()` when it was last heard of; kept by the connection. */
  readonly alive: number
  /** Give it a sign of life and ask for one. */
  beat (): void
  /** It has been silent too long. Called once; it is removed already. */
  expire (): void
}

export interface HeartbeatOptions {
  readonly timers: Timers
  readonly clock: Clock
  /** Milliseconds between two beats. */
  readonly interval: number
  /** Milliseconds a peer has to answer one. */
  readonly timeout: number
}

/** What {@link Heartbeat.remove} takes. */
export type HeartbeatHandle = Pulse

/**
 * Beats for every connection, and finds the dead: a peer is expired when it has been silent for interval + timeout.
 *
 * A process that stalls hears nobody, and what was sent to it meanwhile is read only after overdue timers have run. So
 * silence counts only as far as it was the peer's: it has the whole timeout to answer the first beat that it missed, it has
 * it once more after a stall of ours, and it is heard once more before it goes.
 */
export class Heartbeat {
  readonly timers: Timers
  readonly clock: Clock
  readonly interval: number
  readonly timeout: number
  /** The last time a beat came too late, for whichever peer. */
  stalledAt = -Infinity
  /** How late is too late. Above what the timers allow themselves, also where a test sets very short intervals. */
  readonly slack: number

  constructor (options: HeartbeatOptions) {
    this.timers = options.timers
    this.clock = options.clock
    this.interval = options.interval
    this.timeout = options.timeout
    this.slack = Math.max(Math.min(options.interval, options.timeout) / 2, options.timers.resolution * 4)
  }

  /** The first beat comes at a random moment of the second half of the interval, so that a crowd spreads out. */
  add (peer: Peer): HeartbeatHandle {
    const pulse = new Pulse(this, peer)
    pulse.start(this.interval * (1 + this.clock.random()) / 2)
    return pulse
  }

  remove (handle: HeartbeatHandle): void {
    this.timers.cancel(handle)
  }
}

/** The heartbeat of one peer. Its times are whole numbers, which V8 keeps in the object itself. */
class Pulse extends Timer {
  readonly #heartbeat: Heartbeat
  readonly #peer: Peer
  #nextBeat = 0
  /** The first beat since the peer was last heard of; -1 for none. */
  #asked = -1
  #suspect = false

  constructor (heartbeat: Heartbeat, peer: Peer) {
    super()
    this.#heartbeat = heartbeat
    this.#peer = peer
  }

  start (delay: number): void {
    this.#nextBeat = Math.ceil(this.#heartbeat.clock.now() + delay)
    this.#schedule(this.#nextBeat)
  }

  override fire (): void {
    const { clock, slack } = this.#heartbeat
    const now = Math.floor(clock.now())
    if (now - this.when > slack) this.#heartbeat.stalledAt = now
    if (this.#peer.alive > this.#asked) this.#asked = -1
    const beat = now >= this.#nextBeat
    if (beat) {
      if (this.#asked === -1) this.#asked = now
      this.#nextBeat = now + this.#heartbeat.interval
    }
    const deadline = this.#deadline()
    if (now < deadline) {
      this.#suspect = false
      this.#schedule(Math.min(this.#nextBeat, deadline))
    } else if (this.#suspect) {
      this.#peer.expire()
      return
    } else {
      // Everything that arrived by now is read before the next tick.
      this.#suspect = true
      this.#schedule(now)
    }
    // Last, since it may throw, or find the connection gone and remove it.
    if (beat) this.#peer.beat()
  }

  /** When the peer will have been silent too long, by what is known now. */
  #deadline (): number {
    const { interval, timeout, stalledAt } = this.#heartbeat
    return Math.max(this.#peer.alive + interval + timeout, Math.max(this.#asked, stalledAt) + timeout)
  }

  #schedule (when: number): void {
    this.#heartbeat.timers.schedule(this, when)
  }
}
