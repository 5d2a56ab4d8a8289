import type { FastifyInstance } from 'fastify'
import { errorResponses } from './answers.js'
import { identification, pageRoute, preflightRoute, refuseUpgrade } from './kit.js'
import type { Kit } from './kit.js'

/** `POST {path}/ticket`: a one-time credential for the query string of a handshake, in return for a header or cookie. */
export function ticketRoute (fastify: FastifyInstance, kit: Kit): void {
  const { identify, identityOf } = identification(kit)
  const url = `${kit.options.path}/ticket`
  const page = pageRoute(kit)
  fastify.route({
    ...page,
    onRequest: [refuseUpgrade, ...page.onRequest],
    method: 'POST',
    url,
    schema,
    // Nothing is read from the body.
    bodyLimit: 1024,
    preValidation: [identify],
    async handler (request, reply) {
      reply.header('cache-control', 'no-store')
      return kit.tickets.issue(identityOf(request))
    }
  })
  preflightRoute(fastify, kit, url, 'POST')
}

const schema = {
  tags: ['realtime'],
  summary: 'Get a one-time ticket for a handshake',
  response: {
    200: {
      description: 'Good for one handshake from the same origin',
      type: 'object',
      required: ['ticket', 'expiresAt'],
      properties: {
        ticket: { type: 'string', description: 'Goes into ?ticket= of the handshake' },
        expiresAt: { type: 'integer', description: 'Epoch milliseconds' }
      }
    },
    ...errorResponses(401, 403, 429, 503)
  }
}
