import type { ClusterNode, ClusterOptions, Redis, RedisOptions } from 'ioredis'
import { Cluster } from 'ioredis'
import type { RedisClusterOption } from '../types/redis.js'
import { nameOf } from './bridge/redis/clients.js'
import type { RedisTarget } from './bridge/redis/clients.js'
import { duration, integer, isPlainObject, join, object, refuse, refuseMisspelt, refuseUnknown } from './check.js'
import type { Check } from './check.js'
import { errors } from './errors.js'

/** The check of the option `redis`, which has many forms; what becomes of it is in bridge/redis/clients.ts. */

export interface ResolvedRedis {
  /** One, or several that rooms and users are shared out over. */
  readonly targets: readonly [RedisTarget, ...RedisTarget[]]
  /** Number of the database, the same in all. */
  readonly db: number
  readonly prefix: string
  readonly replicas: number
  /** In ms, as all that follow. */
  readonly replicaTimeout: number
  readonly probe: number
  readonly lease: number
  readonly timeout: number
}

const settings = {
  prefix: keyPrefix(),
  replicas: integer({ standard: 0, min: 0, max: 10 }),
  replicaTimeout: duration({ standard: '1s', min: '10ms', max: '1m' }),
  probe: duration({ standard: '5s', min: '100ms', max: '1m' }),
  lease: duration({ standard: '15s', min: '1s', max: '10m' }),
  timeout: duration({ standard: '5s', min: '100ms', max: '1m' })
} as const

/** The servers, in one of these ways or as ioredis' options beside the settings. */
const places = ['url', 'client', 'cluster', 'shards'] as const

/** Options of ioredis. Some of them are set by this package whatever they say. */
const IOREDIS = [
  'host', 'port', 'family', 'path', 'username', 'password', 'db', 'tls', 'connectionName', 'keyPrefix', 'keepAlive', 'noDelay', 'connectTimeout',
  'disconnectTimeout', 'commandTimeout', 'socketTimeout', 'blockingTimeout', 'blockingTimeoutGrace', 'retryStrategy', 'reconnectOnError',
  'maxRetriesPerRequest', 'enableOfflineQueue', 'enableReadyCheck', 'autoResubscribe', 'autoResendUnfulfilledCommands', 'lazyConnect', 'readOnly',
  'stringNumbers', 'protocol', 'replyMapping', 'monitor', 'maxLoadingRetryTime', 'enableAutoPipelining', 'autoPipeliningIgnoredCommands', 'offlineQueue',
  'commandQueue', 'scripts', 'himportFieldsets', 'showFriendlyErrorStack', 'disableClientInfo', 'clientInfoTag', 'Connector', 'name', 'role', 'sentinels',
  'sentinelUsername', 'sentinelPassword', 'sentinelRetryStrategy', 'sentinelReconnectStrategy', 'sentinelCommandTimeout', 'preferredSlaves',
  'enableTLSForSentinelMode', 'sentinelTLS', 'natMap', 'updateSentinels', 'sentinelMaxConnections', 'failoverDetector'
] as const satisfies ReadonlyArray<keyof RedisOptions>

const MAX_SHARDS = 64

const EXPECTED = 'a URL, an ioredis instance, an object of ioredis options, or an array of these'

/** `null`: a single process. */
export function redis (): Check<ResolvedRedis | null> {
  const ours = object(settings)
  return {
    expected: EXPECTED,
    shape: { url: place('a URL'), client: place('an ioredis instance'), cluster: place('an object with nodes and options'), shards: place('an array'), ...settings },
    read (value, path) {
      if (value === undefined) return null
      if (!isPlainObject(value)) return resolved(Array.isArray(value) ? shards(value, path) : [target(value, path)], ours.read({}, path), path)
      refuseUnknown(value, [...places, ...Object.keys(settings), ...IOREDIS], path)
      const bridge: Record<string, unknown> = {}
      const connection: Record<string, unknown> = {}
      for (const [key, part] of Object.entries(value)) {
        if (part !== undefined) (Object.hasOwn(settings, key) ? bridge : connection)[key] = part
      }
      const found = connection.shards === undefined
        ? [target(connection, path)]
        : shards(alone(connection, 'shards', path), join(path, 'shards'))
      return resolved(found, ours.read(bridge, path), path)
    }
  }
}

