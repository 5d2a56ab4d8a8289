import type { StatsOptions } from '../types/options.js'
import type { RoomPolicy } from '../types/policy.js'
import { boolean, callback, duration, integer, object, refuse } from './check.js'
import type { Check, Checked } from './check.js'
import { errors } from './errors.js'
import {
  authentication, drain, eventMap, handshakes, ifAsked, memberLimit, originList, publishers, rate, roomMap, routeOptions, routePath,
  routePrefix, unlessFalse
} from './option-checks.js'
import { MAX_SERVER_FRAME } from './protocol/frames.js'
import { redis } from './redis-option.js'

export type { ResolvedAuth, ResolvedCustomAuth, ResolvedDrain, ResolvedJwtAuth, ResolvedRate } from './option-checks.js'

const KIB = 1024
const MIB = 1024 * KIB

/** Options that an emitter has as well. */
export const shared = {
  idempotency: object({
    ttl: duration({ standard: '10m', min: '1s', max: '24h' })
  }),
  inbox: object({
    size: integer({ standard: 100, min: 1, max: 10_000 }),
    ttl: duration({ standard: '24h', min: '1s', max: '30d' })
  })
} as const

/** Every option of the plugin, with its default and its bounds: the only place that has them. */
const options = {
  path: routePath('/realtime'),
  prefix: routePrefix(),
  auth: authentication(),
  redis: redis(),
  rooms: roomMap(),
  limits: object({
    // With everything the server adds, a message of this size stays below the largest server frame.
    payload: integer({ standard: 64 * KIB, min: KIB, max: 256 * KIB }),
    depth: integer({ standard: 32, min: 1, max: 128 }),
    rooms: integer({ standard: 100, min: 1, max: 10_000 }),
    members: integer({ standard: Infinity, min: 1, max: 1_000_000, unlimited: true }),
    joins: rate(200, '10s'),
    connections: integer({ standard: Infinity, min: 1, max: 10_000_000, unlimited: true }),
    connectionsPerUser: integer({ standard: 20, min: 1, max: 10_000, unlimited: true }),
    connectionsPerAddress: integer({ standard: Infinity, min: 1, max: 10_000_000, unlimited: true }),
    handshakes: handshakes(3000, '1m'),
    messages: rate(100, '10s'),
    messagesPerUser: rate(400, '10s'),
    calls: integer({ standard: 32, min: 1, max: 10_000 }),
    // Less than one server frame would close a connection for an answer it asked for.
    outbound: integer({ standard: MIB, min: MAX_SERVER_FRAME, max: 1024 * MIB })
  }),
  ...shared,
  heartbeat: object({
    interval: duration({ standard: '25s', min: '100ms', max: '10m' }),
    timeout: duration({ standard: '20s', min: '100ms', max: '10m' })
  }),
  drain: drain(),
  origins: originList(),
  allowNoOrigin: boolean(true),
  stats: object({
    authorize: callback<StatsOptions['authorize']>()
  }),
  health: object({
    enabled: boolean(true)
  }),
  route: routeOptions()
} as const

/** Every option of a room's policy, likewise. */
const policy = {
  join: callback<NonNullable<RoomPolicy['join']>>(),
  publish: publishers(),
  events: eventMap(),
  history: unlessFalse(object({
    size: integer({ standard: 100, min: 1, max: 10_000 }),
    ttl: duration({ standard: '5m', min: '1s', max: '30d' })
  })),
  presence: ifAsked(object({
    grace: duration({ standard: '5s', min: '0ms', max: '1h' })
  })),
  typing: boolean(false),
  members: memberLimit(),
  onJoin: callback<NonNullable<RoomPolicy['onJoin']>>(),
  onMessage: callback<NonNullable<RoomPolicy['onMessage']>>(),
  onLeave: callback<NonNullable<RoomPolicy['onLeave']>>()
} as const

const optionsCheck = object(options)
const policyCheck = object(policy)

/** The options with every default filled in and every duration in milliseconds. Passed down whole. */
export type ResolvedOptions = Checked<typeof options>
/** A room's policy likewise; `null` stands for what is switched off or not declared. */
export type ResolvedPolicy = Checked<typeof policy>

/** Checks the options of the plugin. @throws RT_ERR_OPTION naming the wrong or misspelt one */
export function resolveOptions (input: unknown): ResolvedOptions {
  return optionsCheck.read(input, '')
}

/** Checks the policy of one pattern. @throws RT_ERR_OPTION naming the wrong or misspelt part */
export function resolvePolicy (pattern: string, input: unknown): ResolvedPolicy {
  const path = `rooms[${JSON.stringify(pattern.slice(0, 200))}]`
  if (input === undefined) return refuse(path, 'an object', input)
  const resolved = policyCheck.read(input, path)
  if (resolved.publish !== 'server' && pattern.startsWith('user:')) {
    throw new errors.RT_ERR_OPTION(`${path}.publish must be "server": rooms user:* carry what the server says about a user`)
  }
  return resolved
}

/** Every option by its path, for documentation and its test: nested ones of the policy below `policy`. */
export function describeOptions (): Map<string, Check<unknown>> {
  const found = new Map<string, Check<unknown>>()
  collect('', optionsCheck, found)
  collect('policy', policyCheck, found)
  return found
}

function collect (path: string, check: Check<unknown>, found: Map<string, Check<unknown>>): void {
  if (check.shape === undefined) {
    found.set(path, check)
    return
  }
  for (const [key, part] of Object.entries(check.shape)) collect(path === '' ? key : `${path}.${key}`, part, found)
}
