import { Type as LegacyType } from '@sinclair/typebox'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t from 'tap'
import type { Test } from 'tap'
import { Type } from 'typebox'
import * as v from 'valibot'
import { z } from 'zod'
import { createSerializer, createValidator } from '../lib/http/validator.js'
import { httpApp } from './helpers/http-app.js'

const text = { type: 'object', required: ['text'], properties: { text: { type: 'string', maxLength: 5 } } }

async function ready (t: Test, app: FastifyInstance): Promise<void> {
  t.teardown(() => app.close())
  await app.ready()
}

await t.test('every kind of schema, with the message naming path and rule', async t => {
  const schemas = {
    'JSON Schema': text,
    'TypeBox 0.34': LegacyType.Object({ text: LegacyType.String({ maxLength: 5 }) }),
    'TypeBox 1': Type.Object({ text: Type.String({ maxLength: 5 }) }),
    Zod: z.object({ text: z.string().max(5) }),
    Valibot: v.object({ text: v.pipe(v.string(), v.maxLength(5)) }),
    'async Standard Schema': v.pipeAsync(v.object({ text: v.string() }), v.forwardAsync(v.checkAsync(async ({ text }) => text.length <= 5, 'max 5'), ['text']))
  }
  for (const [name, schema] of Object.entries(schemas)) {
    await t.test(name, async t => {
      const app = Fastify()
      const validate = createValidator(app, schema, name)
      t.same(await validate({ text: 'early' }), { ok: true, value: { text: 'early' } }, 'before ready')
      await ready(t, app)
      t.same(await validate({ text: 'short' }), { ok: true, value: { text: 'short' } })
      const outcome = await validate({ text: 'too long' })
      t.match(outcome, { ok: false, message: /^content\/text .*5/ })
      t.match(await validate(null), { ok: false, message: /^content / })
    })
  }
})

await t.test('the value that goes on is what the schema makes of it', async t => {
  const app = Fastify()
  const defaults = createValidator(app, { type: 'object', properties: { n: { type: 'number', default: 3 }, m: { type: 'number' } } }, 'defaults')
  const root = createValidator(app, { type: 'number' }, 'root')
  const trimmed = createValidator(app, z.string().trim(), 'trimmed')
  await ready(t, app)
  t.same(await defaults({ m: '4' }), { ok: true, value: { n: 3, m: 4 } })
  t.same(await root('5'), { ok: true, value: 5 }, 'also where the value itself is replaced')
  t.same(await trimmed('  a '), { ok: true, value: 'a' })
})

await t.test('$ref reaches the schemas of the instance, those added later included', async t => {
  const { app } = await httpApp(t, {}, {
    async before (app) {
      app.addSchema({ $id: 'outer', type: 'string', maxLength: 2 })
    },
    async after (app) {
      await app.register(async scope => {
        const outer = createValidator(scope, { $ref: 'outer#' }, 'outer')
        const inner = createValidator(scope, { type: 'object', properties: { a: { $ref: 'inner#' }, b: { $ref: 'outer#' } } }, 'inner')
        const answer = createSerializer(scope, { type: 'object', properties: { a: { $ref: 'inner#' } } }, 'answer')
        scope.addSchema({ $id: 'inner', type: 'integer' })
        scope.addHook('onReady', async () => {
          t.match(await outer('abc'), { ok: false })
          t.match(await inner({ a: 1, b: 'ab' }), { ok: true })
          t.match(await inner({ a: 'x' }), { ok: false, message: 'content/a must be integer (type)' })
          t.match(await inner({ b: 'abc' }), { ok: false, message: /^content\/b / })
          t.equal(await answer({ a: 1, secret: 2 }), '{"a":1}')
        })
      })
    }
  })
  t.ok(app.server.listening)
})

await t.test("the app's Ajv options count, also where no route of the instance has a schema", async t => {
  let validate: ReturnType<typeof createValidator> | undefined
  await httpApp(t, {}, {
    server: { ajv: { customOptions: { coerceTypes: false } } },
    after (app) {
      validate = createValidator(app, { type: 'number' }, 'strict')
    }
  })
  t.match(await validate?.('5'), { ok: false, message: /must be number/ })
})

await t.test('an asynchronous JSON Schema resolves with the data, which is no verdict', async t => {
  const app = Fastify()
  const validate = createValidator(app, { $async: true, type: 'object', properties: { error: { type: 'string' } } }, 'async')
  await ready(t, app)
  t.same(await validate({ error: 'data', value: 1 }), { ok: true, value: { error: 'data', value: 1 } })
  t.same(await validate({ error: {} }), { ok: false, message: 'content/error must be string (type)' })
})