function resolved (targets: readonly RedisTarget[], ours: Omit<ResolvedRedis, 'targets' | 'db'>, path: string): ResolvedRedis {
  const [first, ...rest] = targets
  if (first === undefined) return refuse(path, 'an array that is not empty', targets)
  const [db, ...others] = targets.map((one) => one.kind === 'server' ? one.options.db ?? 0 : 0)
  if (others.some((other) => other !== db)) throw new errors.RT_ERR_OPTION(`${path} has servers with different numbers of the database (db)`)
  const names = targets.map(nameOf)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new errors.RT_ERR_OPTION(`${path} has ${twice} twice`)
  return { targets: [first, ...rest], db: db ?? 0, ...ours }
}

function shards (value: unknown, path: string): RedisTarget[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_SHARDS) return refuse(path, `an array of 1 to ${MAX_SHARDS} servers`, value)
  return value.map((one: unknown, index) => {
    const at = `${path}[${index}]`
    const setting = isPlainObject(one) ? Object.keys(one).find((key) => Object.hasOwn(settings, key) || key === 'shards') : undefined
    if (setting !== undefined) throw new errors.RT_ERR_OPTION(`${at}.${setting} belongs to all servers: redis: { shards: [...], ${setting}: ... }`)
    return target(one, at)
  })
}

function target (value: unknown, path: string): RedisTarget {
  if (typeof value === 'string') return { kind: 'server', options: readUrl(value, path) }
  if (isInstance(value)) return fromInstance(value)
  if (!isPlainObject(value)) return refuse(path, EXPECTED, value)
  if (value.url !== undefined) {
    const url = alone(value, 'url', path)
    return typeof url === 'string' ? target(url, join(path, 'url')) : refuse(join(path, 'url'), 'a string', url)
  }
  if (value.client !== undefined) {
    const client = alone(value, 'client', path)
    return isInstance(client) ? fromInstance(client) : refuse(join(path, 'client'), 'an ioredis instance', client)
  }
  if (value.cluster !== undefined) return fromCluster(alone(value, 'cluster', path), join(path, 'cluster'))
  refuseUnknown(value, [...places, ...IOREDIS], path)
  return { kind: 'server', options: serverOptions(value, path) }
}

/** The value of a key that leaves no room for another one. */
function alone (value: Record<string, unknown>, key: string, path: string): unknown {
  const other = Object.keys(value).find((name) => name !== key && value[name] !== undefined)
  if (other === undefined) return value[key]
  throw new errors.RT_ERR_OPTION(`${join(path, key)} and ${join(path, other)} exclude each other`)
}

/** What would otherwise fail only at the first connection, or lead elsewhere; the rest is ioredis' to say. */
function serverOptions (value: Record<string, unknown>, path: string): RedisOptions {
  const { port, host, db, sentinels, name } = value
  const number = integer({ standard: 0, min: 0, max: 65_535 })
  if (port !== undefined) number.read(typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port, join(path, 'port'))
  if (db !== undefined) number.read(db, join(path, 'db'))
  if (host !== undefined && (typeof host !== 'string' || host === '')) return refuse(join(path, 'host'), 'a host name', host)
  if (sentinels !== undefined) {
    if (!Array.isArray(sentinels) || sentinels.length === 0) return refuse(join(path, 'sentinels'), 'an array of { host, port }', sentinels)
    if (typeof name !== 'string' || name === '') return refuse(join(path, 'name'), 'the name of the master that the sentinels watch', name)
  }
  // The names are ioredis' own; what stands behind each is for it to check.
  return { ...value } as RedisOptions
}

