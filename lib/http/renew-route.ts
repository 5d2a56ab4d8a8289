import type { FastifyInstance } from 'fastify'
import { errors } from '../errors.js'
import { available, errorResponses } from './answers.js'
import { identification, pageRoute, preflightRoute, refuseUpgrade } from './kit.js'
import type { Kit } from './kit.js'

/** `POST {path}/renew`: a new credential for a live connection of the same user. */
export function renewRoute (fastify: FastifyInstance, kit: Kit): void {
  const { options, deps } = kit
  const { identify, identityOf } = identification(kit)
  const url = `${options.path}/renew`
  const page = pageRoute(kit)
  fastify.route<{ Body: { connectionId: string } }>({
    ...page,
    onRequest: [refuseUpgrade, ...page.onRequest],
    method: 'POST',
    url,
    schema,
    bodyLimit: 1024,
    preValidation: [identify],
    async handler (request, reply) {
      const identity = identityOf(request)
      const outcome = await available('renewal', deps.renew(request.body.connectionId, identity))
      if (outcome === 'not-found') throw new errors.RT_ERR_CONNECTION_NOT_FOUND()
      if (outcome === 'other-user') throw new errors.RT_ERR_OTHER_USER()
      reply.header('cache-control', 'no-store')
      return { expiresAt: identity.expiresAt }
    }
  })
  preflightRoute(fastify, kit, url, 'POST')
}

const schema = {
  tags: ['realtime'],
  summary: 'Renew the credential of a live connection',
  body: {
    type: 'object',
    required: ['connectionId'],
    properties: { connectionId: { type: 'string', minLength: 1, maxLength: 64 } }
  },
  response: {
    200: {
      description: 'The connection goes on; rooms that the new credential does not allow are left',
      type: 'object',
      required: ['expiresAt'],
      properties: { expiresAt: { type: ['integer', 'null'], description: 'Epoch milliseconds; null: it does not expire' } }
    },
    ...errorResponses(400, 401, 403, 404, 429, 503)
  }
}
