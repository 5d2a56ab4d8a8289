import type { Frame } from './frame.js'

/**
 * The frames an outbox has waiting for the next flush, as a list that outboxes share: members of a room who were sent the
 * same frames since the last flush hold the very same object, so a push is a comparison and an assignment, and their bytes
 * are joined once for all of them.
 *
 * Each list knows the list it extends and the one that last extended it. That last one is only a hint: whoever appends
 * another frame in between gets a list of his own, with the same meaning and one more copy to make. What is sent follows
 * from the frames alone, so sharing can never send anybody the frames of others.
 *
 * Lists live from a push to the flush that follows, never longer: the links forward would keep frames of others alive.
 */
export class Pending {
  /** The last frame; absent in the empty list. */
  readonly #frame: Frame | undefined
  readonly #previous: Pending | undefined
  #next: Pending | undefined
  #wire: Buffer | undefined
  /** Number of frames. */
  readonly count: number
  /** Sum of their sizes. */
  readonly bytes: number

  constructor (frame?: Frame, previous?: Pending) {
    this.#frame = frame
    this.#previous = previous
    this.#next = undefined
    this.#wire = undefined
    this.count = previous === undefined ? 0 : previous.count + 1
    this.bytes = (previous === undefined ? 0 : previous.bytes) + (frame === undefined ? 0 : frame.size)
  }

  /** This list and `frame` after it. */
  append (frame: Frame): Pending {
    const next = this.#next
    if (next !== undefined && next.#frame === frame) return next
    return (this.#next = new Pending(frame, this))
  }

  /** Lets go of the lists that extend this one. */
  release (): void {
    this.#next = undefined
  }

  /** All frames in one buffer, made once; a single frame's own bytes. */
  get wire (): Buffer {
    return (this.#wire ??= this.#join())
  }

  /** The frames, oldest first. */
  frames (): Frame[] {
    const frames: Frame[] = []
    for (let list: Pending | undefined = this; list !== undefined; list = list.#previous) {
      if (list.#frame !== undefined) frames.push(list.#frame)
    }
    return frames.reverse()
  }

  #join (): Buffer {
    if (this.count === 1 && this.#frame !== undefined) return this.#frame.wire
    const wire = Buffer.allocUnsafe(this.bytes)
    let end = this.bytes
    for (let list: Pending | undefined = this; list !== undefined; list = list.#previous) {
      if (list.#frame === undefined) continue
      end -= list.#frame.size
      wire.set(list.#frame.wire, end)
    }
    return wire
  }
}
