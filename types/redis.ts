/* Where Redis is, and how it is used: for the plugin and for the emitter, so free of Fastify's types. */

import type { Cluster, ClusterNode, ClusterOptions, Redis, RedisOptions } from 'ioredis'
import type { Duration } from './duration.js'

/**
 * A Redis Cluster. With Redis 7 or Valkey a message goes through the master of its room alone, by sharded Pub/Sub; with Redis 6.2 every
 * master passes on all of them.
 */
export interface RedisClusterOption {
  /** Some of its nodes, from which the others are found. */
  nodes: readonly ClusterNode[]
  /** As ioredis takes them; credentials and TLS are in `redisOptions`. */
  options?: ClusterOptions | undefined
}

/**
 * One Redis: a URL (`redis://user:password@host:6379/0`, `rediss://` for TLS, or the path of a Unix socket), ioredis options
 * (`{ host, port, username, password, db, tls }`, `{ sentinels, name }`), a cluster, or an instance of ioredis. Of an instance only the
 * options are used, for connections of this package's own: it is neither used nor closed.
 */
export type RedisServer = string | Redis | Cluster | RedisOptions | {
  /** A Redis Cluster. */
  cluster: RedisClusterOption
}

/** How the nodes of a cluster use Redis. */
export interface RedisSettings {
  /**
   * First part of every key and channel: separates applications that share a Redis. 1 to 64 bytes without braces, spaces and control
   * characters, and without a number behind an `@` at its end.
   * @default 'realtime'
   */
  prefix?: string | undefined
  /**
   * Replicas that must have a message before it is acknowledged, so that a failover does not lose it; 0 to 10. Fewer than that within
   * `replicaTimeout` is `timeout`: the message may be there all the same.
   * @default 0
   */
  replicas?: number | undefined
  /**
   * How long to wait for `replicas`; 10 ms to 1 minute.
   * @default '1s'
   */
  replicaTimeout?: Duration | undefined
  /**
   * How often each link is tried; 100 ms to 1 minute. One that is dead is noticed within twice this time.
   * @default '5s'
   */
  probe?: Duration | undefined
  /**
   * How long a node may be out of touch before the others take it for dead and its users for gone; 1 s to 10 minutes. At least three
   * times `probe` is advised.
   * @default '15s'
   */
  lease?: Duration | undefined
  /**
   * How long any one call may take, and how long `register` waits for Redis; 100 ms to 1 minute.
   * @default '5s'
   */
  timeout?: Duration | undefined
}

/** Where Redis is, for {@link RedisSettings} beside it. Either one of these, or ioredis options in their place. */
export type RedisPlace =
  | {
    /** `redis://user:password@host:6379/0`, `rediss://` for TLS, or the path of a Unix socket. */
    url: string
  }
  | {
    /** An instance of ioredis, of which only the options are used. */
    client: Redis | Cluster
  }
  | {
    /** A Redis Cluster. */
    cluster: RedisClusterOption
  }
  | {
    /** Independent ones that rooms and users are shared out over; the same on every node, in any order. */
    shards: readonly RedisServer[]
  }
  | RedisOptions

/** One Redis, a list of them that rooms and users are shared out over, or either with {@link RedisSettings} beside it. */
export type RedisOption = RedisServer | readonly RedisServer[] | (RedisPlace & RedisSettings)
