import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RealtimeUser } from '../../types/user.js'
import type { Clock } from '../clock.js'
import { errors } from '../errors.js'
import type { ResolvedAuth, ResolvedCustomAuth, ResolvedJwtAuth } from '../options.js'
import { isUserId } from '../protocol/names.js'
import type { Identity } from './contract.js'
import type { VerifyToken } from './dependencies.js'
import { originOf } from './origin.js'
import { offeredToken } from './subprotocol.js'
import type { Tickets } from './tickets.js'

/** Finds out whose request it is; 401 where it is nobody's. */
export interface Authenticator {
  /** A request of an ordinary route: header or cookie. */
  request (request: FastifyRequest): Promise<Identity>
  /** A handshake: also subprotocol, ticket and query string. Spends the ticket. */
  handshake (request: FastifyRequest): Promise<Identity>
  /** What the handshake would say, without looking at a ticket. */
  probe (request: FastifyRequest): Promise<void>
}

/** Latest time a Date can name; what is later is not a time. */
const MAX_TIME = 8.64e15

interface CredentialDeps {
  readonly auth: ResolvedAuth
  readonly verify: VerifyToken | null
  readonly tickets: Tickets
  readonly clock: Clock
}

/**
 * Makes the check that every route uses. The first credential present decides, in the order of docs/protocol.md; a bad one is
 * never made up for by a good one of another kind.
 */
export function authenticator (fastify: FastifyInstance, deps: CredentialDeps): Authenticator {
  const { auth, tickets, clock } = deps
  const find = auth.kind === 'custom' ? custom(auth, clock) : jwt(fastify, auth, deps)
  return {
    async request (request) {
      return await find(request, false) ?? nobody()
    },
    async handshake (request) {
      return await find(request, true) ?? await tickets.redeem(ticketOf(request) ?? nobody(), originOf(request)) ?? nobody('the ticket is of no use')
    },
    async probe (request) {
      await find(request, true) ?? ticketOf(request) ?? nobody()
    }
  }
}

function nobody (why = 'no credentials'): never {
  throw unauthorized(why)
}

/**
 * Looks for the credentials of one kind of authentication, with `handshake` also where only handshakes have them.
 * `undefined`: none is present.
 */
type Find = (request: FastifyRequest, handshake: boolean) => Promise<Identity | undefined>

function custom (auth: ResolvedCustomAuth, clock: Clock): Find {
  return async (request, handshake) => {
    // What the application takes for credentials is not known here; a header or an offered token is certainly one.
    const offered = handshake && offeredToken(request) !== undefined
    if (handshake && !offered && request.headers.authorization === undefined && ticketOf(request) !== undefined) return undefined
    const result = await guarded(request, () => auth.authenticate(request))
    if (result === null || result === undefined) return nobody('no valid credentials')
    const { user, expiresAt } = result
    if (expiresAt !== undefined && !isTime(expiresAt)) {
      request.log.error('realtime: auth.authenticate returned an expiresAt that is not a time in epoch milliseconds')
      throw new errors.RT_ERR_UNAVAILABLE('authentication failed')
    }
    return identify(request, user, expiresAt ?? null, clock)
  }
}

function jwt (fastify: FastifyInstance, auth: ResolvedJwtAuth, { verify, clock }: CredentialDeps): Find {
  if (verify === null) throw new errors.RT_ERR_OPTION('auth.secret is missing')
  const cookie = auth.cookie && cookieReader(fastify, auth.cookie)
  const tokenOf = (request: FastifyRequest, handshake: boolean): string | undefined =>
    bearerOf(request) ??
    (handshake ? offeredToken(request) : undefined) ??
    cookie?.(request) ??
    (handshake && auth.query !== null && ticketOf(request) === undefined ? queryOf(request, auth.query) : undefined)

  return async (request, handshake) => {
    const token = tokenOf(request, handshake)
    if (token === undefined) return undefined
    const claimed = await verified(request, token, verify)
    const claims = claimsOf(token)
    const expiresAt = expiryOf(claims, auth.requireExp)
    const { user: map } = auth
    const user = map ? await guarded(request, () => map(claims)) : userOf(claimed, claims)
    return identify(request, user, expiresAt, clock)
  }
}

function identify (request: FastifyRequest, user: RealtimeUser, expiresAt: number | null, clock: Clock): Identity {
  if (typeof user !== 'object' || user === null || !isUserId(user.id)) throw unauthorized('no valid user id')
  if (expiresAt !== null && expiresAt <= clock.wall()) throw unauthorized('expired')
  const origin = originOf(request)
  return origin === undefined ? { user, expiresAt } : { user, expiresAt, origin }
}

// --- where credentials are ---

