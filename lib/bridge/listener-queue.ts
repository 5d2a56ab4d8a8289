import type { ChannelEvent, ChannelListener } from './bridge.js'

/**
 * Hands events to one listener, one after the other: what the listener itself sets off waits until it has returned, so that
 * it never sees a later event before it is done with an earlier one.
 */
export class ListenerQueue {
  readonly presence: boolean
  readonly #listener: ChannelListener
  readonly #onError: (error: unknown) => void
  readonly #waiting: ChannelEvent[] = []
  /** Closed at first: events wait until {@link start}. */
  #busy = true

  constructor (presence: boolean, listener: ChannelListener, onError: (error: unknown) => void) {
    this.presence = presence
    this.#listener = listener
    this.#onError = onError
  }

  start (): void {
    this.#busy = false
    this.#drain()
  }

  deliver (event: ChannelEvent): void {
    if (this.#busy) {
      this.#waiting.push(event)
      return
    }
    this.#call(event)
    if (this.#waiting.length > 0) this.#drain()
  }

  /** Drops what waits; its owner delivers nothing from here on. */
  end (): void {
    this.#waiting.length = 0
  }

  #drain (): void {
    // An array grows while it is walked when the listener sets off more.
    for (const event of this.#waiting) this.#call(event)
    this.#waiting.length = 0
  }

  #call (event: ChannelEvent): void {
    this.#busy = true
    try {
      this.#listener(event)
    } catch (error) {
      this.#onError(error)
    } finally {
      this.#busy = false
    }
  }
}
