import { Redis } from 'ioredis'
import type { Cluster, ClusterOptions, RedisOptions } from 'ioredis'
import type { Clock } from '../../clock.js'
import type { ShardClients } from './shard.js'

/** One Redis as connections to it are made; lib/redis-option.ts makes these of the option. */
export type RedisTarget =
  | { readonly kind: 'server', readonly options: RedisOptions }
  | { readonly kind: 'cluster', readonly name: string, create (ours: ClusterOptions): Cluster }

export interface ClientsOptions {
  readonly targets: readonly RedisTarget[]
  readonly clock: Clock
  readonly prefix: string
  /** How long a call may take, in ms. */
  readonly timeout: number
  /** Whether copies are waited for, which takes a connection of its own. */
  readonly replicas?: number
}

/** Between tries to connect, in ms. */
const MIN_DELAY = 50
const MAX_DELAY = 2_000

/** How long a socket that is given up may take to close by itself, in ms; a dead one never does. */
const DISCONNECT_TIMEOUT = 200

/** How long a handshake waits for its rate limit, in ms. */
const LIMITER_TIMEOUT = 1_000

/** The connections of a bridge, not yet connected. All of them are this package's own, whatever was given. */
export function createClients (options: ClientsOptions): ShardClients[] {
  return options.targets.map((target) => {
    const name = nameOf(target)
    if (target.kind === 'server') {
      const client = (role: string): Redis => serverConnection(target, options, role)
      const replicas = (options.replicas ?? 0) > 0 ? { replicas: client('replicas') } : {}
      return { name, command: client('command'), subscriber: client('subscriber'), ...replicas }
    }
    const command = clusterConnection(target, options, 'command')
    // What discovered nodes get, too.
    const given = command.options.redisOptions ?? {}
    return {
      name,
      command,
      connectionTo: (address, role) => new Redis({ ...given, ...serverOptions(options, given.connectionName, role), ...address })
    }
  })
}

/** A connection for @fastify/rate-limit, which takes no part in the bridge and has to look after itself. */
export function createLimiter (options: ClientsOptions): Redis | Cluster {
  const [target] = options.targets
  if (target === undefined) throw new TypeError('there is no Redis')
  return connection(target, options, 'rate-limit', {
    commandTimeout: Math.min(LIMITER_TIMEOUT, options.timeout),
    // Nobody probes it: it is made anew when something stays without an answer.
    socketTimeout: options.timeout
  })
}

/** Where they lead, for people: nothing of it is secret. */
export function describeTargets (targets: readonly RedisTarget[]): string {
  return targets.map((target) => target.kind === 'cluster' ? 'the cluster' : describeServer(target.options)).join(', ')
}

function describeServer ({ host, port, path, sentinels, name }: RedisOptions): string {
  if (path !== undefined && path !== null) return path
  if (sentinels !== undefined && sentinels !== null && sentinels.length > 0) {
    return `${name} of the sentinels ${sentinels.map(({ host = 'localhost', port = 26379 }) => `${host}:${port}`).join(', ')}`
  }
  return `${host ?? 'localhost'}:${port ?? 6379}`
}

/**
 * What rooms and users are shared out by among several: as it was given, but for what makes no difference. All nodes have to give the same.
 */
export function nameOf (target: RedisTarget): string {
  return target.kind === 'cluster' ? `cluster:${target.name}` : placeOf(target.options)
}

function placeOf ({ host, port, path, sentinels, name }: RedisOptions): string {
  if (path !== undefined && path !== null) return path
  if (sentinels !== undefined && sentinels !== null && sentinels.length > 0) return `sentinel:${name}`
  return `${(host ?? 'localhost').toLowerCase()}:${port ?? 6379}`
}

function connection (target: RedisTarget, options: ClientsOptions, role: string, more?: RedisOptions): Redis | Cluster {
  return target.kind === 'server' ? serverConnection(target, options, role, more) : clusterConnection(target, options, role, more)
}

function serverConnection (
  { options: given }: Extract<RedisTarget, { kind: 'server' }>, options: ClientsOptions, role: string, more: RedisOptions = {}
): Redis {
  return new Redis({ ...given, ...serverOptions(options, given.connectionName, role), ...more })
}

function clusterConnection (
  target: Extract<RedisTarget, { kind: 'cluster' }>, options: ClientsOptions, role: string, more: RedisOptions = {}
): Cluster {
  return target.create(clusterOptions(options, { ...serverOptions(options, undefined, role), ...more }))
}

/**
 * What the bridge relies on: a call is answered, refused or in doubt in bounded time, never queued and never sent again behind its
 * back; subscriptions are its own to restore.
 */
function serverOptions ({ clock, prefix, timeout }: ClientsOptions, name: string | undefined, role: string): RedisOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    keyPrefix: '',
    stringNumbers: false,
    replyMapping: 'legacy',
    monitor: false,
    readOnly: false,
    role: 'master',
    // An undefined value takes away what was given.
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    scripts: undefined,
    himportFieldsets: undefined,
    connectionName: `${(name ?? prefix).replace(/[^\x21-\x7e]/g, '_')}:${role}`,
    connectTimeout: timeout,
    disconnectTimeout: DISCONNECT_TIMEOUT,
    sentinelCommandTimeout: timeout,
    retryStrategy: (times) => backoff(clock, times),
    sentinelRetryStrategy: (times) => backoff(clock, times),
    // After a failover the former master goes on, read-only: who is connected to it has to ask anew who is the master.
    // As Redis says it, and as 6.2 wraps it where a script met it.
    reconnectOnError: (error) => /(?:^|: -)READONLY\b/.test(error.message)
  }
}

function clusterOptions ({ clock }: ClientsOptions, redisOptions: RedisOptions): ClusterOptions {
  return {
    redisOptions,
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    keyPrefix: '',
    scaleReads: 'master',
    // Calls that may have been carried out are the bridge's to make again: it knows which of them may.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    shardedSubscribers: false,
    clusterRetryStrategy: (times) => backoff(clock, times)
  }
}

/** Full jitter: all nodes lose Redis in the same moment, and must not come back in the same one. */
function backoff (clock: Clock, times: number): number {
  const ceiling = Math.min(MAX_DELAY, MIN_DELAY * 2 ** Math.min(times, 10))
  return Math.round(MIN_DELAY + clock.random() * (ceiling - MIN_DELAY))
}
