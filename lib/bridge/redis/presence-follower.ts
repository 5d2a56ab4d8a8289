import type { ChannelEvent, PresenceSnapshot } from '../bridge.js'

/** A snapshot, and the life of the room's presence in which its version counts: a store that lost it begins another one. */
export type EpochSnapshot = PresenceSnapshot & { readonly epoch: string }

export interface PresenceFollowerOptions {
  readonly from: EpochSnapshot
  deliver (event: ChannelEvent): void
  read (): Promise<EpochSnapshot>
  failed (error: unknown): void
}

/** One room's presence as a node hears it: every version once and in order, or a snapshot where one is missing. */
export class PresenceFollower {
  readonly #options: PresenceFollowerOptions

  constructor (options: PresenceFollowerOptions) {
    this.#options = options
  }

  /** False: it was nothing. */
  receive (_body: string): boolean {
    return this.#options === undefined
  }

  repair (): void {}

  async heard (_version: number): Promise<void> {}

  end (): void {}
}
