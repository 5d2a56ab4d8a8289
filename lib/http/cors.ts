import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { originOf } from './origin.js'
import type { OriginPolicy } from './origin.js'

/**
 * Origin check and CORS of our routes. Written here because @fastify/cors is set for a whole app, while these routes follow
 * `origins`. Where the app uses it too, these headers replace its own, except on preflights, which it answers by itself.
 */
export class OriginGate {
  readonly #policy: OriginPolicy
  readonly #allowed = new WeakMap<FastifyRequest, boolean>()

  constructor (policy: OriginPolicy) {
    this.#policy = policy
  }

  /**
   * First onRequest hook of a route: decides what can be decided at once, and sets the headers without which a page cannot read any
   * later answer, the refusals included. Refuses nothing yet, so that handshakes from wrong origins count toward the rate limit too.
   */
  readonly decide = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    vary(reply)
    reply.removeHeader('access-control-allow-origin')
    reply.removeHeader('access-control-allow-credentials')
    const allowed = this.#policy.listed(request)
    if (allowed !== undefined) this.#note(request, reply, allowed)
  }

  /**
   * Refuses what was decided against. A preParsing hook: after the rate limit, so that nobody has the application's `origins` called
   * without bound, and before a byte of the body is read.
   */
  readonly enforce = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!this.#allowed.has(request)) this.#note(request, reply, await this.#policy.ask(request))
    if (this.#allowed.get(request) !== true) throw new errors.RT_ERR_FORBIDDEN_ORIGIN()
  }

  #note (request: FastifyRequest, reply: FastifyReply, allowed: boolean): void {
    this.#allowed.set(request, allowed)
    const origin = originOf(request)
    if (!allowed || origin === undefined) return
    reply.header('access-control-allow-origin', origin)
    reply.header('access-control-allow-credentials', 'true')
    reply.header('access-control-expose-headers', 'Retry-After')
  }

  /** Answers a preflight for a route with this method. */
  preflight (method: 'GET' | 'POST') {
    return async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      reply
        .code(204)
        .header('access-control-allow-methods', method)
        .header('access-control-allow-headers', 'Authorization, Content-Type')
        .header('access-control-max-age', '600')
    }
  }
}

function vary (reply: FastifyReply): void {
  const present = reply.getHeader('vary')
  const fields = (Array.isArray(present) ? present.join(', ') : String(present ?? '')).split(',').map(field => field.trim()).filter(Boolean)
  if (fields.includes('*') || fields.some(field => field.toLowerCase() === 'origin')) return
  reply.header('vary', [...fields, 'Origin'].join(', '))
}
