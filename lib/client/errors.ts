import type { FailureCode, RealtimeFailure } from '../../types/client.js'
import type { ErrorPart } from './frames.js'

/** What every promise of a client rejects with; `code` says why, see {@link FailureCode}. */
export class RealtimeError extends Error implements RealtimeFailure {
  declare readonly code: FailureCode
  declare readonly retryable: boolean
  declare readonly retryAfter?: number
  declare readonly roomId?: string
  declare readonly key?: string
  declare readonly content?: unknown

  /** @param details - more of it, such as the server's frame */
  constructor (code: FailureCode, message: string = code, details?: object) {
    super(message)
    Object.assign(this, { name: 'RealtimeError', code, retryable: false }, details)
  }
}

/** What the server says about a failure, as an error. */
export function errorOf (part: ErrorPart): RealtimeError {
  return new RealtimeError(part.code, part.message, part)
}

/** Does nothing: for promises whose failure is told elsewhere. */
export function ignore (): void {}