await t.test("the app's own validator compiler decides", async t => {
  await t.test('Zod type provider, set before or after the declaration', async t => {
    const app = Fastify()
    const early = createValidator(app, z.object({ at: z.coerce.date() }), 'early')
    app.setValidatorCompiler(validatorCompiler)
    const late = createValidator(app, z.object({ n: z.number().min(2) }), 'late')
    await ready(t, app)
    t.match(await early({ at: '2024-01-01T00:00:00Z' }), { ok: true, value: { at: new Date('2024-01-01T00:00:00Z') } })
    t.same(await late({ n: 2 }), { ok: true, value: { n: 2 } })
    t.match(await late({ n: 1 }), { ok: false, message: /^content\/n / })
  })

  await t.test('TypeBox type provider', async t => {
    const app = Fastify()
    app.setValidatorCompiler(TypeBoxValidatorCompiler)
    const validate = createValidator(app, Type.Object({ n: Type.Number({ minimum: 2 }) }), 'typebox')
    await ready(t, app)
    t.same(await validate({ n: 2 }), { ok: true, value: { n: 2 } })
    t.match(await validate({ n: 1 }), { ok: false, message: /^content\/n / })
  })

  await t.test('every shape a compiled validator may return', async t => {
    const app = Fastify()
    const shapes: Record<string, ReturnType<FastifySchemaCompiler<unknown>>> = {
      value: (value: unknown) => ({ value: [value] }),
      error: () => ({ error: new Error('never') }),
      boolean: (value: unknown) => value === 1,
      nothing: () => ({})
    }
    app.setValidatorCompiler<{ shape: string }>(({ schema }) => shapes[schema.shape] ?? (() => false))
    const make = (shape: string) => createValidator(app, { shape }, shape)
    await ready(t, app)
    t.same(await make('value')(1), { ok: true, value: [1] })
    t.same(await make('error')(1), { ok: false, message: 'content never' })
    t.same(await make('boolean')(1), { ok: true, value: 1 })
    t.same(await make('boolean')(2), { ok: false, message: 'content does not match its schema' })
    t.same(await make('nothing')(3), { ok: true, value: 3 })
  })
})

await t.test('our routes work beside a compiler that knows no JSON Schema', async t => {
  const app = await httpApp(t, {}, {
    before (app) {
      app.setValidatorCompiler(validatorCompiler)
      app.setSerializerCompiler(serializerCompiler)
    }
  })
  const headers = { authorization: `Bearer ${app.token()}` }
  const stats = await fetch(app.url('/realtime/stats?limit=2'), { headers })
  t.equal(stats.status, 200)
  const renewed = await fetch(app.url('/realtime/renew'), { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{"connectionId":"c1"}' })
  t.equal(renewed.status, 200)
  t.equal((await fetch(app.url('/realtime/renew'), { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{}' })).status, 400)
})

await t.test('a schema that does not compile stops the start and says which one', async t => {
  const app = Fastify()
  createValidator(app, { type: 'nonsense' }, 'event message of room chat:{id}')
  await t.rejects(async () => app.ready(), { code: 'RT_ERR_OPTION', message: /schema of event message of room chat:\{id\}/ })

  const missing = Fastify()
  createValidator(missing, { $ref: 'nowhere#' }, 'event note of room a')
  await t.rejects(async () => missing.ready(), { code: 'RT_ERR_OPTION', message: /event note of room a.*nowhere/ })

  const started = Fastify()
  t.teardown(() => started.close())
  await started.listen({ port: 0, host: '127.0.0.1' })
  t.throws(() => createValidator(started, { type: 'nonsense' }, 'late'), { code: 'RT_ERR_OPTION' }, 'at once where the app has started')
  t.same(await createValidator(started, text, 'late')({ text: 'a' }), { ok: true, value: { text: 'a' } })
})

await t.test('answers of calls', async t => {
  const app = Fastify()
  const json = createSerializer(app, { type: 'object', properties: { a: { type: 'string' } } }, 'json')
  const zod = createSerializer(app, z.object({ a: z.string().toUpperCase() }), 'zod')
  const async_ = createSerializer(app, v.pipeAsync(v.string(), v.checkAsync(async value => value !== 'no', 'not no')), 'async')
  await ready(t, app)
  t.equal(await json({ a: 'x', password: 'y' }), '{"a":"x"}')
  t.equal(await zod({ a: 'x', password: 'y' }), '{"a":"X"}')
  t.throws(() => zod({ a: 1 }), /content\/a/)
  t.equal(await async_('yes'), '"yes"')
  await t.rejects(async () => async_('no'), /not no/)
})
