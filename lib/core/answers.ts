import type { FastifyBaseLogger } from 'fastify'
import { BridgeError } from '../bridge/bridge.js'
import { isRefusal } from '../errors.js'
import type { Refusal } from '../errors.js'
import { contentText } from '../protocol/encode.js'
import type { ErrorBody } from '../protocol/encode.js'

/** Bounds of what an application may send along with a refusal. */
const REFUSAL_CONTENT = { depth: 32, bytes: 64 * 1024 }

/** Characters of an application's refusal message that reach the client. */
const REFUSAL_MESSAGE = 1_000

/**
 * What a client is told about a failure: refusals in their own words, the store's trouble by its code, everything else as
 * `internal`, of which the details belong in the log and nowhere else. Never throws, whatever an application threw: an error
 * whose properties throw themselves must not leave a frame without its answer.
 */
export function errorBody (err: unknown, log: FastifyBaseLogger): ErrorBody {
  try {
    if (isRefusal(err)) return refusalBody(err, log)
    if (err instanceof BridgeError) return { code: err.code }
  } catch (hostile) {
    err = hostile
  }
  logError(log, err, 'realtime handler failed')
  return { code: 'internal' }
}

/** Logs what an application threw, or that this cannot be logged. Never throws. */
export function logError (log: FastifyBaseLogger, err: unknown, message: string): void {
  try {
    log.error({ err }, message)
  } catch {
    log.error(`${message}, with an error that cannot be logged`)
  }
}

function refusalBody (refusal: Refusal, log: FastifyBaseLogger): ErrorBody {
  const { content } = refusal
  const message = String(refusal.message).slice(0, REFUSAL_MESSAGE)
  if (content === undefined) return { code: 'refused', message }
  try {
    return { code: 'refused', message, content: contentText(content, REFUSAL_CONTENT) }
  } catch (err) {
    logError(log, err, 'realtime refusal without its content')
    return { code: 'refused', message }
  }
}
