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
    route: {
      onRequest: async (request, reply) => {
        requests.push(new WeakRef(request), new WeakRef(request.raw), new WeakRef(reply), new WeakRef(reply.raw))
        reply.raw.on('close', () => closed.push('response'))
      }
    }
  }, {
    deps: { accept ({ ws }) { ws.on('message', data => ws.send(data)) } }
  })
  const { ws } = await dial(t, app, { token: app.token() })
  t.same(closed, ['response'], 'who waits for its end is told')
  const first = requests.splice(0)
  t.equal(first.length, 4)
  // @fastify/jwt's task queue keeps its last task, whatever comes of it.
  t.equal((await dial(t, app, { token: 'another' })).status, 401)
  if (typeof gc !== 'function') throw new Error('no gc')
  for (let i = 0; i < 20 && first.some(ref => ref.deref() !== undefined); i++) {
    await new Promise(resolve => setImmediate(resolve))
    gc()
  }
  t.same(first.map(ref => ref.deref() === undefined), [true, true, true, true])
  t.equal(ws.readyState, ws.OPEN)
})
