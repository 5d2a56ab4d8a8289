import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ServerOptions } from 'ws'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import { errors } from '../errors.js'
import type { ResolvedAuth, ResolvedOptions } from '../options.js'
import { algorithmOfSecret, algorithmsOfInstance, checkAlgorithms } from './algorithms.js'
import type { Algorithm } from './algorithms.js'
import { chooseProtocol } from './subprotocol.js'
import type { UpgradeGuard } from './upgrade-guard.js'

const NAMESPACE = 'realtime'

/**
 * What ws accepts per connection. Its own defaults (100 MiB a message, 16,384 fragments, 262,144 chunks, 60 pongs waiting)
 * let one peer hold a lot of memory with few bytes.
 */
function serverOptions (payload: number) {
  return {
    maxPayload: payload,
    perMessageDeflate: false,
    maxFragments: 128,
    maxBufferedChunks: 4096,
    maxPendingAutoPongs: 16,
    closeTimeout: 5000
  } satisfies ServerOptions & { maxPendingAutoPongs: number, closeTimeout: number }
}

/** Verifies a JWT; rejects with what @fastify/jwt makes of a bad one. Resolves with what it calls the request's user. */
export type VerifyToken = (request: FastifyRequest, token: string) => Promise<unknown>

/** What the routes need to know about the plugins they stand on. */
export interface Dependencies {
  /** Bytes of a message that arrive at all; the application's own server may let in more or fewer than `limits.payload`. */
  readonly maxPayload: number
  /** Whether the application made the WebSocket server. */
  readonly sharedServer: boolean
  /** Marks a raw request as one of our route, before it is upgraded. */
  markOurs (raw: IncomingMessage): void
  /** `null`: authentication is the application's. */
  readonly verify: VerifyToken | null
}

/** Where @fastify/rate-limit counts; nothing: in this process. */
export type RateLimitStore = Pick<RateLimitPluginOptions, 'redis' | 'nameSpace'>

const servers = new WeakSet<object>()

/** A second registration on the same server, also from a sibling scope where no decorator shows it, would answer every upgrade twice. */
export function claimServer (fastify: FastifyInstance): void {
  if (servers.has(fastify.server)) throw new errors.RT_ERR_ALREADY_REGISTERED()
  servers.add(fastify.server)
}

/**
 * Registers @fastify/websocket, @fastify/rate-limit and @fastify/jwt where the application has not. Must be done before any of
 * our routes is declared: these plugins work through onRoute, and what they did not see is silently unprotected.
 */
export async function registerDependencies (
  fastify: FastifyInstance, options: Pick<ResolvedOptions, 'auth' | 'limits'>, guard: UpgradeGuard, rateLimitStore: () => RateLimitStore = () => ({})
): Promise<Dependencies> {
  const verify = await registerJwt(fastify, options.auth)
  if (!fastify.hasDecorator('rateLimit')) await fastify.register(rateLimit, { global: false, ...rateLimitStore() })

  const sharedServer = fastify.hasDecorator('websocketServer')
  if (!sharedServer) await fastify.register(websocket, { options: serverOptions(options.limits.payload) })

  fastify.websocketServer.on('connection', (_ws, raw: IncomingMessage) => guard.forget(raw))

  const ours = new WeakSet<IncomingMessage>()
  const server = fastify.websocketServer.options
  server.handleProtocols = chooseProtocol(raw => ours.has(raw), server.handleProtocols)

  const theirs = bytesAccepted(server)
  if (sharedServer && theirs !== options.limits.payload) {
    fastify.log.warn({ maxPayload: server.maxPayload, 'limits.payload': options.limits.payload },
      theirs > options.limits.payload
        ? 'realtime: the registered @fastify/websocket buffers larger messages than limits.payload before they can be refused'
        : 'realtime: the registered @fastify/websocket refuses messages smaller than limits.payload')
  }
  return {
    maxPayload: acceptedPayload(fastify, options.limits.payload),
    sharedServer,
    markOurs: raw => { ours.add(raw) },
    verify
  }
}

/** Bytes of a message that arrive at all: a server that the application made may take fewer than `payload`. */
export function acceptedPayload (fastify: FastifyInstance, payload: number): number {
  return fastify.hasDecorator('websocketServer') ? Math.min(bytesAccepted(fastify.websocketServer.options), payload) : payload
}

/** ws takes 0 for no limit. */
function bytesAccepted ({ maxPayload }: ServerOptions): number {
  return maxPayload || Infinity
}

async function registerJwt (fastify: FastifyInstance, auth: ResolvedAuth): Promise<VerifyToken | null> {
  if (auth.kind === 'custom') return null
  const pinned = auth.algorithms && checkAlgorithms(auth.algorithms)
  if (auth.secret !== null) {
    const present = fastify.hasDecorator('jwt')
    const algorithms = pinned ?? [algorithmOfSecret(auth.secret)]
    await fastify.register(jwt, {
      secret: auth.secret,
      // Tokens that fastify.jwt.sign makes are ones that this package accepts.
      ...(pinned ? { sign: { algorithm: pinned[0] } } : {}),
      verify: { algorithms },
      ...(present ? { namespace: NAMESPACE } : {}),
      // Where the application has a request.user of its own, @fastify/jwt could not add one.
      ...(!present && fastify.hasRequestDecorator('user') ? { decoratorName: 'realtimeUser' } : {})
    })
    return verifier(present ? `${NAMESPACE}JwtVerify` : 'jwtVerify', algorithms)
  }
  if (!fastify.hasRequestDecorator('jwtVerify')) {
    throw new errors.RT_ERR_OPTION('auth.secret is missing: give it, or auth.authenticate, or register @fastify/jwt before')
  }
  return verifier('jwtVerify', pinned ?? algorithmsOfInstance(fastify))
}

function verifier (decorator: string, algorithms: Algorithm[]): VerifyToken {
  return (request, token) => {
    const verify = request.getDecorator<(options: object) => Promise<unknown>>(decorator)
    // What an application switched off for its own routes, expiry above all, is not switched off here.
    return verify({ decode: {}, verify: { extractToken: () => token, onlyCookie: false, algorithms, ignoreExpiration: false } })
  }
}
