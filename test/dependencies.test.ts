import { once } from 'node:events'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import t from 'tap'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { claimServer } from '../lib/http/dependencies.js'
import { dial, httpApp, rawHandshake } from './helpers/http-app.js'
import type { HttpApp } from './helpers/http-app.js'

async function protocolOf (app: HttpApp, path: string, protocols: string[]): Promise<string> {
  const ws = new WebSocket(app.url(path).replace('http', 'ws'), protocols)
  await once(ws, 'open')
  const { protocol } = ws
  ws.terminate()
  return protocol
}

await t.test('a second registration on the same server, in whatever scope', async t => {
  const app = Fastify()
  claimServer(app)
  t.throws(() => claimServer(app), { code: 'RT_ERR_ALREADY_REGISTERED' })
  await app.register(async scope => { t.throws(() => claimServer(scope), { code: 'RT_ERR_ALREADY_REGISTERED' }) })
  claimServer(Fastify())
  await app.close()
})

await t.test('what is missing is registered, for the application to use', async t => {
  const { app } = await httpApp(t)
  t.ok(app.hasDecorator('websocketServer'))
  t.ok(app.hasDecorator('rateLimit'))
  t.type(app.jwt.sign, 'function')
  t.match(app.websocketServer.options, { maxPayload: 65536, perMessageDeflate: false, maxFragments: 128, maxBufferedChunks: 4096 })
})

await t.test('its limits hold', async t => {
  const app = await httpApp(t, { limits: { payload: 1024 } })
  const closeCode = async (send: (ws: WebSocket) => void) => {
    const { ws } = await dial(t, app, { token: app.token() })
    send(ws)
    const [code] = await once(ws, 'close')
    return code
  }
  t.equal(await closeCode(ws => ws.send('x'.repeat(1025))), 1009)
  t.equal(await closeCode(ws => {
    for (let i = 0; i < 200; i++) ws.send('', { fin: false })
  }), 1008, 'fragments')
})

await t.test("the application's @fastify/websocket is used", async t => {
  const chosen: string[][] = []
  const app = await httpApp(t, {}, {
    before: async app => {
      await app.register(websocket, {
        options: {
          maxPayload: 1_048_576,
          handleProtocols (protocols) {
            chosen.push([...protocols])
            return 'theirs'
          }
        }
      })
    },
    after: app => { app.get('/own', { websocket: true }, () => {}) }
  })
  t.ok(app.kit.dependencies.sharedServer)
  t.equal(app.kit.dependencies.maxPayload, 65536)
  t.equal(app.logs.filter(line => line.includes('buffers larger messages')).length, 1)

  t.equal(await protocolOf(app, '/own', ['theirs', 'realtime.v1']), 'theirs', 'its routes keep their choice')
  t.same(chosen, [['theirs', 'realtime.v1']])
  const { ws } = await dial(t, app, { protocols: [`bearer.${app.token()}`, 'realtime.v1'] })
  t.equal(ws.protocol, 'realtime.v1', 'ours is ours')
  t.equal(chosen.length, 1)
  t.equal(app.app.websocketServer.clients.size, 0, 'and is not closed by its preClose')
})

await t.test('a smaller maxPayload there is the one that counts', async t => {
  const app = await httpApp(t, {}, { before: async app => { await app.register(websocket, { options: { maxPayload: 2048 } }) } })
  t.equal(app.kit.dependencies.maxPayload, 2048)
  t.equal(app.logs.filter(line => line.includes('refuses messages smaller')).length, 1)
})

await t.test('no limit at all is larger than any', async t => {
  const app = await httpApp(t, {}, { before: async app => { await app.register(websocket, { options: { maxPayload: 0 } }) } })
  t.equal(app.kit.dependencies.maxPayload, 65536)
  t.equal(app.logs.filter(line => line.includes('buffers larger messages')).length, 1)
})

await t.test("routes of the application on our server keep ws's behaviour", async t => {
  const app = await httpApp(t, {}, { after: app => { app.get('/own', { websocket: true }, () => {}) } })
  t.equal(await protocolOf(app, '/own', ['first', 'second']), 'first')
})

await t.test('an empty offer of ours is answered without a name', async t => {
  const app = await httpApp(t)
  const socket = await rawHandshake(t, app.port(), { headers: { Authorization: `Bearer ${app.token()}` } })
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 101/)
  t.notMatch(String(answer), 'Sec-WebSocket-Protocol')
})

await t.test('an application with a request.user of its own', async t => {
  const app = await httpApp(t, {}, { before: app => { app.decorateRequest('user') } })
  t.equal((await dial(t, app, { token: app.token() })).status, 101)
})

await t.test("a schema of the route is compiled by the application's compiler", async t => {
  const app = await httpApp(t, { route: { schema: { querystring: z.object({ tenant: z.string() }) } } }, {
    before: app => { app.setValidatorCompiler(validatorCompiler) }
  })
  t.equal((await dial(t, app, { token: app.token() })).status, 400)
  t.equal((await dial(t, app, { token: app.token(), path: '/realtime?tenant=a' })).status, 101)
})

await t.test('error listeners of the application stay', async t => {
  let heard = () => {}
  const error = new Promise<void>(resolve => { heard = resolve })
  const app = await httpApp(t, {}, { after: app => { app.websocketServer.on('connection', ws => ws.on('error', () => heard())) } })
  const { ws } = await dial(t, app, { token: app.token() })
  ws.send('x'.repeat(70_000))
  await error
})

await t.test('options of the route come first, ours win', async t => {
  const ran: string[] = []
  const app = await httpApp(t, {
    prefix: '/v1',
    path: '/live',
    route: {
      onRequest: [async () => { ran.push('onRequest') }],
      preValidation: async () => { ran.push('preValidation') },
      schema: { querystring: { type: 'object', required: ['tenant'], properties: { tenant: { type: 'string' } } } },
      config: { url: 'x' },
      websocket: true,
      handler: () => 'not this one'
    } as object
  })
  t.equal((await dial(t, app, { token: app.token(), path: '/v1/live' })).status, 400, 'validated before the upgrade')
  t.equal((await dial(t, app, { token: app.token(), path: '/v1/live?tenant=a' })).status, 101)
  t.same(ran, ['onRequest', 'preValidation', 'onRequest', 'preValidation'])
  t.equal((await fetch(app.url('/v1/live?tenant=a'), { headers: { authorization: `Bearer ${app.token()}` } })).status, 426)
})