/** Another scheme is not ours: a proxy's Basic authentication is sent along by browsers. */
function bearerOf (request: FastifyRequest): string | undefined {
  const match = /^Bearer(?:\s(.*))?$/i.exec(request.headers.authorization ?? '')
  return match === null ? undefined : (match[1] ?? '').trim()
}

function cookieReader (fastify: FastifyInstance, { cookieName, signed }: NonNullable<ResolvedJwtAuth['cookie']>) {
  if (!fastify.hasDecorator('parseCookie')) throw new errors.RT_ERR_OPTION('auth.cookie needs @fastify/cookie, registered before')
  if (signed && !fastify.hasDecorator('unsignCookie')) {
    throw new errors.RT_ERR_OPTION('auth.cookie needs @fastify/cookie with a secret, registered before')
  }
  const parse = fastify.getDecorator<(header: string) => Record<string, string | undefined>>('parseCookie')
  const unsign = signed ? fastify.getDecorator<(value: string) => { valid: boolean, value: string | null }>('unsignCookie') : undefined
  return (request: FastifyRequest): string | undefined => {
    // From the header itself: request.cookies may be filled by a hook that has not run yet.
    const value = request.headers.cookie === undefined ? undefined : parse(request.headers.cookie)[cookieName]
    if (value === undefined || unsign === undefined) return value
    const unsigned = unsign(value)
    // Present but not ours: it decides, so nothing else is tried.
    return unsigned.valid ? unsigned.value ?? '' : ''
  }
}

function ticketOf (request: FastifyRequest): string | undefined {
  return queryOf(request, 'ticket')
}

/** One value of the query string; given twice, it is none that could be valid. */
function queryOf (request: FastifyRequest, name: string): string | undefined {
  const { query } = request
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return undefined
  const value: unknown = Object.getOwnPropertyDescriptor(query, name)?.value
  return typeof value === 'string' ? value : ''
}

// --- what they say ---

async function verified (request: FastifyRequest, token: string, verify: VerifyToken): Promise<unknown> {
  // @fastify/jwt answers an empty one with 400.
  if (token === '') throw unauthorized('no valid token')
  try {
    return await verify(request, token)
  } catch (err) {
    throw refusal(request, err)
  }
}

/**
 * The claims themselves, of a token that has been verified: what @fastify/jwt resolves with went through the application's
 * `formatUser`, which may leave out `sub` and `exp`.
 */
function claimsOf (token: string): Record<string, unknown> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    if (isRecord(claims)) return claims
  } catch {}
  throw unauthorized('no valid token')
}

function expiryOf (claims: Record<string, unknown>, required: boolean): number | null {
  if (!Object.hasOwn(claims, 'exp')) {
    if (required) throw unauthorized('the token does not expire')
    return null
  }
  const expiresAt = typeof claims.exp === 'number' ? Math.floor(claims.exp * 1000) : NaN
  if (!isTime(expiresAt)) throw unauthorized('the token has no valid expiry')
  return expiresAt
}

/** The application's own view of a user where it has one (`formatUser`), the claims otherwise; the id is always `sub`. */
function userOf (claimed: unknown, claims: Record<string, unknown>): RealtimeUser {
  const id = Object.hasOwn(claims, 'sub') ? claims.sub : undefined
  if (!isUserId(id)) throw unauthorized('the token has no valid sub')
  // With verify.complete it is the whole token.
  const complete = isRecord(claimed) && 'signature' in claimed && isRecord(claimed.payload)
  const source = isRecord(claimed) && !complete ? claimed : claims
  const user: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(source)) {
    // JSON.parse makes it an own key; assigning it would change the prototype.
    if (key !== '__proto__') user[key] = value
  }
  return { ...user, id }
}

/** The application's authentication: its 4xx errors are answers, any other is a failure and no verdict on the credentials. */
async function guarded<T> (request: FastifyRequest, authenticate: () => T | Promise<T>): Promise<T> {
  try {
    return await authenticate()
  } catch (err) {
    throw refusal(request, err)
  }
}

/** The answer to an error of @fastify/jwt, of the key lookup and `trusted` behind it, or of `authenticate` and `auth.user`. */
function refusal (request: FastifyRequest, err: unknown): Error {
  const { code, statusCode } = isRecord(err) ? err : {}
  if (err instanceof Error && typeof code === 'string' && /^FA?ST_JWT_/.test(code)) {
    return unauthorized(code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED' ? 'expired' : 'no valid token', err)
  }
  if (err instanceof Error && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return err
  request.log.error({ err }, 'realtime: authentication failed')
  return new errors.RT_ERR_UNAVAILABLE('authentication failed', { cause: err })
}

function unauthorized (why: string, cause?: unknown): Error {
  return cause === undefined ? new errors.RT_ERR_UNAUTHORIZED(why) : new errors.RT_ERR_UNAUTHORIZED(why, { cause })
}

function isTime (value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) <= MAX_TIME
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
