import type { FastifyInstance } from 'fastify'
import { healthRoute } from './health-route.js'
import type { Kit } from './kit.js'
import { otherRoutes } from './other-routes.js'
import { renewRoute } from './renew-route.js'
import { statsRoute } from './stats-route.js'
import { ticketRoute } from './ticket-route.js'
import { useOwnCompilers } from './validator.js'
import { websocketRoute } from './websocket-route.js'

/** All routes. Registered in a scope of their own, so that `prefix` works and nothing else sees their hooks. */
export async function httpRoutes (fastify: FastifyInstance, kit: Kit): Promise<void> {
  const validatorCompiler = useOwnCompilers(fastify)
  websocketRoute(fastify, kit, validatorCompiler)
  ticketRoute(fastify, kit)
  renewRoute(fastify, kit)
  statsRoute(fastify, kit)
  if (kit.options.health.enabled) healthRoute(fastify, kit)
  otherRoutes(fastify, kit)
}
