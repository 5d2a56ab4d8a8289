import type { GapReason } from '../../protocol/frames.js'
import type { Position } from '../../protocol/position.js'
import { CONTROL_RETENTION } from '../bridge.js'
import type { ChannelEvent, Entry, RemovalEntry } from '../bridge.js'
import { samePosition } from './envelope.js'
import type { LogEnvelope } from './envelope.js'
import type { Continuation, Removals } from './log-store.js'

export interface LogFollowerOptions {
  /** Where it begins. */
  readonly from: Position
  /** Those that are known by then. */
  readonly removals?: Removals
  deliver (event: ChannelEvent): void
  /** Reads on from a position. */
  read (from: Position): Promise<Continuation>
  /** A read failed: {@link LogFollower.repair} has to be called again. */
  failed (error: unknown): void
}

/** Positions remembered, to tell an old envelope from one of another history. */
const REMEMBERED = 64

/** A place in the log up to which everything was delivered. */
interface Passed {
  readonly chain: string
  /** A fan-out has come that ends here; until then it may be late, and what it brings have been read. */
  heard: boolean
}

/** Users whose last removal is remembered: as many as the store remembers. */
const REMEMBERED_REMOVALS = CONTROL_RETENTION.size

/**
 * One channel's log as a node hears it: each entry once and in order, whatever the fan-out lost, repeated or made up. Where an envelope
 * does not continue what was delivered, the log itself is asked; what arrives meanwhile is not kept, but read.
 */
export class LogFollower {
  readonly #options: LogFollowerOptions
  #last: Position
  /** The places that were passed last, by offset. */
  readonly #known = new Map<number, Passed>()
  /** Where each user was removed last, as far as that was delivered: what is removed twice may have come back in between. */
  readonly #removed = new Map<string, Position>()
  /** The reading that is under way. */
  #repairing: Promise<void> | null = null
  /** Something arrived, or may have been lost, since the read that is under way began. */
  #dirty = false
  #ended = false

  constructor (options: LogFollowerOptions) {
    this.#options = options
    this.#last = options.from
    for (const [userId, { position }] of options.removals ?? []) this.#removed.set(userId, position)
  }

  get position (): Position {
    return this.#last
  }

  /** False: it was heard before. */
  receive ({ before, end, entries }: LogEnvelope): boolean {
    if (this.#ended) return true
    // A log that was rolled back may bring it again by right, so that a read under way has to be made once more.
    if (this.#repairing !== null) this.#dirty = true
    const passed = before.epoch === this.#last.epoch ? this.#known.get(end.offset) : undefined
    if (passed?.chain === end.chain) {
      const repeated = passed.heard
      passed.heard = true
      return !repeated
    }
    if (this.#repairing !== null) return true
    if (samePosition(before, this.#last)) {
      for (const entry of entries) this.#deliver(entry)
      this.#advance(end, true)
    } else this.repair()
    return true
  }

  /** Makes sure that nothing is missing. */
  repair (): void {
    this.#dirty = true
    if (this.#repairing !== null || this.#ended) return
    this.#repairing = this.#catchUp()
    this.#repairing.catch((error: unknown) => {
      if (!this.#ended) this.#options.failed(error)
    })
  }

  /** As {@link repair}; resolves when nothing is missing, or rejects where that cannot be found out. */
  async repaired (): Promise<void> {
    this.repair()
    await this.#repairing
  }

  end (): void {
    this.#ended = true
  }

  async #catchUp (): Promise<void> {
    try {
      while (this.#dirty && !this.#ended) {
        this.#dirty = false
        const { head, gap, entries, more, upTo, removals } = await this.#options.read(this.#last)
        if (gap === undefined) {
          for (const entry of entries) this.#deliver(entry)
          this.#advance(upTo)
          if (more) this.#dirty = true
        } else this.#reset(gap, head, removals)
      }
    } finally {
      // In the turn of the last look at #dirty: nothing can arrive in between.
      this.#repairing = null
    }
  }

  #deliver (entry: Entry | RemovalEntry): void {
    if (this.#ended) return
    this.#advance(entry.position)
    if (entry.kind === 'message') this.#options.deliver({ type: 'entry', entry })
    else this.#remove(entry)
  }

  /** Entries of unknown kinds are passed over, but have their place: without it what follows them would seem to be missing something. */
  #advance (position: Position, heard = false): void {
    this.#last = position
    this.#known.set(position.offset, { chain: position.chain, heard: heard || this.#known.get(position.offset)?.heard === true })
    const [oldest] = this.#known.keys()
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
  }

  #remove (entry: RemovalEntry): void {
    const { userId, position } = entry
    this.#removed.delete(userId)
    this.#removed.set(userId, position)
    const [oldest] = this.#removed.keys()
    if (this.#removed.size > REMEMBERED_REMOVALS && oldest !== undefined) this.#removed.delete(oldest)
    this.#options.deliver({ type: 'removal', entry })
  }

  /** Messages that were missed can be left to whoever wants them; who was removed meanwhile has to go. */
  #reset (reason: GapReason, head: Position, removals: Removals): void {
    if (this.#ended) return
    this.#last = head
    this.#known.clear()
    for (const [userId, { position }] of removals) {
      const known = this.#removed.get(userId)
      if (known === undefined || !samePosition(known, position)) this.#remove({ kind: 'removal', position, userId })
    }
    this.#options.deliver({ type: 'reset', reason, position: head })
  }
}
