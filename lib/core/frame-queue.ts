import type { Frame } from './frame.js'

/** Arrays shorter than this are not worth compacting. */
const COMPACT_FROM = 32

/**
 * The frames of a connection that does not take them at the moment, by reference. Exists only while there are some.
 *
 * Volatile frames can be dropped out of the middle. Their places are remembered, so that dropping costs as much as pushing
 * them did and never a scan: a stuck consumer in a busy room must not cost more than a healthy one.
 */
export class FrameQueue {
  /** Sent and dropped frames leave holes, until the holes outnumber the frames. */
  #frames: (Frame | undefined)[] = []
  #head = 0
  /** Where volatile frames were put, sent ones included, oldest first. */
  #volatile: number[] = []
  #length = 0
  #bytes = 0

  get length (): number {
    return this.#length
  }

  /** Sum of the sizes of the frames. */
  get bytes (): number {
    return this.#bytes
  }

  push (frame: Frame): void {
    if (frame.volatile) this.#volatile.push(this.#frames.length)
    this.#frames.push(frame)
    this.#length++
    this.#bytes += frame.size
  }

  /** Takes the oldest frame out. */
  shift (): Frame | undefined {
    while (this.#head < this.#frames.length) {
      const index = this.#head++
      const frame = this.#frames[index]
      if (frame !== undefined) {
        this.#remove(index, frame)
        this.#compact()
        return frame
      }
    }
    return undefined
  }

  /** Drops all volatile frames and says how many there were. */
  dropVolatile (): number {
    const before = this.#length
    for (const index of this.#volatile) {
      const frame = this.#frames[index]
      if (frame !== undefined) this.#remove(index, frame)
    }
    this.#volatile = []
    this.#compact()
    return before - this.#length
  }

  #remove (index: number, frame: Frame): void {
    this.#frames[index] = undefined
    this.#length--
    this.#bytes -= frame.size
  }

  /** Only once more than half are holes, which spreads the cost over what made them. */
  #compact (): void {
    if (this.#frames.length < COMPACT_FROM || this.#length * 2 > this.#frames.length) return
    const frames = this.#frames
    const head = this.#head
    this.#frames = []
    this.#head = 0
    this.#volatile = []
    this.#length = 0
    this.#bytes = 0
    for (let index = head; index < frames.length; index++) {
      const frame = frames[index]
      if (frame !== undefined) this.push(frame)
    }
  }
}
