import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { dial, httpApp } from './helpers/http-app.js'

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')

await t.test('a connection keeps neither its request nor its reply', async t => {
  const requests: WeakRef<FastifyRequest | FastifyRequest['raw'] | FastifyReply | FastifyReply['raw']>[] = []
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
  if (typeof gc !== 'function') throw new Error('no gc')
  for (let i = 0; i < 20 && requests.some(ref => ref.deref() !== undefined); i++) {
    await new Promise(resolve => setImmediate(resolve))
    gc()
  }
  t.same(requests.map(ref => ref.deref() === undefined), [true, true, true, true])
  t.equal(ws.readyState, ws.OPEN)
})
