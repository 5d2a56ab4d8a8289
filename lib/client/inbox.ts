import type { GapReason } from '../protocol/frames.js'
import { MAX_RECEIVED } from '../protocol/frames.js'
import type { Core } from './core.js'
import { errorOf } from './errors.js'
import type { DirectFrame, Recovery } from './frames.js'

/** Messages to this user. */
export interface Inbox {
  direct (frame: DirectFrame): void
  gap (gap: { readonly reason?: GapReason, readonly position?: string }): void
  /** The inbox's part of the answer to a resume. */
  replay (answer: Recovery<DirectFrame>): void
}

export function createInbox (core: Core): Inbox {
  /** Positions of messages that were handled, to be told of together. */
  const received: Array<string | undefined> = []

  function acknowledge (): void {
    if (received.length) core.transmit({ type: 'received', positions: received.splice(0, MAX_RECEIVED) })
  }

  function direct (frame: DirectFrame): void {
    const { position, receipt } = frame
    core.inbox = position
    core.emit('direct', frame, () => {
      if (receipt) received.push(position)
      // Those of one turn go together.
      queueMicrotask(acknowledge)
    })
  }

  function gap ({ reason, position }: { reason?: GapReason, position?: string }): void {
    core.inbox = position
    core.emit('reset', { reason, position })
  }

  return {
    direct,
    gap,
    replay ({ position, recovered, reason, messages = [], error }) {
      if (error) return core.report(errorOf(error))
      if (recovered === false) gap({ reason, position })
      messages.forEach((message) => { if (core.live) direct(message) })
      if (core.live) core.inbox = position
    }
  }
}
