import type { FastifyRequest } from 'fastify'
import type { RateLimitOptions } from '@fastify/rate-limit'
import { errors } from '../errors.js'
import { addressOf } from './admission.js'

/**
 * `config.rateLimit` of our routes: the options of `limits.handshakes` with what this package needs. Nothing is left to
 * an application's global defaults, which would count something else or at another time.
 */
export function rateLimitConfig (handshakes: RateLimitOptions): RateLimitOptions {
  return {
    // The library's own key is the address too, but a request without one (injectWS, a Unix socket) would be a 500.
    keyGenerator: request => addressOf(request) ?? 'no address',
    errorResponseBuilder: (_request, context) =>
      context.ban ? new errors.RT_ERR_FORBIDDEN('too many requests over the limit') : new errors.RT_ERR_TOO_MANY(`requests, retry in ${context.after}`),
    // A store that is away refuses nobody: who is connected stays, and who is not may come.
    skipOnError: true,
    ...handshakes,
    // Before anything costs: credentials are checked later.
    hook: 'onRequest'
  }
}

/**
 * Tells once that the limits by address count a proxy instead of its clients: X-Forwarded-For arrives and is not trusted.
 * `request.ips` exists only where `trustProxy` is set.
 */
export function warnAboutProxy (): (request: FastifyRequest) => Promise<void> {
  let warned = false
  return async request => {
    if (warned || request.headers['x-forwarded-for'] === undefined || request.ips !== undefined) return
    warned = true
    request.log.warn('realtime: requests carry X-Forwarded-For but trustProxy is off, so limits by address count all clients of the proxy as one')
  }
}
