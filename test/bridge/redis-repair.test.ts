import { once } from 'node:events'
import t from 'tap'
import { createNames } from '../../lib/bridge/redis/names.js'
import { loadScript } from '../../lib/bridge/redis/script.js'
import { redisBridge, serverClients } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { follow, numberOf, publish } from './contract/fixture.js'

const { admin, port } = await startRedis(t)

await t.test('a repair that fails while Redis is there is made again, though nothing more is fanned out', async (t) => {
  const names = createNames('repair', 0)
  const bridge = redisBridge({ port, prefix: 'repair', lease: 15_000 })
  t.teardown(() => bridge.close())
  const errors: unknown[] = []
  await bridge.start({
    onBroadcast () {}, onControl: async () => null, onAsk: async () => null, onStatus () {}, onError: (error) => errors.push(error)
  })
  const [head, log] = [names.key('r:room', 'head'), names.key('r:room', 'log')]
  await publish(bridge, 'r:room', 1)
  const before = await Promise.all([admin.dumpBuffer(head), admin.dumpBuffer(log)])
  await publish(bridge, 'r:room', 2)
  const after = await Promise.all([admin.dumpBuffer(head), admin.dumpBuffer(log)])
  const put = async ([headThen, logThen]: Buffer[]): Promise<void> => {
    if (headThen !== undefined) await admin.restore(head, 60_000, headThen, 'REPLACE')
    if (logThen !== undefined) await admin.restore(log, 60_000, logThen, 'REPLACE')
  }
  await put(before)
  const followed = await follow(bridge, 'r:room')

  await admin.set(log, 'not a log')
  const refused = async (): Promise<number> => Number(/errorstat_WRONGTYPE:count=(\d+)/.exec(await admin.info('errorstats'))?.[1] ?? 0)
  const soFar = await refused()
  await admin.publish(names.channel('r:room'), '1L e 9 0 1 1\nm 1 2\n{}')
  await until('a repair has failed', async () => await refused() > soFar)
  await put(after)

  await followed.messages(1)
  t.same(followed.events.map((event) => event.type === 'entry' ? numberOf(event.entry.payload) : event.type), [2])
  t.same(errors, [], 'a store that cannot be read is no defect of the node')
})

await t.test('what is lost while a join still waits for where the log ends is made up for', async (t) => {
  const clients = serverClients(port)
  const quiet = { onBroadcast () {}, onControl: async () => null, onAsk: async () => null }
  /** Answers that have to wait. */
  let held: Promise<void> | null = null
  let asked = (): void => {}
  const READ = loadScript('log', 'read').sha
  const head = createNames('joining', 0).key('r:room', 'head')
  const call = clients.command.callBuffer.bind(clients.command)
  Object.defineProperty(clients.command, 'callBuffer', {
    async value (name: string, args: Array<string | number>) {
      const answer = await call(name, args)
      if (held !== null && args[0] === READ && args[2] === head) {
        asked()
        await held
      }
      return answer
    }
  })
  let ups = 0
  const bridge = redisBridge({ port, prefix: 'joining', lease: 15_000, timeout: 10_000, clients })
  t.teardown(() => bridge.close())
  await bridge.start({ ...quiet, onStatus: ({ state }) => { if (state === 'up') ups++ } })
  const other = redisBridge({ port, prefix: 'joining', lease: 15_000 })
  t.teardown(() => other.close())
  await other.start({ ...quiet, onStatus () {} })
  await publish(other, 'r:room', 1)

  let release = (): void => {}
  held = new Promise((resolve) => { release = resolve })
  const read = new Promise<void>((resolve) => { asked = resolve })
  const following = follow(bridge, 'r:room')
  await read
  const closed = once(clients.subscriber, 'close')
  clients.subscriber.disconnect(true)
  await closed
  await publish(other, 'r:room', 2)
  await until('the link is back', () => ups === 1)
  release()
  held = null
  const followed = await following
  await followed.messages(1)
  t.same(followed.numbers(), [2])
})
