import t from 'tap'
import type { RedisServer } from '../helpers/redis.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { createNode, createScene, PERFECT } from './scene.js'

const HEAD = 'realtime:{r:chat:1}:head'
const LOG = 'realtime:{r:chat:1}:log'

const evictions: Record<string, (redis: RedisServer) => Promise<unknown>> = {
  'the head of a log': ({ admin }) => admin.del(HEAD),
  'the entries of a log': ({ admin }) => admin.del(LOG),
  'both a log and its head': ({ admin }) => admin.del(HEAD, LOG)
}

for (const [name, evict] of Object.entries(evictions)) {
  await t.test(`${name} evicted under a live room: a word about it, or no loss`, async (t) => {
    const redis = await startRedis(t)
    const { ledger, begin } = await createScene(t, [redis.port, redis.port])
    await begin()
    await evict(redis)
    await ledger.progress(20)
    const counts = await ledger.close()
    t.comment(counts)
    const resets = Object.values(counts.resets)
    t.match(counts, { ...PERFECT, lost: counts.lost })
    // Live members need no entries: who follows the head goes on with the next one.
    if (name !== 'the entries of a log') t.ok(resets.every((count) => count === 1), 'everybody is told, once')
    else t.ok(counts.lost === 0 || resets.every((count) => count > 0))
  })

  await t.test(`${name} evicted while somebody is away: never taken for a continuation`, async (t) => {
    const redis = await startRedis(t)
    const node = await createNode(t, 'a', redis.port)
    const other = await createNode(t, 'b', redis.port)
    const say = async (content: string): Promise<string> => (await other.app.realtime.notifyRoom('chat:1', 'message', content)).position ?? ''
    const first = await say('first')
    const last = await say('last')
    await evict(redis)

    const bob = await node.connect('bob')
    const behind = await bob.request({ type: 'join', roomId: 'chat:1', since: first })
    const reason = name === 'the entries of a log' ? 'trimmed' : 'expired'
    t.match(behind, { recovered: false, reason }, 'who missed something is told')
    const carol = await node.connect('carol')
    const ahead = await carol.request({ type: 'join', roomId: 'chat:1', since: last })
    if (reason === 'trimmed') t.match(ahead, { recovered: true }, 'who missed nothing is not')
    else t.match(ahead, { recovered: false, reason })

    await say('next')
    for (const client of [bob, carol]) t.match(await client.next('message'), { content: 'next' })
    // And whoever asks after the log has gone on.
    const dave = await node.connect('dave')
    t.match(await dave.request({ type: 'join', roomId: 'chat:1', since: first }), { recovered: false, reason })
    const erin = await node.connect('erin')
    const late = await erin.request({ type: 'join', roomId: 'chat:1', since: last })
    if (reason === 'trimmed') t.match(late, { recovered: true, messages: [{ content: 'next' }] })
    else t.match(late, { recovered: false, reason })
  })
}

await t.test('a position just before, at and behind the boundary of what is kept', async (t) => {
  const redis = await startRedis(t)
  const [node, other] = [await createNode(t, 'a', redis.port), await createNode(t, 'b', redis.port)]
  const positions: string[] = []
  for (let n = 1; n <= 150; n++) positions.push((await other.app.realtime.notifyRoom('small:1', 'message', n)).position ?? '')
  // The log keeps 100: 51 to 150. Who has 50 misses nothing that is gone.
  const joinBehind = async (n: number): Promise<object> => {
    const client = await node.connect(`user-${n}`)
    return await client.request({ type: 'join', roomId: 'small:1', since: positions[n - 1] })
  }
  t.match(await joinBehind(49), { recovered: false, reason: 'trimmed' })
  const rest = Array.from({ length: 100 }, (_, index) => ({ content: index + 51 }))
  t.match(await joinBehind(50), { recovered: true, messages: rest })
  t.match(await joinBehind(51), { recovered: true, messages: rest.slice(1) })
  t.match(await joinBehind(150), { recovered: true })
  await until('the small log is full', async () => await redis.admin.xlen('realtime:{r:small:1}:log') === 100)
})
