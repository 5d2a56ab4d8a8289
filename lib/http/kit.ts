import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify'
import { errors } from '../errors.js'
import type { ResolvedOptions } from '../options.js'
import { Admission } from './admission.js'
import { errorHeaders } from './answers.js'
import type { HttpDeps, Identity } from './contract.js'
import { OriginGate } from './cors.js'
import { authenticator } from './credentials.js'
import type { Authenticator } from './credentials.js'
import type { Dependencies } from './dependencies.js'
import { bearerRoute, openRoute } from './openapi.js'
import { originPolicy } from './origin.js'
import { rateLimitConfig } from './rate-limit.js'
import { logSerializers } from './redact.js'
import { Tickets } from './tickets.js'
import type { UpgradeGuard } from './upgrade-guard.js'

/** The options that lib/http reads. */
export type HttpOptions = Pick<ResolvedOptions, 'path' | 'auth' | 'origins' | 'allowNoOrigin' | 'limits' | 'stats' | 'health' | 'route'>

/** What our routes share. */
export interface Kit {
  readonly options: HttpOptions
  readonly deps: HttpDeps
  readonly dependencies: Dependencies
  readonly guard: UpgradeGuard
  readonly gate: OriginGate
  readonly admission: Admission
  readonly tickets: Tickets
  readonly authenticate: Authenticator
}

export function createKit (fastify: FastifyInstance, parts: Pick<Kit, 'options' | 'deps' | 'dependencies' | 'guard'>): Kit {
  const { options, deps, dependencies } = parts
  const tickets = new Tickets(deps.bridge, deps.clock)
  return {
    ...parts,
    gate: new OriginGate(originPolicy(options)),
    admission: new Admission(options.limits),
    tickets,
    authenticate: authenticator(fastify, { auth: options.auth, verify: dependencies.verify, tickets, clock: deps.clock })
  }
}

/**
 * preValidation hook of ordinary routes, so that nobody without credentials learns what is wrong with a request, and the way
 * their handlers get at what it found.
 */
export function identification ({ authenticate }: Kit) {
  const identities = new WeakMap<FastifyRequest, Identity>()
  return {
    identify: async (request: FastifyRequest): Promise<void> => {
      identities.set(request, await authenticate.request(request))
    },
    identityOf (request: FastifyRequest): Identity {
      const identity = identities.get(request)
      if (identity === undefined) throw new errors.RT_ERR_UNAUTHORIZED('no credentials')
      return identity
    }
  }
}

/** What a page of an allowed origin may use: the WebSocket route, ticket and renew. */
export function pageRoute ({ gate, options }: Kit) {
  return {
    exposeHeadRoute: false,
    logSerializers,
    config: { ...bearerRoute, rateLimit: rateLimitConfig(options.limits.handshakes) },
    onRequest: [gate.decide],
    preParsing: [gate.enforce],
    onError: [errorHeaders]
  }
}

/**
 * First onRequest hook of routes that are no WebSocket: @fastify/websocket would accept an upgrade there before it is known whose it
 * is, and log its whole URL.
 */
export async function refuseUpgrade (request: FastifyRequest): Promise<void> {
  if (request.ws) throw new errors.RT_ERR_NO_ROUTE()
}

/** For @fastify/swagger. */
export const hidden: FastifySchema & { hide: boolean } = { hide: true }

/** Answers preflights for {@link pageRoute}s. */
export function preflightRoute (fastify: FastifyInstance, { gate, options }: Kit, url: string, method: 'GET' | 'POST'): void {
  fastify.route({
    method: 'OPTIONS',
    url,
    schema: hidden,
    config: { ...openRoute, ...(typeof options.origins === 'function' && { rateLimit: rateLimitConfig(options.limits.handshakes) }) },
    logSerializers,
    onRequest: [refuseUpgrade, gate.decide],
    preParsing: [gate.enforce],
    onError: [errorHeaders],
    handler: gate.preflight(method)
  })
}
