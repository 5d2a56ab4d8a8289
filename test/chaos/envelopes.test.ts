import { randomBytes } from 'node:crypto'
import t from 'tap'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { createScene, PERFECT } from './scene.js'

const CHANNEL = 'realtime:{r:chat:1}'

await t.test('what others publish to a channel disturbs nobody', async (t) => {
  const redis = await startRedis(t)
  const { ledger, nodes, begin } = await createScene(t, [redis.port, redis.port])
  const ear = redis.admin.duplicate({ lazyConnect: false })
  t.teardown(() => ear.disconnect())
  const genuine: Buffer[] = []
  ear.on('messageBuffer', (_channel, envelope: Buffer) => { if (envelope.toString('latin1', 0, 2) === '1L') genuine.push(envelope) })
  await ear.subscribe(CHANNEL)
  await begin()
  await until('50 genuine ones', () => genuine.length >= 50)
  const [envelope = Buffer.alloc(0)] = genuine

  const garbage: ReadonlyArray<string | Buffer> = [
    '', 'hello', '{"type":"message","roomId":"chat:1"}', '1L', '1L\n', '1L a b c d e\n', '1L epoch 1 chain 1 99999999999999\n', '1V 1\n999999\n{}', '1V x\n', '2L 1 1 1 1 1\n',
    '1T\n', '1T 1\n', '1T x\nmallory', '1V\n', '1V 0\n', '1P', '1P\n', '1P {', '1P 1\n{"version":1}', randomBytes(1_000), randomBytes(100_000), envelope.subarray(0, envelope.length - 1), Buffer.concat([envelope, envelope]),
    Buffer.concat([Buffer.from('1L epoch 1 chain 1 1\nm next 5242880\n'), Buffer.alloc(5 * 1024 * 1024, 'x')]), Buffer.alloc(5 * 1024 * 1024, '1')
  ]
  const dropped = async (): Promise<number[]> => await Promise.all(nodes.map(async ({ app }) => (await app.realtime.stats()).envelopesDropped))
  const before = await dropped()
  for (const nonsense of garbage) await redis.admin.publish(CHANNEL, nonsense)
  t.same(before, [0, 0])
  // Every node counts its own, and stats are those of the cluster.
  await until('all garbage is dropped', async () => (await dropped()).every((count) => count === 2 * garbage.length))

  for (const replayed of genuine.slice(0, 50)) await redis.admin.publish(CHANNEL, replayed)
  for (const replayed of genuine.slice(-50).toReversed()) await redis.admin.publish(CHANNEL, replayed)
  await ledger.progress(50)
  const counts = await ledger.close()
  t.comment(garbage.length, await dropped(), counts)
  t.match(counts, PERFECT)
  t.same(new Set(Object.values(counts.resets)), new Set([0]))
  for (const count of await dropped()) t.ok(count > 2 * garbage.length, 'what is repeated counts as well')
})
