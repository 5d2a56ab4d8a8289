import type { RequestOptions } from '../../types/client.js'
import type { Core } from './core.js'
import { deadline } from './environment.js'
import { errorOf, ignore, RealtimeError } from './errors.js'
import type { Ack, ErrorFrame } from './frames.js'

/** Frames that want an answer. None is ever sent twice. */
export interface Requests {
  /**
   * @param take - takes the answer before the next frame is read, which a promise does not: several frames may come at once. With it
   * the frame is sent although the client has not caught up: it is part of that.
   */
  request (frame: object, take?: (ack: Ack) => void, options?: RequestOptions): Promise<Ack>
  /** Caught up: what waited for that may go. */
  flush (): void
  answer (frame: Ack | ErrorFrame): void
  /** The connection is gone: whatever was sent will not be answered; and if there will be no other, the rest neither. */
  fail (): void
}

interface Pending {
  /** What is sent once there is a connection; absent when that is done. */
  frame?: object
  take?: (ack: Ack) => void
  resolve (ack: Ack): void
  reject (error: RealtimeError): void
}

export function createRequests (core: Core): Requests {
  const pendings = new Map<number | undefined, Pending>()
  let lastId = 0

  function transmit (pending: Pending): void {
    const { frame, reject } = pending
    pending.frame = undefined
    const problem = frame && core.transmit(frame)
    if (problem) reject(problem)
  }

  return {
    request (frame, take, { timeout = core.wait, signal } = {}) {
      const id = ++lastId
      let done = ignore
      const promise = new Promise<Ack>((resolve, reject) => {
        const abort = (): void => reject(new RealtimeError('aborted'))
        const cancel = deadline(core.clock, () => reject(new RealtimeError('timeout')), timeout)
        const pending: Pending = { frame: { id, ...frame }, take, resolve, reject }
        pendings.set(id, pending)
        signal?.addEventListener('abort', abort)
        if (signal?.aborted) abort()
        else if (core.ended) reject(new RealtimeError('closed'))
        else if (take || core.connected) transmit(pending)
        done = () => {
          pendings.delete(id)
          cancel()
          signal?.removeEventListener('abort', abort)
        }
      })
      // Whoever is not interested in an answer does not have to say so.
      promise.then(done, done)
      return promise
    },
    flush () {
      pendings.forEach(transmit)
    },
    answer (frame) {
      const { take, resolve, reject = core.report } = pendings.get(frame.id) ?? {}
      if (frame.type === 'error') reject(errorOf(frame))
      else {
        take?.(frame)
        resolve?.(frame)
      }
    },
    fail () {
      pendings.forEach(({ frame, reject }) => {
        if (core.ended) reject(new RealtimeError('closed'))
        else if (!frame) reject(new RealtimeError('disconnected'))
      })
    }
  }
}
