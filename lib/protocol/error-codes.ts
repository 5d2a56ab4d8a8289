import type { ErrorCode } from './frames.js'

export interface ErrorCodeEntry {
  /** Whether sending the same again may help, and cannot do it twice. */
  readonly retryable: boolean
  /** What it means, and the message when there is nothing better to say. */
  readonly message: string
}

/** Every code of an `error` frame. */
export const errorCodes: { readonly [Code in ErrorCode]: ErrorCodeEntry } = {
  bad_frame: { retryable: false, message: 'the frame could not be read' },
  bad_request: { retryable: false, message: 'the frame has no meaning here' },
  forbidden: { retryable: false, message: 'not allowed' },
  not_member: { retryable: false, message: 'not a member of the room' },
  unknown_event: { retryable: false, message: 'the event is not declared' },
  invalid_content: { retryable: false, message: 'the content does not match its schema' },
  too_large: { retryable: false, message: 'the content is too large' },
  rate_limited: { retryable: true, message: 'too many frames' },
  limit_reached: { retryable: false, message: 'a limit is reached' },
  conflict: { retryable: false, message: 'the key was used with another payload' },
  refused: { retryable: false, message: 'refused' },
  unavailable: { retryable: true, message: 'not applied: temporarily unavailable' },
  // Not retryable by itself: without a key, sending again may do it twice.
  timeout: { retryable: false, message: 'the outcome is unknown' },
  internal: { retryable: false, message: 'internal error' }
}
