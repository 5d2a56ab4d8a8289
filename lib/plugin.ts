import type { FastifyInstance } from 'fastify'
import type { Realtime } from '../types/realtime.js'
import type { RealtimeOptions } from '../types/options.js'
import type { Bridge } from './bridge/bridge.js'
import { createMemoryBridge } from './bridge/memory/memory-bridge.js'
import { createClients, createLimiter, describeTargets } from './bridge/redis/clients.js'
import { LinkLog } from './bridge/redis/link-log.js'
import { createNames } from './bridge/redis/names.js'
import { createRedisBridge } from './bridge/redis/redis-bridge.js'
import { systemClock } from './clock.js'
import { askNodes } from './core/cluster.js'
import { RealtimeNode } from './core/node.js'
import { userRoomPolicy } from './declare.js'
import { errors } from './errors.js'
import { acceptSocket } from './http/accept.js'
import type { HttpDeps } from './http/contract.js'
import { acceptedPayload, claimServer, registerDependencies } from './http/dependencies.js'
import type { RateLimitStore } from './http/dependencies.js'
import { createKit } from './http/kit.js'
import { httpRoutes } from './http/routes.js'
import { UpgradeGuard } from './http/upgrade-guard.js'
import { watchLoopDelay } from './loop-delay.js'
import { resolveOptions } from './options.js'
import type { ResolvedAuth } from './options.js'
import { RealtimeFacade } from './realtime.js'
import type { ResolvedRedis } from './redis-option.js'

/** Puts the parts together. What each does is in the file it comes from. */
export async function plugin (fastify: FastifyInstance, input: RealtimeOptions): Promise<void> {
  const options = resolveOptions(input)
  claimServer(fastify)
  warnAboutSecret(fastify, options.auth)
  const clock = systemClock
  const defaults = { members: options.limits.members }

  const links = new LinkLog(clock, (err, more) => fastify.log.error({ err, more }, 'realtime: a connection to Redis failed'))
  const bridge = options.redis === null ? createMemoryBridge({ clock }) : redisBridge(options.redis, links)
  const node = new RealtimeNode({
    bridge,
    clock,
    log: fastify.log,
    // What clients are told, so not more than a server of the application lets through.
    limits: { ...options.limits, payload: acceptedPayload(fastify, options.limits.payload) },
    heartbeat: options.heartbeat,
    drain: options.drain,
    keyTtl: options.idempotency.ttl,
    userRooms: userRoomPolicy(fastify, defaults)
  })
  await startNode(node, options.redis)
  const loopDelay = watchLoopDelay(clock)
  const guard = new UpgradeGuard(fastify.server, clock)

  // Before @fastify/websocket adds its own preClose, which closes clients without a word.
  fastify.addHook('preClose', async () => {
    guard.close(options.drain.deadline)
    await node.stop()
  })
  fastify.addHook('onClose', async () => {
    guard.stop()
    loopDelay.close()
    await node.close()
  })
  fastify.addHook('onResponse', async (request) => guard.answered(request.raw))

  const facades = new WeakMap<FastifyInstance, RealtimeFacade>()
  const parts = { node, bridge, inbox: options.inbox, defaults, loopDelay }
  const facadeOf = (instance: FastifyInstance): RealtimeFacade => {
    let facade = facades.get(instance)
    if (facade === undefined) facades.set(instance, facade = new RealtimeFacade(parts, instance))
    return facade
  }
  fastify.decorate('realtime', { getter (this: FastifyInstance): Realtime { return facadeOf(this) as Realtime } })
  facadeOf(fastify).room(options.rooms)

  const dependencies = await registerDependencies(fastify, options, guard, () => {
    return options.redis === null ? {} : rateLimitStore(fastify, options.redis, links)
  })
  const deps: HttpDeps = {
    bridge,
    clock,
    draining: () => node.drain.draining,
    accept: (handover) => acceptSocket(node, handover),
    renew: (connectionId, { user, expiresAt }) => node.renew(connectionId, user, expiresAt),
    stats: () => facadeOf(fastify).stats(),
    async rooms (after, limit) {
      const { results } = await askNodes(bridge, { type: 'rooms', after, limit: limit + 1 })
      const names = [...new Set(results.flat())].sort()
      return { rooms: names.slice(0, limit), more: names.length > limit }
    }
  }
  await fastify.register(async (scope) => {
    await httpRoutes(scope, createKit(scope, { options, deps, dependencies, guard }))
  }, { prefix: options.prefix })
}

function redisBridge (redis: ResolvedRedis, links: LinkLog): Bridge {
  const { prefix, db, timeout, probe, lease, replicas, replicaTimeout } = redis
  const clients = createClients({ ...redis, clock: systemClock })
  return createRedisBridge({
    clock: systemClock, clients, prefix, db, timeout, probe, lease, replicas, replicaTimeout, onLinkError: (error) => links.failed(error)
  })
}

/** A node that cannot reach what it shares with the others would serve nobody, and most of the time it is a wrong address. */
async function startNode (node: RealtimeNode, redis: ResolvedRedis | null): Promise<void> {
  try {
    await node.start()
  } catch (error) {
    await node.close()
    if (redis === null || !(error instanceof Error)) throw error
    throw new errors.RT_ERR_REDIS(`${describeTargets(redis.targets)}: ${error.message}`)
  }
}

/** Handshakes are counted in Redis, by all nodes together. */
function rateLimitStore (fastify: FastifyInstance, redis: ResolvedRedis, links: LinkLog): RateLimitStore {
  const client = createLimiter({ ...redis, clock: systemClock })
  client.on('error', (error: unknown) => links.failed(error))
  client.connect().catch(() => {})
  fastify.addHook('onClose', async () => client.disconnect())
  return { redis: client, nameSpace: `${createNames(redis.prefix, redis.db).service('handshakes')}:` }
}

/** RFC 7518, 3.2: a key for HS256 has at least the size of its hash. Whoever guesses a shorter one can be any user. */
function warnAboutSecret (fastify: FastifyInstance, auth: ResolvedAuth): void {
  if (auth.kind !== 'jwt' || !(typeof auth.secret === 'string' || Buffer.isBuffer(auth.secret))) return
  if (Buffer.byteLength(auth.secret) < 32) {
    fastify.log.warn('realtime: auth.secret is shorter than 32 bytes, so that it can be guessed from a token; take a random one')
  }
}
