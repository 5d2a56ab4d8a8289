import type { PublishResult } from '../types/publish.js'
import { BridgeError } from './bridge/bridge.js'
import type { PublishResult as BridgeResult } from './bridge/bridge.js'
import { errors } from './errors.js'
import { formatPosition } from './protocol/position.js'

/** What a publish led to, as an application gets it. */
export async function settled (published: Promise<BridgeResult>): Promise<PublishResult> {
  const result = await available(published)
  if (result.status === 'conflict') throw new errors.RT_ERR_CONFLICT()
  return {
    ...(result.position === undefined ? {} : { position: formatPosition(result.position) }),
    timestamp: result.timestamp,
    ...(result.status === 'duplicate' ? { duplicate: true } : {})
  }
}

/** The bridge's errors as an application gets them. */
export async function available<Result> (result: Promise<Result>): Promise<Result> {
  try {
    return await result
  } catch (err) {
    if (!(err instanceof BridgeError)) throw err
    throw err.code === 'timeout'
      ? new errors.RT_ERR_TIMEOUT(err.message, { cause: err })
      : new errors.RT_ERR_UNAVAILABLE(err.message, { cause: err })
  }
}
