import type { RateLimitOptions } from '@fastify/rate-limit'
import type { FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { Duration, Rate } from './duration.js'
import type { RoomMap } from './policy.js'
import type { RedisOption } from './redis.js'
import type { IdempotencyOptions, InboxOptions } from './retention.js'
import type { RealtimeUser } from './user.js'

/** A signed cookie as the credential. Needs @fastify/cookie. */
export interface AuthCookieOptions {
  /** Name of the cookie. */
  cookieName: string
  /**
   * Is it signed? An unsigned one is accepted only if this says so.
   * @default true
   */
  signed?: boolean | undefined
}

/** Authentication by JSON Web Token, through @fastify/jwt. */
export interface JwtAuthOptions {
  /**
   * The secret or keys to verify with, as @fastify/jwt takes them. Not needed where the application registered @fastify/jwt:
   * its configuration is used then. A text or Buffer should be at least 32 random bytes: below that, a warning is logged.
   */
  secret?: FastifyJWTOptions['secret'] | undefined
  /**
   * The algorithms accepted, never `none`; a token signed with any other is 401. Without it, the one that the type of the key stands
   * for (HS256 for a secret), or what the application's @fastify/jwt verifies or else signs with.
   */
  algorithms?: readonly string[] | undefined
  /**
   * Makes the user of a verified payload. Without it the payload itself, its `sub` as `id`, which must be a non-empty string.
   * No object, and an id that is not 1 to 200 bytes, is 401; throwing is answered as that of `authenticate`.
   */
  user?(payload: Readonly<Record<string, unknown>>): RealtimeUser | Promise<RealtimeUser>
  /** Also take the token from a cookie; header and subprotocol come first. */
  cookie?: AuthCookieOptions | undefined
  /**
   * Also take the token from the query string, under this name (`true`: `token`). It is redacted from logs; proxies may still
   * write it to theirs. Prefer a ticket.
   * @default false
   */
  query?: boolean | string | undefined
  /**
   * Refuse a token that never expires (401).
   * @default true
   */
  requireExp?: boolean | undefined
  authenticate?: undefined
}

/** Who a request was found to come from. */
export interface Authentication<User = RealtimeUser> {
  /** Who it is. */
  user: User
  /** When the credential expires, epoch milliseconds. The connection is closed with 4401 then. Without it, never. */
  expiresAt?: number | undefined
}

/** Authentication by the application itself. */
export interface CustomAuthOptions {
  /**
   * Tells whose request this is; `null` is 401. An error with a `statusCode` from 400 to 499 is answered as that; any other is a
   * failure, not a verdict: 503 with Retry-After. Runs for handshakes, tickets, renewals and statistics.
   */
  authenticate (request: FastifyRequest): Authentication | null | Promise<Authentication | null>
  secret?: undefined
  algorithms?: undefined
  user?: undefined
  cookie?: undefined
  query?: undefined
  requireExp?: undefined
}

/** How connections are authenticated. */
export type AuthOptions = JwtAuthOptions | CustomAuthOptions

/** Bounds on everything that comes from outside. Reaching one is a defined answer. */
export interface LimitOptions {
  /**
   * Bytes of a frame a client sends. A larger one closes the connection with 1009.
   * @default 65536
   */
  payload?: number | undefined
  /**
   * Nesting of a frame's JSON. A deeper one is answered `bad_frame`.
   * @default 32
   */
  depth?: number | undefined
  /**
   * Rooms a connection may be in. The next join is answered `limit_reached`.
   * @default 100
   */
  rooms?: number | undefined
  /**
   * Members a room may have; a policy's own `members` overrides it. The next join is answered `limit_reached`. With presence it
   * holds for the whole cluster; without, each node counts its own users.
   * @default Infinity
   */
  members?: number | undefined
  /**
   * Rooms a connection may join or resume in a time. Beyond it: `rate_limited` with `retryAfter`.
   * @default { max: 200, timeWindow: '10s' }
   */
  joins?: Rate | undefined
  /**
   * Connections this node holds. The next handshake is 503 with Retry-After.
   * @default Infinity
   */
  connections?: number | undefined
  /**
   * Connections a user may have in the cluster. One more is let in, and the user's oldest is closed with 4409.
   * @default 20
   */
  connectionsPerUser?: number | undefined
  /**
   * Connections an address may have on this node. The next handshake is 429 with Retry-After.
   * @default Infinity
   */
  connectionsPerAddress?: number | undefined
  /**
   * Handshakes an address may make in a time, as @fastify/rate-limit's options. Beyond it: 429 with Retry-After. The routes for
   * tickets, renewals and statistics are held to the same, each counted by itself. `hook` is always `onRequest`.
   * @default { max: 3000, timeWindow: '1m' }
   */
  handshakes?: RateLimitOptions | undefined
  /**
   * Frames a connection may send in a time (a token bucket, so bursts up to `max`); every frame counts, refused ones too.
   * Beyond it: `rate_limited` with `retryAfter`.
   * @default { max: 100, timeWindow: '10s' }
   */
  messages?: Rate | undefined
  /**
   * The same for all connections of a user on this node together.
   * @default { max: 400, timeWindow: '10s' }
   */
  messagesPerUser?: Rate | undefined
  /**
   * Calls a connection may have pending. The next one is answered `limit_reached`.
   * @default 32
   */
  calls?: number | undefined
  /**
   * Bytes that may wait to be written to a connection. Volatile frames are dropped first; beyond it the connection is closed
   * with 4410 and resumes from its positions. As many bytes of frames it sent may wait for their turn (`limit_reached`).
   * @default 1048576
   */
  outbound?: number | undefined
}

/** How dead connections are found. */
export interface HeartbeatOptions {
  /**
   * How often a `ping` goes out, in milliseconds or as `'25s'`.
   * @default '25s'
   */
  interval?: Duration | undefined
  /**
   * A connection silent for the interval and this is closed with 4408. In milliseconds or as `'20s'`.
   * @default '20s'
   */
  timeout?: Duration | undefined
}

/** How connections are sent elsewhere when the app closes. */
export interface DrainOptions {
  /**
   * Over how long reconnects are spread, so that the other nodes are not hit at once. In milliseconds or as `'5s'`.
   * @default '5s'
   */
  spread?: Duration | undefined
  /**
   * When the connections that are still there are terminated, in milliseconds or as `'10s'`.
   * @default '10s'
   */
  deadline?: Duration | undefined
  /**
   * The close code: 1012 (restarting) or 1001 (going away).
   * @default 1012
   */
  code?: 1012 | 1001 | undefined
}

/** What `GET {path}/stats` tells, and whom. */
export interface StatsOptions {
  /**
   * May this user see room names? Without it every authenticated user sees counts, and nobody names.
   */
  authorize (ctx: { readonly user: RealtimeUser, readonly request: FastifyRequest }): boolean | Promise<boolean>
}

/** `GET {path}/health` and `{path}/health/ready`. */
export interface HealthOptions {
  /**
   * Serve them?
   * @default true
   */
  enabled?: boolean | undefined
}

/**
 * May a page of this origin connect? Only asked where the request has an Origin header.
 */
export type OriginFunction = (origin: string, request: FastifyRequest) => boolean | Promise<boolean>

/** Options of the plugin. A wrong or misspelt one fails at `register` and names itself. */
export interface RealtimeOptions {
  /**
   * The WebSocket route. `stats`, `health`, `health/ready`, `ticket` and `renew` live below it.
   * @default '/realtime'
   */
  path?: string | undefined
  /** As everywhere in Fastify, and typed as there: put before `path`. */
  prefix?: string
  /** How connections are authenticated. */
  auth?: AuthOptions | undefined
  /**
   * What makes any number of nodes behave as one: a Redis (6.2 or later, or Valkey), or a list of independent ones that rooms and users
   * are shared out over: the same list on every node, with the same spelling, in any order. Without it there is one node.
   *
   * `register` fails with `RT_ERR_REDIS` where Redis cannot be reached within `timeout`. Afterwards an outage closes no socket: what
   * needs Redis is refused with `unavailable` until it is back.
   * @example
   * ```ts
   * redis: 'redis://localhost:6379'
   * redis: { host: 'redis', password, tls: {}, prefix: 'shop', lease: '30s' }
   * redis: { sentinels: [{ host: 's1', port: 26379 }], name: 'main' }
   * redis: { shards: ['redis://a', 'redis://b'], prefix: 'shop' }
   * ```
   */
  redis?: RedisOption | undefined
  /** Policies by pattern: `defineRooms({ ... })`, or plain objects. More may be declared with `fastify.realtime.room`. */
  rooms?: RoomMap | undefined
  /** Bounds on everything that comes from outside. */
  limits?: LimitOptions | undefined
  /** How long an idempotency key is remembered. */
  idempotency?: IdempotencyOptions | undefined
  /** What is kept of direct messages for users who are away. */
  inbox?: InboxOptions | undefined
  /** How dead connections are found. */
  heartbeat?: HeartbeatOptions | undefined
  /** How connections are sent elsewhere when the app closes. */
  drain?: DrainOptions | undefined
  /**
   * Origins whose pages may connect, compared exactly (`https://app.example.com`), or a function. Others are 403 before the
   * upgrade. Without it an Origin must name the host that the request itself was sent to.
   * @default same origin
   */
  origins?: readonly string[] | OriginFunction | undefined
  /**
   * Let requests without an Origin header in: everything that is not a browser. Otherwise they are 403.
   * @default true
   */
  allowNoOrigin?: boolean | undefined
  /** Whom `GET {path}/stats` shows room names. */
  stats?: StatsOptions | undefined
  /** Liveness and readiness. */
  health?: HealthOptions | undefined
  /** More options of the WebSocket route (`onRequest`, `schema`, `config`, `logLevel`); this package's own win, misspelt ones fail. */
  route?: RouteShorthandOptions | undefined
}
