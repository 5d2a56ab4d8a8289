import type { RequestOptions } from '../../types/client.js'
import type { Core } from './core.js'
import { deadline } from './environment.js'
import { ignore, RealtimeError } from './errors.js'
import type { Ack, ErrorFrame } from './frames.js'

/** Frames that want an answer. None is ever sent twice. */
export interface Requests {
  /** @param now - send although not caught up: what catching up is made of */
  send (frame: object, options?: RequestOptions, now?: boolean): Promise<Ack>
  /** Caught up: what waited for that may go. */
  flush (): void
  answer (frame: Ack | ErrorFrame): void
  /** The connection is gone: whatever was sent will not be answered. With `all`, nothing else will be sent either. */
  fail (error: RealtimeError, all: boolean): void
}

interface Pending {
  /** What is sent once there is a connection; absent when that is done. */
  frame?: object
  settle (error?: RealtimeError, ack?: Ack): void
}

export function createRequests (core: Core): Requests {
  const all = new Map<number, Pending>()
  let lastId = 0

  function transmit (pending: Pending): void {
    const { frame, settle } = pending
    if (frame === undefined) return
    pending.frame = undefined
    const problem = core.transmit(frame)
    if (problem !== undefined) settle(problem)
  }

  return {
    send (frame, { timeout = core.timeout, signal } = {}, now) {
      const id = ++lastId
      const promise = new Promise<Ack>((resolve, reject) => {
        const settle = (error?: RealtimeError, ack?: Ack): void => {
          all.delete(id)
          cancel()
          signal?.removeEventListener('abort', abort)
          if (ack === undefined) reject(error)
          else resolve(ack)
        }
        const abort = (): void => settle(new RealtimeError('aborted'))
        const cancel = deadline(core.clock, () => settle(new RealtimeError('timeout')), timeout)
        const pending: Pending = { frame: { id, ...frame }, settle }
        all.set(id, pending)
        signal?.addEventListener('abort', abort)
        if (core.ended) settle(new RealtimeError('closed'))
        else if (signal?.aborted === true) abort()
        else if (now === true || core.connected) transmit(pending)
      })
      // Whoever is not interested in an answer does not have to say so.
      promise.catch(ignore)
      return promise
    },
    flush () {
      all.forEach(transmit)
    },
    answer (frame) {
      const pending = all.get(frame.id ?? 0)
      if (frame.type === 'ack') pending?.settle(undefined, frame)
      else pending?.settle(new RealtimeError(frame.code, frame.message, frame))
    },
    fail (error, everything) {
      for (const { frame, settle } of [...all.values()]) if (everything || frame === undefined) settle(error)
    }
  }
}
