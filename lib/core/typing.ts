import type { Bridge } from '../bridge/bridge.js'
import type { Clock } from '../clock.js'
import type { Membership } from './room.js'
import type { Timers } from './timers.js'

/** Silence after which a typist is taken to have stopped, in ms; clients repeat every 3 s. */
const SILENCE = 6_000

/** Repetitions within this time of the last announcement are kept from the others, in ms. */
const THROTTLE = 2_000

export interface TypingOptions {
  readonly bridge: Bridge
  readonly clock: Clock
  readonly timers: Timers
  /** The user's other memberships of the same room on this node. */
  readonly siblings: (membership: Membership) => readonly Membership[]
}

/** Who types where, for the connections of this node. Volatile: what cannot be told now is not told later. */
export class Typing {
  readonly #options: TypingOptions

  constructor (options: TypingOptions) {
    this.#options = options
  }

  set (membership: Membership, typing: boolean): void {
    if (!typing) {
      this.ended(membership)
      return
    }
    const { clock, timers } = this.#options
    const now = clock.now()
    const deadline = timers.after(SILENCE, () => this.ended(membership))
    if (membership.typing !== null) timers.cancel(membership.typing.deadline)
    const told = this.#toldAt(membership)
    const due = now - told >= THROTTLE
    membership.typing = { deadline, relayedAt: due ? now : told }
    if (due) this.#announce(membership, true)
  }

  /** When the others were last told that this user types, with whichever device; only while one of them still does. */
  #toldAt (membership: Membership): number {
    let told = membership.typing?.relayedAt ?? -Infinity
    for (const { typing } of this.#options.siblings(membership)) {
      if (typing !== null) told = Math.max(told, typing.relayedAt)
    }
    return told
  }

  /** Typing ends by itself, by `false`, by the typist's message, by leaving, or with the connection. */
  ended (membership: Membership): void {
    if (membership.typing === null) return
    this.#options.timers.cancel(membership.typing.deadline)
    membership.typing = null
    const elsewhere = this.#options.siblings(membership).some((sibling) => sibling.typing !== null)
    if (!elsewhere) this.#announce(membership, false)
  }

  #announce (membership: Membership, typing: boolean): void {
    this.#options.bridge.typing(membership.channel.name, membership.userId, typing).catch(() => {})
  }
}
