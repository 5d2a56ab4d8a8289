import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import { hidden } from './kit.js'
import type { Kit } from './kit.js'
import { openRoute } from './openapi.js'
import { logSerializers } from './redact.js'

/**
 * What is asked of the WebSocket route or below it and is none of ours: a slash too many, a wrong name, another method. Fastify would
 * write such a URL into its log and into its 404, and a URL that misses our route by little carries a ticket or a token all the same.
 */
export function otherRoutes (fastify: FastifyInstance, { options }: Kit): void {
  const { path } = options
  const answer = async (): Promise<void> => {}
  // Refused at once: where a hook lets an upgrade through, @fastify/websocket accepts it.
  const common = { schema: hidden, config: openRoute, logSerializers, exposeHeadRoute: false, handler: answer }
  fastify.route({
    ...common,
    url: path,
    method: free(path),
    async onRequest (_request: FastifyRequest, reply: FastifyReply) {
      reply.header('allow', 'GET, OPTIONS')
      throw new errors.RT_ERR_METHOD()
    }
  })
  fastify.route({
    ...common,
    url: `${path}/*`,
    method: free(`${path}/*`),
    async onRequest () {
      throw new errors.RT_ERR_NO_ROUTE()
    }
  })

  /** Methods for which nobody has a route there. */
  function free (url: string): string[] {
    return fastify.supportedMethods.filter(method => !fastify.hasRoute({ method, url: `${fastify.prefix}${url}` }))
  }
}
