import swagger from '@fastify/swagger'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t from 'tap'
import { z } from 'zod'
import { httpApp } from './helpers/http-app.js'

await t.test('@fastify/swagger shows every route with its answers', async t => {
  const { app } = await httpApp(t, { prefix: '/v1' }, {
    before: async app => {
      await app.register(swagger, { openapi: { info: { title: 'api', version: '1' }, components: { securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'x-key' }, login: { type: 'http', scheme: 'bearer' } } } } })
    }
  })
  const document: unknown = JSON.parse(JSON.stringify(app.swagger()))
  t.match(document, {
    paths: {
      '/v1/realtime': { get: { tags: ['realtime'], summary: String, security: [{ login: { length: 0 } }], responses: { 401: Object, 403: Object, 426: Object, 429: Object, 503: Object } } },
      '/v1/realtime/ticket': { post: { summary: String, security: [{ login: { length: 0 } }], responses: { 200: { content: { 'application/json': { schema: { required: ['ticket', 'expiresAt'] } } } } } } },
      '/v1/realtime/renew': { post: { summary: String, requestBody: Object, responses: { 200: Object, 404: Object } } },
      '/v1/realtime/stats': { get: { summary: String, parameters: [{ name: 'after', in: 'query' }, { name: 'limit', in: 'query' }], responses: { 200: Object } } },
      '/v1/realtime/health': { get: { summary: String, responses: { 200: Object } } },
      '/v1/realtime/health/ready': { get: { summary: String, responses: { 200: Object, 503: Object } } }
    }
  })
  t.notMatch(document, { paths: { '/v1/realtime': { options: Object } } }, 'preflights are hidden')
})

await t.test('also beside a transform for another kind of schema', async t => {
  for (const schema of [undefined, { querystring: z.object({ tenant: z.string() }) }]) {
    const { app } = await httpApp(t, { route: schema && { schema } }, {
      before: async app => {
        app.setValidatorCompiler(validatorCompiler)
        app.setSerializerCompiler(serializerCompiler)
        await app.register(swagger, { openapi: { info: { title: 'api', version: '1' } }, transform: jsonSchemaTransform })
      }
    })
    t.match(app.swagger(), { paths: { '/realtime': { get: { summary: String } }, '/realtime/renew': { post: { requestBody: Object } }, '/realtime/stats': Object, '/realtime/health': Object } })
    if (schema) t.match(app.swagger(), { paths: { '/realtime': { get: { parameters: [{ name: 'tenant' }] } } } })
  }
})
