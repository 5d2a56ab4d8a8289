import { Redis } from 'ioredis'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import type { ServerClients } from '../../lib/bridge/redis/server-connections.js'
import { systemClock } from '../../lib/clock.js'

export interface RedisBridgeInit {
  readonly port: number
  readonly prefix: string
  readonly lease: number
  /** How long a call may take, in ms. */
  readonly timeout?: number
  readonly probe?: number
  /** Calls that may wait for an answer. */
  readonly maxPending?: number
  /** For who holds them up. */
  readonly clients?: ServerClients
}

/** The connections of a bridge of one Redis on this machine, not connected. */
export function serverClients (port: number): ServerClients {
  const client = (): Redis => new Redis({
    port,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50
  })
  return { command: client(), subscriber: client() }
}

/** A bridge of one Redis on this machine, not started. */
export function redisBridge ({ port, timeout = 2_000, probe = 1_000, clients = serverClients(port), ...rest }: RedisBridgeInit): Bridge {
  return createRedisBridge({ clock: systemClock, clients: [clients], db: 0, timeout, probe, ...rest })
}
