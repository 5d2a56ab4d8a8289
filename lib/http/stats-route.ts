import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RealtimeUser } from '../../types/user.js'
import { errors } from '../errors.js'
import { available, errorHeaders, errorResponses } from './answers.js'
import { identification, refuseUpgrade } from './kit.js'
import type { Kit } from './kit.js'
import { bearerRoute } from './openapi.js'
import { rateLimitConfig } from './rate-limit.js'
import { logSerializers } from './redact.js'

const PAGE = 100
const MAX_PAGE = 1000

/** `GET {path}/stats`: numbers for every authenticated user, names of rooms only for those `stats.authorize` lets in. */
export function statsRoute (fastify: FastifyInstance, kit: Kit): void {
  const { options, deps } = kit
  const { identify, identityOf } = identification(kit)
  fastify.route<{ Querystring: { after?: string, limit?: number } }>({
    method: 'GET',
    url: `${options.path}/stats`,
    exposeHeadRoute: false,
    schema,
    logSerializers,
    config: { ...bearerRoute, rateLimit: rateLimitConfig(options.limits.handshakes) },
    onRequest: [refuseUpgrade],
    preValidation: [identify],
    onError: [errorHeaders],
    async handler (request, reply) {
      const { user } = identityOf(request)
      const { after, limit = PAGE } = request.query
      reply.header('cache-control', 'no-store')
      const stats = await available('stats', deps.stats())
      if (!await mayName({ user, request })) return stats
      const { rooms: roomNames, more } = await available('stats', deps.rooms(after, limit))
      return more ? { ...stats, roomNames, more } : { ...stats, roomNames }
    }
  })

  async function mayName (asking: { user: RealtimeUser, request: FastifyRequest }): Promise<boolean> {
    try {
      return options.stats.authorize !== null && await options.stats.authorize(asking) === true
    } catch (cause) {
      // What it says is for the log: it may name what is behind it.
      asking.request.log.error({ err: cause }, 'realtime: stats.authorize failed')
      throw new errors.RT_ERR_UNAVAILABLE('stats', { cause })
    }
  }
}

const count = { type: 'integer' }
const milliseconds = { type: 'number', description: 'Milliseconds' }

const schema = {
  tags: ['realtime'],
  summary: 'Numbers of the cluster',
  querystring: {
    type: 'object',
    properties: {
      after: { type: 'string', maxLength: 200, description: 'Room names after this one' },
      limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: PAGE }
    }
  },
  response: {
    200: {
      description: 'outboxBytes and eventLoopDelay are of the node that answers, the rest of the whole cluster',
      type: 'object',
      properties: {
        activeConnections: count,
        rooms: { ...count, description: 'Rooms with at least one member, added up over the nodes: with members on three it counts three times' },
        users: { ...count, description: 'Users with at least one connection, added up in the same way' },
        messagesIn: count,
        messagesOut: count,
        envelopesDropped: { ...count, description: 'What nodes heard from elsewhere and dropped, because it made no sense or was repeated' },
        outboxBytes: count,
        eventLoopDelay: { type: 'object', properties: { mean: milliseconds, p99: milliseconds, max: milliseconds } },
        unreachable: { type: 'array', items: { type: 'string' }, description: 'Nodes that did not answer' },
        roomNames: { type: 'array', items: { type: 'string' }, description: 'Only for those who may see them' },
        more: { type: 'boolean', description: 'There are rooms after the last one here' }
      }
    },
    ...errorResponses(401, 429, 503)
  }
}
