import swagger from '@fastify/swagger'
import t from 'tap'
import { httpApp } from './helpers/http-app.js'

await t.test('@fastify/swagger shows every route with its answers', async t => {
  const { app } = await httpApp(t, { prefix: '/v1' }, {
    before: async app => {
      await app.register(swagger, { openapi: { info: { title: 'api', version: '1' }, components: { securitySchemes: { bearerAuth: { type: 'http', scheme: 'bearer' } } } } })
    }
  })
  const document: unknown = JSON.parse(JSON.stringify(app.swagger()))
  t.match(document, {
    paths: {
      '/v1/realtime': { get: { tags: ['realtime'], summary: String, security: [{ bearerAuth: [] }], responses: { 401: {}, 403: {}, 426: {}, 429: {}, 503: {} } } },
      '/v1/realtime/ticket': { post: { summary: String, security: [{ bearerAuth: [] }], responses: { 200: { content: { 'application/json': { schema: { required: ['ticket', 'expiresAt'] } } } } } } },
      '/v1/realtime/renew': { post: { summary: String, requestBody: {}, responses: { 200: {}, 404: {} } } },
      '/v1/realtime/stats': { get: { summary: String, parameters: [{ name: 'after', in: 'query' }, { name: 'limit', in: 'query' }], responses: { 200: {} } } },
      '/v1/realtime/health': { get: { summary: String, responses: { 200: {} } } },
      '/v1/realtime/health/ready': { get: { summary: String, responses: { 200: {}, 503: {} } } }
    }
  })
  t.notMatch(document, { paths: { '/v1/realtime': { options: {} } } }, 'preflights are hidden')
})
