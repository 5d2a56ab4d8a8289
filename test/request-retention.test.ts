import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import { dial, httpApp } from './helpers/http-app.js'

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')

type Kept = WeakRef<FastifyRequest | FastifyRequest['raw'] | FastifyReply | FastifyReply['raw']>

/** Which are still in memory once everything that can be collected is. */
async function collect (refs: Kept[]): Promise<Kept[]> {
  if (typeof gc !== 'function') throw new Error('no gc')
  for (let i = 0; i < 20 && refs.some(ref => ref.deref() !== undefined); i++) {
    await new Promise(resolve => setImmediate(resolve))
    gc()
  }
  return refs.filter(ref => ref.deref() !== undefined)
}

await t.test('a connection keeps neither its request nor its reply', async t => {
  const requests: Kept[] = []
  const closed: string[] = []
  const app = await httpApp(t, {
    // Without @fastify/jwt, whose task queue keeps its last one or two tasks, however many there are.
    auth: { authenticate: () => ({ user: { id: 'ada' } }) },
    route: {
      onRequest: async (request, reply) => {
        requests.push(new WeakRef(request), new WeakRef(request.raw), new WeakRef(reply), new WeakRef(reply.raw))
        reply.raw.on('close', () => closed.push('response'))
      }
    }
  }, {
    deps: { accept ({ ws }) { ws.on('message', data => ws.send(data)) } }
  })
  const { ws } = await dial(t, app)
  t.same(closed, ['response'], 'who waits for its end is told')
  t.equal(requests.length, 4)
  t.same(await collect(requests), [])
  t.equal(ws.readyState, ws.OPEN)
})

await t.test('nor does one in a room, through the whole plugin', async t => {
  const requests: Kept[] = []
  const { url, wsUrl } = await createApp(t, {
    auth: { authenticate: () => ({ user: { id: 'ada' } }) },
    fastify: { logger: { level: 'silent' } },
    rooms: { lobby: { join: () => true, publish: 'members', presence: true } },
    route: {
      onRequest: async (request, reply) => {
        requests.push(new WeakRef(request), new WeakRef(request.raw), new WeakRef(reply), new WeakRef(reply.raw))
      }
    }
  })
  const client = await connectTo(t, wsUrl)
  t.match(await client.request({ type: 'join', roomId: 'lobby', presence: true }), { type: 'ack' })
  t.match(await client.request({ type: 'message', roomId: 'lobby', content: 'x' }), { type: 'ack' })
  t.equal(requests.length, 4)
  t.same(await collect(requests), [])
  t.equal((await fetch(`${url}/realtime/health`)).status, 200)
})
