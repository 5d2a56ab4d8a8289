import { Redis } from 'ioredis'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createRedisBridge } from '../../lib/bridge/redis/redis-bridge.js'
import { systemClock } from '../../lib/clock.js'

export interface RedisBridgeInit {
  readonly port: number
  readonly prefix: string
  readonly lease: number
  /** How long a call may take, in ms. */
  readonly timeout?: number
  readonly probe?: number
}

/** A bridge of one Redis on this machine, not started. */
export function redisBridge ({ port, prefix, lease, timeout = 2_000, probe = 1_000 }: RedisBridgeInit): Bridge {
  const client = (): Redis => new Redis({
    port,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50
  })
  return createRedisBridge({ clock: systemClock, clients: [{ command: client(), subscriber: client() }], prefix, db: 0, timeout, probe, lease })
}
