import type { GapReason } from '../../protocol/frames.js'
import type { Position } from '../../protocol/position.js'
import type { ChannelEvent, Entry, RemovalEntry } from '../bridge.js'
import { samePosition } from './envelope.js'
import type { LogEnvelope } from './envelope.js'
import type { Continuation } from './log-store.js'

export interface LogFollowerOptions {
  /** Where it begins. */
  readonly from: Position
  deliver (event: ChannelEvent): void
  /** Reads on from a position. */
  read (from: Position): Promise<Continuation>
  /** A read failed; whoever learns that the store is back calls {@link LogFollower.repair} again. */
  failed (error: unknown): void
}

/** Positions remembered, to tell an old envelope from one of another history. */
const REMEMBERED = 64

/**
 * One channel's log as a node hears it: each entry once and in order, whatever the fan-out lost, repeated or made up. Where an envelope
 * does not continue what was delivered, the log itself is asked; what arrives meanwhile is not kept, but read.
 */
export class LogFollower {
  readonly #options: LogFollowerOptions
  #last: Position
  /** Chains of the entries delivered last, by offset. */
  readonly #known = new Map<number, string>()
  /** The reading that is under way. */
  #repairing: Promise<void> | null = null
  /** Something arrived, or may have been lost, since the read that is under way began. */
  #dirty = false
  #ended = false

  constructor (options: LogFollowerOptions) {
    this.#options = options
    this.#last = options.from
  }

  get position (): Position {
    return this.#last
  }

  receive ({ before, entries }: LogEnvelope): void {
    if (this.#ended) return
    if (this.#repairing !== null) {
      this.#dirty = true
      return
    }
    if (samePosition(before, this.#last)) {
      for (const entry of entries) this.#deliver(entry)
      return
    }
    const last = entries.at(-1)
    const known = last !== undefined && before.epoch === this.#last.epoch && this.#known.get(last.position.offset) === last.position.chain
    if (!known) this.repair()
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
        const { head, gap, entries, more } = await this.#options.read(this.#last)
        if (gap === undefined) {
          for (const entry of entries) this.#deliver(entry)
          if (more) this.#dirty = true
        } else this.#reset(gap, head)
      }
    } finally {
      // In the turn of the last look at #dirty: nothing can arrive in between.
      this.#repairing = null
    }
  }

  #deliver (entry: Entry | RemovalEntry): void {
    if (this.#ended) return
    const { position } = entry
    this.#last = position
    this.#known.set(position.offset, position.chain)
    this.#known.delete(position.offset - REMEMBERED)
    this.#options.deliver(entry.kind === 'message' ? { type: 'entry', entry } : { type: 'removal', entry })
  }

  #reset (reason: GapReason, position: Position): void {
    if (this.#ended) return
    this.#last = position
    this.#known.clear()
    this.#options.deliver({ type: 'reset', reason, position })
  }
}
