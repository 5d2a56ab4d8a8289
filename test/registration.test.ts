import t from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import realtime from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { SECRET } from './helpers/server.js'

const auth = { secret: SECRET }

function instance (t: Test): FastifyInstance {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  return app
}

/** Registers with whatever is given, as JavaScript would. */
async function register (app: FastifyInstance, options: object): Promise<void> {
  await Reflect.apply(app.register, app, [realtime, options])
}

await t.test('once a server, and a second one says so', async (t) => {
  const app = instance(t)
  await app.register(realtime, { auth })
  await t.rejects(async () => await app.register(realtime, { auth }), { code: 'RT_ERR_ALREADY_REGISTERED' })
})

await t.test('siblings and children count as well', async (t) => {
  const app = instance(t)
  await app.register(async (scope) => { await scope.register(realtime, { auth }) })
  await t.rejects(async () => await app.register(async (scope) => { await scope.register(realtime, { auth, path: '/other' }) }), { code: 'RT_ERR_ALREADY_REGISTERED' })
})

await t.test('two servers in one process know nothing of each other', async (t) => {
  const rooms = { 'chat:{id}': { join: () => true } }
  const [one, two] = [await createApp(t, { rooms }), await createApp(t, { rooms })]
  const [ann, bob] = [await one.connect('ann'), await two.connect('bob')]
  for (const client of [ann, bob]) await client.request({ type: 'join', roomId: 'chat:1' })
  await one.app.realtime.notifyRoom('chat:1', 'n', 1)
  await ann.next('message')
  await bob.settled()
  t.equal(bob.all('message').length, 0)
})

await t.test('a wrong or misspelt option fails at register and names itself', async (t) => {
  const wrong: Array<[options: object, names: RegExp]> = [
    [{ auth, pahth: '/x' }, /pahth/], [{ auth, path: 'x' }, /path/], [{ auth, path: 5 }, /path/], [{ auth, limits: { rooms: 0 } }, /limits\.rooms/],
    [{ auth, limits: { payload: '64k' } }, /limits\.payload/], [{ auth, limits: { room: 5 } }, /limits\.room/],
    [{ auth, heartbeat: { interval: 'soon' } }, /heartbeat\.interval/], [{ auth, drain: { code: 1000 } }, /drain\.code/],
    [{ auth, origins: ['https://a.example/'] }, /origins\[0\]/], [{ auth, rooms: { 'chat:{id}': { jion: () => true } } }, /chat:\{id\}.*jion/],
    [{ auth, rooms: { 'chat:{id}': { history: { size: 0 } } } }, /history\.size/], [{ auth, rooms: { 'chat:{id}': { events: { error: {} } } } }, /error/],
    [{ auth, rooms: { 'chat:{id}': { publish: 'all' } } }, /publish/], [{ auth, rooms: [] }, /rooms/], [{}, /auth/], [{ auth: {} }, /auth/],
    [{ auth: { secret: SECRET, algorithm: 'HS256' } }, /algorithm/], [{ auth, idempotency: { ttl: -1 } }, /idempotency\.ttl/],
    [{ auth, inbox: { size: 1.5 } }, /inbox\.size/]
  ]
  for (const [options, names] of wrong) {
    const app = instance(t)
    await t.rejects(register(app, options), { code: 'RT_ERR_OPTION', message: names }, String(names))
  }
})

await t.test('a failed registration does not keep the process from ending', async (t) => {
  const app = instance(t)
  await t.rejects(register(app, { auth, rooms: { 'a:{x}': {}, '{y}:b': {} } }), { code: 'RT_ERR_PATTERN' })
  await app.close()
})

await t.test('path and prefix, in a scope or by option', async (t) => {
  const { connect, url } = await createApp(t, { prefix: '/v1', path: '/live' })
  await connect('ann')
  t.equal((await fetch(`${url}/v1/live/health`)).status, 200)
  t.equal((await fetch(`${url}/live/health`)).status, 404)
  t.equal((await fetch(`${url}/realtime/health`)).status, 404)

  const app = instance(t)
  await app.register(async (scope) => {
    await scope.register(realtime, { auth })
    scope.realtime.room('chat:{id}', { join: () => true })
  }, { prefix: '/api' })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal((await fetch(`${address}/api/realtime/health`)).status, 200)
  t.equal((await fetch(`${address}/realtime/health`)).status, 404)
  t.notOk(app.hasDecorator('realtime'), 'the decorator stays in its scope')
})

await t.test('encapsulated plugins declare rooms, hooks and calls beside their routes', async (t) => {
  const { app, connect } = await createApp(t, {
    async after (app) {
      await app.register(async (scope) => {
        scope.decorate('orders', new Map([['1', 'ann']]))
        scope.realtime.room({
          'order:{id}': { join: ({ server, params, user }) => Object(server).orders.get(params.id) === user.id },
          'orders:{shop}:{rest*}': { join: () => true }
        })
        scope.realtime.handle('orders.count', {}, ({ server }) => Object(server).orders.size)
        scope.post<{ Params: { id: string } }>('/orders/:id', async ({ params }) => await scope.realtime.notifyRoom(`order:${params.id}`, 'changed', { id: params.id }))
      }, { prefix: '/shop' })
    }
  })
  const [ann, bob] = [await connect('ann'), await connect('bob')]
  t.match(await ann.request({ type: 'join', roomId: 'order:1' }), { type: 'ack' })
  t.match(await bob.request({ type: 'join', roomId: 'order:1' }), { code: 'forbidden' })
  t.same((await bob.request({ type: 'call', event: 'orders.count', content: null })).content, 1)
  t.equal((await app.inject({ method: 'POST', url: '/shop/orders/1' })).statusCode, 200)
  t.match(await ann.next('message'), { event: 'changed', content: { id: '1' } })
})

await t.test('schemas of a room are compiled with those the declaring instance knows', async (t) => {
  const { connect } = await createApp(t, {
    async after (app) {
      await app.register(async (scope) => {
        scope.addSchema({ $id: 'point', type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] })
        scope.realtime.room('map:{id}', { join: () => true, publish: 'members', events: { move: { $ref: 'point#' } } })
      })
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'map:1' })
  t.match(await ann.request({ type: 'message', roomId: 'map:1', event: 'move', content: { x: 1 } }), { type: 'ack' })
  t.match(await ann.request({ type: 'message', roomId: 'map:1', event: 'move', content: {} }), { code: 'invalid_content' })
})

await t.test('a schema that cannot be compiled stops the start, and is named', async (t) => {
  const app = instance(t)
  await app.register(realtime, { auth, rooms: { 'chat:{id}': { events: { message: { $ref: 'nowhere#' } } } } })
  await t.rejects(async () => await app.ready(), { code: 'RT_ERR_OPTION', message: /event "message" of room "chat:\{id\}"/ })
})
