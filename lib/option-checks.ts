import type { FastifyJWTOptions } from '@fastify/jwt'
import type { RateLimitOptions, RateLimitPluginOptions } from '@fastify/rate-limit'
import type { RouteOptions, RouteShorthandOptions } from 'fastify'
import type { CustomAuthOptions, JwtAuthOptions, OriginFunction } from '../types/options.js'
import type { RoomMap, RoomPolicy } from '../types/policy.js'
import type { AnySchema } from '../types/schema.js'
import { boolean, callback, duration, integer, isForeignOptions, isFunction, isPlainObject, object, refuse, refuseMisspelt, refuseUnknown } from './check.js'
import type { Check } from './check.js'
import { errors } from './errors.js'
import { RESERVED_EVENTS } from './protocol/frames.js'
import { isEventName } from './protocol/names.js'

/** Checks of the options that have rules of their own. Which option has which is in options.ts. */

/** So many in so many ms. */
export interface ResolvedRate {
  readonly max: number
  readonly timeWindow: number
}

export function rate (max: number, timeWindow: string): Check<ResolvedRate> {
  return object({
    max: integer({ standard: max, min: 1, max: 1_000_000 }),
    timeWindow: duration({ standard: timeWindow, min: '100ms', max: '1h' })
  })
}

export function routePath (standard: string): Check<string> {
  const expected = 'a path such as "/realtime": it starts with a slash, does not end with one, and has no wildcard, query or empty segment'
  return {
    expected,
    standard,
    read: (value = standard, path) =>
      typeof value === 'string' && value.length <= 200 && /^(?:\/[\w.~:@!$&'()+,;=%-]+)+$/.test(value) ? value : refuse(path, expected, value)
  }
}

export function routePrefix (): Check<string> {
  const expected = 'a path such as "/v1", or ""'
  return {
    expected,
    standard: '',
    read (value = '', path) {
      if (typeof value !== 'string' || value.length > 200) return refuse(path, expected, value)
      const trimmed = value.endsWith('/') ? value.slice(0, -1) : value
      return trimmed === '' || /^(?:\/[\w.~:@!$&'()+,;=%-]+)+$/.test(trimmed) ? trimmed : refuse(path, expected, value)
    }
  }
}

export function roomMap (): Check<RoomMap> {
  const expected = 'an object of policies by pattern'
  return {
    expected,
    // Each policy is checked where it is declared, so that there is one way to declare rooms.
    read: (value = {}, path) => isForeignOptions<RoomMap>(value) ? value : refuse(path, expected, value)
  }
}

/** Fastify's own, those that ours win over included; plugins such as @fastify/helmet add others. */
const ROUTE_OPTIONS = [
  'schema', 'attachValidation', 'exposeHeadRoute', 'validatorCompiler', 'serializerCompiler', 'bodyLimit', 'handlerTimeout', 'logLevel', 'logSerializers',
  'config', 'constraints', 'prefixTrailingSlash', 'errorHandler', 'childLoggerFactory', 'schemaErrorFormatter', 'onRequest', 'preParsing', 'preValidation',
  'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort', 'method', 'url', 'handler', 'websocket', 'wsHandler'
] as const satisfies ReadonlyArray<keyof RouteOptions>

export function routeOptions (): Check<RouteShorthandOptions> {
  const expected = 'an object of Fastify route options'
  return {
    expected,
    standard: {},
    read (value = {}, path) {
      if (!isForeignOptions<RouteShorthandOptions>(value)) return refuse(path, expected, value)
      refuseMisspelt(value, ROUTE_OPTIONS, path)
      return value
    }
  }
}

/** Those that @fastify/rate-limit reads of a route. */
const RATE_LIMIT_OPTIONS = [
  'max', 'timeWindow', 'allowList', 'keyGenerator', 'ipv6Subnet', 'ban', 'groupId', 'store', 'skipOnError', 'cache', 'continueExceeding', 'exponentialBackoff',
  'errorResponseBuilder', 'addHeaders', 'addHeadersOnExceeding', 'enableDraftSpec', 'hook', 'onExceeding', 'onExceeded', 'onBanReach'
] as const satisfies ReadonlyArray<keyof RateLimitPluginOptions>

/** Options of @fastify/rate-limit; its own checks replace a wrong `max` by its default without a word. */
export function handshakes (max: number, timeWindow: string): Check<RateLimitOptions> {
  const expected = "an object of @fastify/rate-limit's options"
  const limit = integer({ standard: max, min: 1, max: 1_000_000 })
  const span = duration({ standard: timeWindow, min: '100ms', max: '24h' })
  return {
    expected,
    standard: { max, timeWindow },
    read (value = {}, path) {
      if (!isForeignOptions<RateLimitOptions>(value)) return refuse(path, expected, value)
      refuseUnknown(value, RATE_LIMIT_OPTIONS, path)
      return {
        ...value,
        max: isFunction(value.max) ? value.max : limit.read(value.max, `${path}.max`),
        timeWindow: isFunction(value.timeWindow) ? value.timeWindow : span.read(value.timeWindow, `${path}.timeWindow`)
      }
    }
  }
}

export interface ResolvedDrain {
  /** In ms. */
  readonly spread: number
  /** In ms. */
  readonly deadline: number
  readonly code: 1012 | 1001
}

export function drain (): Check<ResolvedDrain> {
  const check = object({
    spread: duration({ standard: '5s', min: '0ms', max: '10m' }),
    deadline: duration({ standard: '10s', min: '100ms', max: '10m' }),
    code: closeCodeOfDrain()
  })
  return {
    ...check,
    read (value, path) {
      const resolved = check.read(value, path)
      if (resolved.spread <= resolved.deadline) return resolved
      const given = isPlainObject(value) && value.spread !== undefined
      if (given) throw new errors.RT_ERR_OPTION(`${path}.spread must not be longer than ${path}.deadline (${resolved.deadline} ms)`)
      return { ...resolved, spread: resolved.deadline }
    }
  }
}

function closeCodeOfDrain (): Check<1012 | 1001> {
  const expected = '1012 or 1001'
  return {
    expected,
    standard: 1012,
    read: (value = 1012, path) => value === 1012 || value === 1001 ? value : refuse(path, expected, value)
  }
}

/** `null`: same origin. */
export function originList (): Check<ReadonlySet<string> | OriginFunction | null> {
  const expected = 'an array of exact origins such as "https://app.example.com", or a function'
  return {
    expected,
    read (value, path) {
      if (value === undefined) return null
      if (isFunction<OriginFunction>(value)) return value
      if (!Array.isArray(value) || value.length > 1000) return refuse(path, expected, value)
      return new Set(value.map((origin: unknown, index) => exactOrigin(origin, `${path}[${index}]`)))
    }
  }
}

function exactOrigin (value: unknown, path: string): string {
  const expected = 'an exact origin (scheme://host, with :port where it is not the default one; no path, no trailing slash, no wildcard)'
  if (typeof value !== 'string' || !/^[a-z][a-z0-9+.-]{0,31}:\/\/[^/?#@\\*\s]{1,253}$/.test(value)) return refuse(path, expected, value)
  if (!/^https?:/.test(value)) return value
  const canonical = canonicalOrigin(value)
  if (canonical === null) return refuse(path, expected, value)
  // Browsers send the canonical form, so another one would never match.
  if (canonical !== value) return refuse(path, `written as browsers send it, ${JSON.stringify(canonical)}`, value)
  return value
}

function canonicalOrigin (value: string): string | null {
  try {
    return new URL(value).origin
  } catch {
    return null
  }
}

// --- auth ---

type Secret = NonNullable<FastifyJWTOptions['secret']>

export interface ResolvedJwtAuth {
  readonly kind: 'jwt'
  /** `null`: the application registered @fastify/jwt itself. */
  readonly secret: Secret | null
  readonly algorithms: readonly string[] | null
  readonly user: NonNullable<JwtAuthOptions['user']> | null
  readonly cookie: { readonly cookieName: string, readonly signed: boolean } | null
  /** Name of the query parameter, where one is taken. */
  readonly query: string | null
  readonly requireExp: boolean
}

export interface ResolvedCustomAuth {
  readonly kind: 'custom'
  readonly authenticate: CustomAuthOptions['authenticate']
}

export type ResolvedAuth = ResolvedJwtAuth | ResolvedCustomAuth

export function authentication (): Check<ResolvedAuth> {
  const check = object({
    secret: jwtSecret(),
    algorithms: algorithmList(),
    user: callback<NonNullable<JwtAuthOptions['user']>>(),
    cookie: optional(object({
      cookieName: token('a cookie name'),
      signed: boolean(true)
    })),
    query: queryName(),
    requireExp: boolean(true),
    authenticate: callback<CustomAuthOptions['authenticate']>()
  })
  return {
    ...check,
    read (value, path) {
      const { authenticate, ...jwt } = check.read(value, path)
      if (authenticate === null) return { kind: 'jwt', ...jwt }
      const other = isPlainObject(value) ? Object.keys(value).find((key) => key !== 'authenticate' && value[key] !== undefined) : undefined
      if (other === undefined) return { kind: 'custom', authenticate }
      throw new errors.RT_ERR_OPTION(`${path}.${other} and ${path}.authenticate exclude each other`)
    }
  }
}

function jwtSecret (): Check<Secret | null> {
  const expected = 'a non-empty string, a Buffer, a function or an object of keys, as @fastify/jwt takes them'
  return {
    expected,
    read: (value, path) => value === undefined ? null : isSecret(value) ? value : refuse(path, expected, value)
  }
}

/** What of it fits the algorithm is for @fastify/jwt to say. */
function isSecret (value: unknown): value is Secret {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length > 0
  return typeof value === 'function' || isPlainObject(value)
}

const HMAC = ['HS256', 'HS384', 'HS512']
const PUBLIC_KEY = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

function algorithmList (): Check<readonly string[] | null> {
  const known = [...HMAC, ...PUBLIC_KEY].join(', ')
  const expected = `an array of ${known}, either of HS ones only or without them`
  return {
    expected,
    read (value, path) {
      if (value === undefined) return null
      if (!Array.isArray(value) || value.length === 0) return refuse(path, expected, value)
      const names: string[] = value.map((name: unknown, index) =>
        typeof name === 'string' && (HMAC.includes(name) || PUBLIC_KEY.includes(name)) ? name : refuse(`${path}[${index}]`, `one of ${known}`, name))
      // Where both are accepted, a public key can be used as an HMAC secret to forge tokens.
      const symmetric = names.filter((name) => HMAC.includes(name)).length
      return symmetric === 0 || symmetric === names.length ? names : refuse(path, expected, value)
    }
  }
}

function queryName (): Check<string | null> {
  const name = token('a boolean, or the name of the parameter')
  return {
    expected: name.expected,
    standard: false,
    read (value = false, path) {
      if (value === false) return null
      if (value === true) return 'token'
      // The name of the one-time ticket.
      if (value === 'ticket') throw new errors.RT_ERR_OPTION(`${path} must not be "ticket": that parameter is the one-time ticket`)
      return name.read(value, path)
    }
  }
}

function token (expected: string): Check<string> {
  return {
    expected,
    read: (value, path) => typeof value === 'string' && /^[\w.~-]{1,64}$/.test(value) ? value : refuse(path, expected, value)
  }
}

// --- policy ---

export function publishers (): Check<NonNullable<RoomPolicy['publish']>> {
  const expected = '"members", "server" or a function'
  return {
    expected,
    standard: 'server',
    read: (value = 'server', path) =>
      value === 'members' || value === 'server' || isFunction<Exclude<RoomPolicy['publish'], string | undefined>>(value)
        ? value
        : refuse(path, expected, value)
  }
}

/** `null`: any event, unchecked. */
export function eventMap (): Check<ReadonlyMap<string, AnySchema> | null> {
  const expected = 'an object of schemas by event'
  return {
    expected,
    read (value, path) {
      if (value === undefined) return null
      if (!isPlainObject(value)) return refuse(path, expected, value)
      return new Map(Object.entries(value).map(([event, schema]) => [eventName(event, path), schemaOf(schema, `${path}.${event}`)]))
    }
  }
}

function eventName (event: string, path: string): string {
  const shown = JSON.stringify(event.slice(0, 64))
  if (!isEventName(event)) throw new errors.RT_ERR_OPTION(`${path} has the event ${shown}: a name is 1 to 64 bytes without control characters and braces`)
  if (RESERVED_EVENTS.has(event)) throw new errors.RT_ERR_OPTION(`${path} has the event ${shown}, which is reserved`)
  return event
}

function schemaOf (value: unknown, path: string): AnySchema {
  // Some Standard Schema libraries make schemas that can be called.
  return (typeof value === 'object' && value !== null) || typeof value === 'function' ? value : refuse(path, 'a schema', value)
}

export function memberLimit (): Check<number | null> {
  const check = integer({ standard: Infinity, min: 1, max: 1_000_000, unlimited: true })
  return {
    expected: check.expected,
    standard: 'limits.members',
    read: (value, path) => value === undefined ? null : check.read(value, path)
  }
}

/** An object, or `null` when there is none. */
function optional<T> (check: Check<T>): Check<T | null> {
  return { ...check, read: (value, path) => value === undefined ? null : check.read(value, path) }
}

/** On with its defaults unless `false`, which is `null`. */
export function unlessFalse<T> (check: Check<T>): Check<T | null> {
  const expected = 'false or an object'
  return {
    ...check,
    expected,
    read: (value = {}, path) => value === false ? null : isPlainObject(value) ? check.read(value, path) : refuse(path, expected, value)
  }
}

/** Off, which is `null`, unless `true` (on with its defaults) or an object. */
export function ifAsked<T> (check: Check<T>): Check<T | null> {
  const expected = 'a boolean or an object'
  return {
    ...check,
    expected,
    read (value = false, path) {
      if (value === false) return null
      if (value === true) return check.read({}, path)
      return isPlainObject(value) ? check.read(value, path) : refuse(path, expected, value)
    }
  }
}
