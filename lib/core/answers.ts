import { BridgeError } from '../bridge/bridge.js'
import { isRefusal } from '../errors.js'
import { contentText } from '../protocol/encode.js'
import type { ErrorBody } from '../protocol/encode.js'

/** Bounds of what an application may send along with a refusal. */
const REFUSAL_CONTENT = { depth: 32, bytes: 64 * 1024 }

/** Characters of an application's refusal message that reach the client. */
const REFUSAL_MESSAGE = 1_000

/**
 * What a client is told about a failure: refusals in their own words, the store's trouble by its code, everything else as
 * `internal`, of which the details belong in the log (`onInternal`) and nowhere else.
 */
export function errorBody (err: unknown, onInternal: (err: unknown) => void): ErrorBody {
  if (isRefusal(err)) {
    const message = String(err.message).slice(0, REFUSAL_MESSAGE)
    if (err.content === undefined) return { code: 'refused', message }
    try {
      return { code: 'refused', message, content: contentText(err.content, REFUSAL_CONTENT) }
    } catch (contentError) {
      onInternal(contentError)
      return { code: 'refused', message }
    }
  }
  if (err instanceof BridgeError) return { code: err.code }
  onInternal(err)
  return { code: 'internal' }
}