/** `redis://user:password@host:port/db`, `rediss://` for TLS, or the path of a socket. */
function readUrl (text: string, path: string): RedisOptions {
  const expected = 'a URL such as "redis://user:password@host:6379/0" (rediss:// for TLS), or the path of a Unix socket'
  if (text.startsWith('/') && !text.startsWith('//')) return { path: text }
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^(\/\d{0,5})?$/.test(url.pathname) || url.hash !== '') {
    return refuse(path, expected, text)
  }
  const [parameter] = [...url.searchParams.keys()].filter((name) => name !== 'db' && name !== 'family')
  if (parameter !== undefined) throw new errors.RT_ERR_OPTION(`${path} has the parameter ${JSON.stringify(parameter.slice(0, 40))}; give more than db and family as an object`)
  const number = (digits: string | null): number | undefined => digits === null || digits === '' ? undefined : Number(digits)
  const db = number(url.searchParams.get('db')) ?? number(url.pathname.slice(1))
  const family = number(url.searchParams.get('family'))
  return serverOptions({
    host: decode(url.hostname.replace(/^\[|\]$/g, ''), path),
    port: number(url.port) ?? 6379,
    ...(url.username !== '' && { username: decode(url.username, path) }),
    ...(url.password !== '' && { password: decode(url.password, path) }),
    ...(db !== undefined && { db }),
    ...(family !== undefined && { family }),
    ...(url.protocol === 'rediss:' && { tls: {} })
  }, path)
}

function decode (text: string, path: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new errors.RT_ERR_OPTION(`${path} has a % that stands for nothing: it is written %25`)
  }
}

/** Also of another version of ioredis: only its options are used. */
function isInstance (value: unknown): value is Redis | Cluster {
  return typeof value === 'object' && value !== null && !isPlainObject(value) &&
    'duplicate' in value && typeof value.duplicate === 'function' && 'options' in value && typeof value.options === 'object'
}

function fromInstance (instance: Redis | Cluster): RedisTarget {
  if (!isCluster(instance)) return { kind: 'server', options: { ...instance.options } }
  const nodes: unknown = Reflect.get(instance, 'startupNodes')
  return {
    kind: 'cluster',
    name: isNodes(nodes) ? nameOfCluster(nodes) : '',
    create: (ours) => instance.duplicate([], { ...ours, redisOptions: { ...instance.options.redisOptions, ...ours.redisOptions } })
  }
}

function isCluster (instance: Redis | Cluster): instance is Cluster {
  return instance.isCluster
}

function fromCluster (value: unknown, path: string): RedisTarget {
  if (!isPlainObject(value)) return refuse(path, 'an object with nodes and options', value)
  refuseUnknown(value, ['nodes', 'options'] satisfies Array<keyof RedisClusterOption>, path)
  const { nodes, options = {} } = value
  if (!isNodes(nodes)) return refuse(join(path, 'nodes'), 'an array of { host, port } or URLs', nodes)
  if (!isClusterOptions(options)) return refuse(join(path, 'options'), "an object of ioredis' options of a cluster", options)
  refuseMisspelt(options, ['redisOptions', 'scaleReads', 'natMap', 'dnsLookup', 'shardedSubscribers', 'slotsRefreshTimeout', 'slotsRefreshInterval'], join(path, 'options'))
  return {
    kind: 'cluster',
    name: nameOfCluster(nodes),
    create: (ours) => new Cluster([...nodes], { ...options, ...ours, redisOptions: { ...options.redisOptions, ...ours.redisOptions } })
  }
}

/** The same for every order of its nodes. */
function nameOfCluster (nodes: readonly ClusterNode[]): string {
  const names = nodes.map((node) => {
    if (typeof node === 'string') return node.replace(/^.*[@/]/, '')
    return typeof node === 'number' ? `localhost:${node}` : `${node.host ?? 'localhost'}:${node.port ?? 6379}`
  })
  return names.sort().join(',')
}

function isNodes (value: unknown): value is readonly ClusterNode[] {
  return Array.isArray(value) && value.length > 0 && value.every((node: unknown) => typeof node === 'string' || typeof node === 'number' || isPlainObject(node))
}

function isClusterOptions (value: unknown): value is ClusterOptions {
  return isPlainObject(value)
}

/** Read by its neighbours; here for its words. */
function place (expected: string): Check<unknown> {
  return { expected, read: (value) => value }
}

function keyPrefix (): Check<string> {
  // `<prefix>@<db>` is what the channels of another database begin with.
  const expected = 'a string of 1 to 64 bytes without braces, spaces and control characters, and without a number behind an @ at its end'
  return {
    expected,
    standard: 'realtime',
    read: (value = 'realtime', path) =>
      // eslint-disable-next-line no-control-regex -- control characters are what is refused
      typeof value === 'string' && /^[^{}\x00-\x20\x7f]+(?<!@\d+)$/.test(value) && Buffer.byteLength(value) <= 64 ? value : refuse(path, expected, value)
  }
}
