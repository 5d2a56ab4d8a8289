import type { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { createApp } from './helpers/app.js'
import type { TestClient } from './helpers/client.js'
import { startRedis } from './helpers/redis.js'
import { until } from './helpers/until.js'

const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

interface Watched {
  /** Keys and channels of rooms that calls named since, one for each call; those within scripts do not count again. */
  readonly calls: readonly string[]
  /** Resolves when every call that Redis has taken by now is among them: they come by a connection of their own. */
  complete (): Promise<void>
}

async function watchCalls (t: Test, admin: Redis): Promise<Watched> {
  const monitor = await admin.monitor()
  t.teardown(() => monitor.disconnect())
  const calls: string[] = []
  let marks = 0
  let seen = 0
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (args[0]?.toLowerCase() === 'echo') seen = Number(args[1])
    const room = args.find((arg) => arg.includes('{r:chat:'))
    if (room !== undefined && source !== 'lua') calls.push(`${args[0]} ${room}`)
  })
  return {
    calls,
    async complete () {
      const mark = ++marks
      await admin.echo(String(mark))
      await until('all that came before is seen', () => seen >= mark)
    }
  }
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
  const { calls, complete } = await watchCalls(t, redis.admin)
  const joined = await first.request({ type: 'join', roomId: 'chat:1' })
  await complete()
  t.ok(calls.length > 0)
  const before = calls.length
  for (const client of others) {
    const { position } = await client.request({ type: 'join', roomId: 'chat:1' })
    t.equal(position, joined.position)
    // A position that is the room's head is known to be continued, too.
    t.equal((await client.request({ type: 'join', roomId: 'chat:1', since: position })).recovered, true)
  }
  await complete()
  t.same(calls.slice(before), [])
  await first.request({ type: 'message', roomId: 'chat:1', content: 1 })
  await Promise.all(clients.map((client) => client.next('message')))
  await complete()
  t.equal(calls.length, before + 1, 'and one call publishes, however many hear it')
})

await t.test('a connection that was lost is repaired with one read of each room', async (t) => {
  const redis = await startRedis(t)
  const { connect } = await createApp(t, { rooms, redis: `redis://127.0.0.1:${redis.port}` })
  const ann = await connect('ann')
  const ids = Array.from({ length: 40 }, (_, index) => `chat:${index}`)
  await warm(ann)
  for (const roomId of ids) await ann.request({ type: 'join', roomId })
  const { calls, complete } = await watchCalls(t, redis.admin)
  await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  const reads = (): string[] => calls.filter((call) => call.startsWith('eval'))
  await until('every room is read', () => reads().length > ids.length)
  // What is asked later is answered later, so a second pass would have been seen by then. While the node is down it asks nothing.
  await until('it is published', async () => (await ann.request({ type: 'message', roomId: 'chat:0', content: 1 })).type === 'ack')
  await ann.next('message')
  await complete()
  t.equal(new Set(reads()).size, ids.length + 1, 'the room that was joined first, too')
  t.equal(reads().length, ids.length + 2, 'and the publication')
})
