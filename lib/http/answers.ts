import type { FastifyReply, FastifyRequest } from 'fastify'
import { BridgeError } from '../bridge/bridge.js'
import { errors } from '../errors.js'

/** Seconds after which asking again makes sense, by error code. */
const RETRY_AFTER: Readonly<Record<string, number>> = {
  RT_ERR_DRAINING: 1,
  RT_ERR_UNAVAILABLE: 2,
  RT_ERR_OVERLOADED: 5,
  RT_ERR_TOO_MANY: 5
}

/** onError hook of our routes: the headers that belong to a status, unless somebody set them who knows better. */
export async function errorHeaders (_request: FastifyRequest, reply: FastifyReply, error: Error & { code?: string, statusCode?: number }): Promise<void> {
  const { statusCode, code } = error
  if (statusCode === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer')
  if ((statusCode === 429 || statusCode === 503) && !reply.hasHeader('retry-after')) {
    reply.header('retry-after', String(RETRY_AFTER[code ?? ''] ?? 5))
  }
}

/** A failure of the bridge as the 503 that it is for an HTTP client, whether it was applied or not. */
export async function available<T> (what: string, result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (cause) {
    if (cause instanceof BridgeError) throw new errors.RT_ERR_UNAVAILABLE(what, { cause })
    throw cause
  }
}

/** The body of every error, as Fastify writes it. */
const errorSchema = {
  type: 'object',
  properties: {
    statusCode: { type: 'integer' },
    code: { type: 'string' },
    error: { type: 'string' },
    message: { type: 'string' }
  },
  additionalProperties: true
}

/** Response schemas for these statuses. */
export function errorResponses (...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map(status => [status, { description: DESCRIPTIONS[status] ?? 'Error', ...errorSchema }]))
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'Malformed request',
  401: 'No valid credentials',
  403: 'The Origin or the user may not do this',
  404: 'Not found',
  426: 'All is well: send a WebSocket upgrade',
  429: 'Too many requests or connections; see Retry-After',
  503: 'Overloaded, draining or cut off from the other nodes; see Retry-After'
}
