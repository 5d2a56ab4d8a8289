import type { FailureCode, RealtimeFailure } from '../../types/client.js'

/** What every promise of a client rejects with; `code` says why, see {@link FailureCode}. */
export class RealtimeError extends Error implements RealtimeFailure {
  declare readonly code: FailureCode
  declare readonly retryable: boolean
  declare readonly retryAfter?: number
  declare readonly roomId?: string
  declare readonly key?: string
  declare readonly content?: unknown

  constructor (code: FailureCode, message: string = code, { retryable = false, retryAfter, roomId, key, content }: Partial<RealtimeFailure> = {}) {
    super(message)
    Object.assign(this, { name: 'RealtimeError', code, retryable, retryAfter, roomId, key, content })
  }
}

/** Does nothing: for promises whose failure is told elsewhere. */
export function ignore (): void {}
