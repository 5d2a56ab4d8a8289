import type { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from './helpers/app.js'
import type { TestClient } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'
import { until } from './helpers/until.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

/** Keys and channels of rooms that calls from now on name, one for each call; those within scripts do not count again. */
async function watchCalls (t: Test, admin: Redis): Promise<string[]> {
  const monitor = await admin.monitor()
  t.teardown(() => monitor.disconnect())
  const calls: string[] = []
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    const room = args.find((arg) => arg.includes('{r:chat:'))
    if (room !== undefined && source !== 'lua') calls.push(`${args[0]} ${room}`)
  })
  return calls
}

/** Redis has to be given each script once. */
async function warm (client: TestClient): Promise<void> {
  await client.request({ type: 'join', roomId: 'chat:warm', history: 1 })
  await client.request({ type: 'message', roomId: 'chat:warm', content: 0 })
  await client.next('message')
}

await t.test('only the first join of a room on a node asks Redis', async (t) => {
  const redis = await startRedis(t)
  const { connect } = await createApp(t, { rooms, redis: `redis://127.0.0.1:${redis.port}` })
  const clients = await Promise.all(['ann', 'bob', 'eve', 'dan', 'kim'].map((user) => connect(user)))
  const [first, ...others] = clients
  if (first === undefined) throw new Error('nobody is there')
  await warm(first)
  const calls = await watchCalls(t, redis.admin)
  const joined = await first.request({ type: 'join', roomId: 'chat:1' })
  t.ok(calls.length > 0)
  const before = calls.length
  for (const client of others) {
    const { position } = await client.request({ type: 'join', roomId: 'chat:1' })
    t.equal(position, joined.position)
    // A position that is the room's head is known to be continued, too.
    t.equal((await client.request({ type: 'join', roomId: 'chat:1', since: position })).recovered, true)
  }
  t.same(calls.slice(before), [])
  await first.request({ type: 'message', roomId: 'chat:1', content: 1 })
  await Promise.all(clients.map((client) => client.next('message')))
  t.equal(calls.length, before + 1, 'and one call publishes, however many hear it')
})

await t.test('a connection that was lost is repaired with one read of each room', async (t) => {
  const redis = await startRedis(t)
  const { connect } = await createApp(t, { rooms, redis: `redis://127.0.0.1:${redis.port}` })
  const ann = await connect('ann')
  const ids = Array.from({ length: 40 }, (_, index) => `chat:${index}`)
  await warm(ann)
  for (const roomId of ids) await ann.request({ type: 'join', roomId })
  const calls = await watchCalls(t, redis.admin)
  await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  const reads = (): string[] => calls.filter((call) => call.startsWith('eval'))
  await until('every room is read', () => reads().length > ids.length)
  // What is asked later is answered later, so a second pass would have been seen by then.
  await ann.request({ type: 'message', roomId: 'chat:0', content: 1 }).catch(() => ann.request({ type: 'message', roomId: 'chat:0', content: 1 }))
  await ann.next('message')
  t.equal(new Set(reads()).size, ids.length + 1, 'the room that was joined first, too')
  t.equal(reads().length, ids.length + 2, 'and the publication')
})
