import { once } from 'node:events'
import { Redis } from 'ioredis'
import t from 'tap'
import { Subscriber } from '../../lib/bridge/redis/subscriber.js'
import { systemClock } from '../../lib/clock.js'
import { startRedis } from '../helpers/redis.js'

const { admin, port } = await startRedis(t)

await t.test('a subscription that was refused is asked for anew', async (t) => {
  await admin.call('ACL', 'SETUSER', 'node', 'on', 'nopass', 'allkeys', 'allcommands', 'resetchannels')
  const client = new Redis({ port, username: 'node', password: 'any', autoResubscribe: false })
  t.teardown(() => client.disconnect())
  await once(client, 'ready')
  const subscriber = new Subscriber({ client, clock: systemClock, timeout: 2_000, onMessage () {}, onRestored () {} })
  t.teardown(() => subscriber.close())
  await t.rejects(subscriber.add('room'), { code: 'unavailable' })
  await admin.call('ACL', 'SETUSER', 'node', 'allchannels')
  await subscriber.add('room')
  t.same(await admin.pubsub('NUMSUB', 'room'), ['room', 1])
})

await t.test('who gives up a subscription does not end that of who still waits for it', async (t) => {
  const client = new Redis({ port, autoResubscribe: false })
  t.teardown(() => client.disconnect())
  await once(client, 'ready')
  const late: Array<() => void> = []
  const clock = { ...systemClock, timeout: (fn: () => void) => { late.push(fn); return () => {} } }
  const subscriber = new Subscriber({ client, clock, timeout: 2_000, onMessage () {}, onRestored () {} })
  t.teardown(() => subscriber.close())
  const first = subscriber.add('room2')
  const second = subscriber.add('room2')
  late[0]?.()
  await t.rejects(first, { code: 'unavailable' })
  await second
  t.equal(late.length, 2, 'nothing was planned that would end it')
})
