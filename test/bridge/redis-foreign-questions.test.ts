import { once } from 'node:events'
import t from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import type { NodeQuery } from '../../lib/bridge/bridge.js'
import { QUIET } from '../helpers/quiet.js'
import { redisBridge } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'

// Whoever can write to Redis can ask: nodes of another version, and anybody else.
const { admin, port } = await startRedis(t)
const names = createNames('foreign', 0)
const asked: NodeQuery[] = []
const bridge = redisBridge({ port, prefix: 'foreign', lease: 15_000 })
t.teardown(() => bridge.close())
await bridge.start({ ...QUIET, onAsk: async (query) => { asked.push(query) } })
const answers = admin.duplicate()
t.teardown(() => answers.disconnect())
await answers.subscribe(names.service('replies:stranger'))

/** Resolves with the answer. */
async function ask (query: unknown): Promise<{ readonly failed?: boolean, readonly value?: unknown }> {
  const answered = once(answers, 'message')
  await admin.publish(names.service('nodes'), `1Q\n${JSON.stringify({ id: 'q', from: 'stranger', until: Date.now() + 60_000, query })}`)
  const [, text] = await answered
  return JSON.parse(String(text).slice(3))
}

await t.test('a question that makes sense is handed on', async (t) => {
  const sensible: readonly NodeQuery[] = [
    { type: 'stats' }, { type: 'connections', limit: 1 }, { type: 'connections', userId: 'ann', roomId: 'a:1', limit: 1 },
    { type: 'rooms', limit: 1 }, { type: 'rooms', after: 'a', limit: 1 }, { type: 'receipts', userId: 'ann', position: 'e.1.c', timeout: 1 }
  ]
  for (const query of sensible) t.equal((await ask(query)).failed, undefined)
  t.same(asked.splice(0), sensible)
  t.equal(bridge.dropped(), 0)
})

await t.test('any other is refused at once, counted, and never handed on', async (t) => {
  const senseless = [
    null, 1, 'stats', [], {}, { type: 'later' }, { type: 'connections' }, { type: 'connections', userId: 1, limit: 1 }, { type: 'connections', roomId: {}, limit: 1 },
    { type: 'rooms', limit: '1' }, { type: 'rooms', after: 1, limit: 1 }, { type: 'receipts', userId: 'ann', position: 1, timeout: 1 },
    { type: 'receipts', position: 'e.1.c', timeout: 1 }, { type: 'receipts', userId: 'ann', position: 'e.1.c' }
  ]
  for (const query of senseless) t.equal((await ask(query)).failed, true, JSON.stringify(query))
  t.same(asked, [])
  t.equal(bridge.dropped(), senseless.length)
})
