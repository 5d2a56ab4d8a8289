import { once } from 'node:events'
import { Redis } from 'ioredis'
import t from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import { readEnvelope } from '../../lib/bridge/redis/envelope.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { startBridge } from '../helpers/redis-nodes.js'
import { startRedis } from '../helpers/redis.js'
import { publish, range, read, numbers } from './contract/fixture.js'

const COUNT = 50
const CHANNEL = createNames('turn', 0).channel(roomChannel('room'))

await t.test('all that one turn publishes to a room is one call, and one fan-out', async (t) => {
  const { admin, port } = await startRedis(t)
  const bridge = await startBridge(t, { host: '127.0.0.1', port, prefix: 'turn' })
  // Redis has to be given each script once.
  await publish(bridge, roomChannel('warm'), 0)
  const listener = new Redis({ port })
  t.teardown(() => listener.disconnect())
  const envelopes: Buffer[] = []
  listener.on('messageBuffer', (_channel, payload: Buffer) => envelopes.push(payload))
  await listener.subscribe(CHANNEL)
  const monitor = await admin.monitor()
  t.teardown(() => monitor.disconnect())
  const calls: string[] = []
  const seen = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, [command = '', ...args]: string[], source: string) => {
      if (command === 'echo') resolve()
      // Those within the script do not count again.
      else if (source !== 'lua' && args.some((arg) => arg.startsWith(CHANNEL))) calls.push(command)
    })
  })

  const results = await Promise.all(range(1, COUNT).map((number) => publish(bridge, roomChannel('room'), number)))
  t.same(results.map(({ position }) => position.offset), range(1, COUNT))
  await admin.echo('behind them')
  await seen
  t.same(calls, ['evalsha'])
  const end = once(listener, 'messageBuffer')
  await admin.publish(CHANNEL, 'behind them')
  await end
  const [envelope, marker, ...more] = envelopes
  t.equal(String(marker), 'behind them')
  t.same(more, [])
  const told = envelope === undefined ? null : readEnvelope(envelope)
  t.equal(told?.kind === 'log' && told.entries.length, COUNT)
  const { entries } = await read(bridge, roomChannel('room'), { last: COUNT })
  t.same(numbers(entries), range(1, COUNT))
})
