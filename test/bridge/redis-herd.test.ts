import { once } from 'node:events'
import { Redis } from 'ioredis'
import t from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { BridgeStatus } from '../../lib/bridge/bridge.js'
import { LogStore } from '../../lib/bridge/redis/log-store.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { loadScript } from '../../lib/bridge/redis/script.js'
import { Store } from '../../lib/bridge/redis/store.js'
import { systemClock } from '../../lib/clock.js'
import { redisBridge, serverClients } from '../helpers/redis-bridge.js'
import { startRedis } from '../helpers/redis.js'
import { until } from '../helpers/until.js'
import { follow, head, KEEP, publish } from './contract/fixture.js'
import type { Followed } from './contract/fixture.js'

/** Several commands of subscriptions, and several times the calls that may wait. */
const ROOMS = 1_200
const MAX_PENDING = 300

const READ = loadScript('log', 'read').sha
const { admin, port } = await startRedis(t)
const names = createNames('herd', 0)
const clients = serverClients(port)

/** Subscriptions that have to wait, by a channel among them. */
let held: { readonly name: string, readonly until: Promise<void> } | null = null
const subscribe = clients.subscriber.subscribe.bind(clients.subscriber)
Object.defineProperty(clients.subscriber, 'subscribe', {
  async value (...channels: string[]) {
    if (held !== null && channels.includes(held.name)) await held.until
    await subscribe(...channels)
  }
})

const bridge = redisBridge({ port, prefix: 'herd', lease: 15_000, maxPending: MAX_PENDING, clients })
t.teardown(() => bridge.close())
const changes: BridgeStatus[] = []
/** What becomes of a publish in the very moment that the node is back. */
const firsts: Array<Promise<string>> = []
await bridge.start({
  onBroadcast () {},
  onControl: async () => null,
  onAsk: async () => null,
  onStatus (status) {
    changes.push(status)
    if (status.state === 'up') firsts.push(publish(bridge, roomChannel('other'), 0).then(() => 'published', String))
  }
})

const followed: Followed[] = []
while (followed.length < ROOMS) {
  followed.push(...await Promise.all(Array.from({ length: 100 }, (_value, index) => follow(bridge, roomChannel(`room-${followed.length + index}`)))))
}

const keyOf = (room: number): string => names.key(roomChannel(`room-${room}`), 'head')
const keys = new Set(Array.from({ length: ROOMS }, (_value, room) => keyOf(room)))
/** How often the log of each room was read, by its key. */
const reads = new Map<string, number>()
const monitor = await admin.monitor()
t.teardown(() => monitor.disconnect())
monitor.on('monitor', (_time: string, [command, sha, , key = '']: string[]) => {
  if (command?.toLowerCase() === 'evalsha' && sha === READ && keys.has(key)) reads.set(key, (reads.get(key) ?? 0) + 1)
})

async function lose (): Promise<void> {
  changes.length = 0
  firsts.length = 0
  reads.clear()
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
}

await t.test('a node that comes back reads the log of each room once, when it hears the room again, and refuses nobody meanwhile', async (t) => {
  let release = (): void => {}
  held = { name: names.channel(roomChannel(`room-${ROOMS - 1}`)), until: new Promise((resolve) => { release = resolve }) }
  await lose()
  await until('the node is up again', () => changes.at(-1)?.state === 'up')
  await until('the first rooms are read', () => reads.has(keyOf(0)) && reads.has(keyOf(400)))
  t.equal(reads.has(keyOf(ROOMS - 1)), false, 'not what it does not hear yet: it would have to be read again')
  release()
  await until('all rooms are read', () => reads.size >= ROOMS)
  // By the connection that the reads go by.
  for (let number = 0; number < 3; number++) await publish(bridge, roomChannel('other'), number)
  t.same([...reads.values()].filter((count) => count !== 1), [])
  t.same(await Promise.all(firsts), ['published'])
  t.equal(changes.findIndex(({ state }) => state === 'up'), changes.length - 1, 'and it stays up')
})

await t.test('what was said in each of them meanwhile is delivered', async (t) => {
  const client = new Redis({ port })
  t.teardown(() => client.disconnect())
  await once(client, 'ready')
  const store = new Store({ client, clock: systemClock, timeout: 10_000, fanOut: () => 'PUBLISH' })
  const logs = new LogStore({ clock: systemClock, names, storeOf: () => store })
  await lose()
  await Promise.all(followed.map(async (_followed, room) => await logs.append({ channel: roomChannel(`room-${room}`), head: head(1), retention: KEEP })))
  await Promise.all(followed.map((each) => each.messages(1)))
  t.same(new Set(followed.flatMap(({ events }) => events.map(({ type }) => type))), new Set(['entry']))
  t.same(followed.filter((each) => each.numbers().join() !== '1'), [])
})
