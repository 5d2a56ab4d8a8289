import t from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import { startProxy } from '../helpers/proxy.js'
import { startBridge } from '../helpers/redis-nodes.js'
import { startRedis } from '../helpers/redis.js'
import { numbers, publish, read } from './contract/fixture.js'

const ROOM = roomChannel('room')

await t.test('publications without a key whose answer was lost are made again, and are in the log once', async (t) => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server.port)
  const near = await startBridge(t, { host: '127.0.0.1', port: proxy.port, timeout: '10s' })
  const far = await startBridge(t, { host: '127.0.0.1', port: server.port })
  const heard: number[] = []
  let both = (): void => {}
  const carriedOut = new Promise<void>((resolve) => { both = resolve })
  await far.subscribe(ROOM, { presence: false }, (event) => {
    if (event.type === 'entry') heard.push(...numbers([event.entry]))
    if (heard.length === 2) both()
  })

  // Redis has to be given each script once.
  await publish(far, roomChannel('warm'), 0)

  proxy.blackHole({ directions: ['down'] })
  const publishing = Promise.all([publish(near, ROOM, 1), publish(near, ROOM, 2)])
  await carriedOut
  proxy.heal()
  proxy.reset()
  const results = await publishing

  await publish(far, ROOM, 3)
  const { entries } = await read(near, ROOM, { last: 10 })
  t.same(numbers(entries), [1, 2, 3])
  t.same(results.map(({ position, timestamp }) => ({ position, timestamp })), entries.slice(0, 2).map(({ position, timestamp }) => ({ position, timestamp })), 'the publisher is told of what is there')
  t.same(heard.slice(0, 2), [1, 2])
  t.notOk(heard.slice(2).some((number) => number < 3), 'and nobody hears it again')
})
