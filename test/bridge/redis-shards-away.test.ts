import t from 'tap'
import type { Test } from 'tap'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge, ChannelName, ControlCommand } from '../../lib/bridge/bridge.js'
import { createRendezvous } from '../../lib/bridge/redis/rendezvous.js'
import { startNode } from '../helpers/node-process.js'
import { mirror } from '../helpers/presence-mirror.js'
import { bridgeOf } from '../helpers/redis-nodes.js'
import { startRedis } from '../helpers/redis.js'
import type { RedisServer } from '../helpers/redis.js'
import { until } from '../helpers/until.js'

/** A list of servers by what all nodes need of them; the names of two of them say where commands and the registry of nodes are. */
interface List {
  /** The one with the commands. */
  readonly control: RedisServer
  /** Neither that nor the one with the registry. */
  readonly other: RedisServer
  /** A room of each of these. */
  readonly roomOf: (server: RedisServer) => ChannelName
  readonly option: { readonly shards: readonly string[], readonly prefix: string, readonly timeout: string, readonly probe: string, readonly lease: string }
}

async function startList (t: Test, ...args: readonly string[]): Promise<List> {
  const servers = await Promise.all([startRedis(t, ...args), startRedis(t, ...args), startRedis(t, ...args)])
  const names = servers.map(({ port }) => `127.0.0.1:${port}`)
  const place = createRendezvous(names)
  const at = (subject: string): RedisServer => {
    const server = servers[place(subject)]
    if (server === undefined) throw new Error('there is no server')
    return server
  }
  const control = at('s:control')
  const other = servers.find((server) => server !== control && server !== at('s:nodes'))
  if (other === undefined) throw new Error('there is no other server')
  return {
    control,
    other,
    roomOf: (server) => {
      for (let number = 0; ; number++) if (at(`r:room-${number}`) === server) return roomChannel(`room-${number}`)
    },
    // The one that will be away is the first that is asked.
    option: {
      shards: [other, ...servers.filter((server) => server !== other)].map(({ port }) => `redis://127.0.0.1:${port}`),
      prefix: 'test',
      timeout: '2s',
      probe: '400ms',
      lease: '1200ms'
    }
  }
}

interface Node {
  readonly bridge: Bridge
  /** Users of the commands it began. */
  readonly begun: string[]
}

async function start (t: Test, { option }: List): Promise<Node> {
  const bridge = bridgeOf(option)
  const begun: string[] = []
  t.teardown(() => bridge.close())
  await bridge.start({
    onBroadcast () {},
    onControl: async (command) => 'userId' in command && begun.push(command.userId),
    onAsk: async () => null,
    onStatus () {}
  })
  return { bridge, begun }
}

function disconnect (userId: string): ControlCommand {
  return { type: 'disconnect-user', userId, reason: 'test' }
}

function down ({ bridge }: Node): () => boolean {
  return () => bridge.status().state === 'down'
}

await t.test('commands go on while a server is away that has nothing to do with them', async (t) => {
  const list = await startList(t)
  const [near, far] = [await start(t, list), await start(t, list)]
  await list.other.kill()
  for (const node of [near, far]) await until('it is noticed', down(node))
  const { unreachable } = await near.bridge.control(disconnect('alice'), 2_000)
  t.same(unreachable, [])
  t.same([near.begun, far.begun], [['alice'], ['alice']])
  await t.test('and are taken again when their own server is back, though the other one is not', async (t) => {
    await list.control.kill()
    await t.rejects(near.bridge.control(disconnect('carol'), 300), { code: 'unavailable' })
    await list.control.restart()
    await until('commands are taken', () => near.bridge.control(disconnect('dave'), 500).then(() => true))
    await until('both begin it', () => [near, far].every(({ begun }) => begun.includes('dave')))
    t.equal(near.bridge.status().state, 'down')
  })
})

await t.test('a node that dies while a server is away is swept from the others at once, and from that one when it is back', async (t) => {
  const list = await startList(t, '--appendonly', 'yes', '--appendfsync', 'always')
  const [here, away] = [list.roomOf(list.control), list.roomOf(list.other)]
  const { bridge } = await start(t, list)
  const victim = await startNode(t, list.option)
  await victim.attach([here, away].map((channel) => ({ channel, userId: 'ghost', connectionId: 'c' })))
  const rooms = await Promise.all([here, away].map((channel) => mirror(bridge, channel)))
  const left = (): string[][] => rooms.map((room) => room.changes('left'))
  await list.other.kill()
  await victim.kill()
  await until('it has left the room that can be reached', () => left()[0]?.length === 1, 8_000)
  t.same(left(), [['ghost'], []])
  await list.other.restart()
  await until('it has left the other one', async () => (await bridge.presenceRead(away)).members.length === 0, 8_000)
  t.same(rooms[0]?.changes('left'), ['ghost'], 'once')
})

await t.test('what a server has lost is given back to it while another one is away', async (t) => {
  const list = await startList(t)
  const { bridge } = await start(t, list)
  const here = list.roomOf(list.control)
  await Promise.all([here, list.roomOf(list.other)].map((channel) => bridge.presenceAttach(channel, 'alice', 'c', Infinity)))
  await list.other.kill()
  await until('it is noticed', () => bridge.status().state === 'down')
  // All but the registry, which may be there too.
  const { admin } = list.control
  await admin.del(...(await admin.keys('*')).filter((key) => !key.includes('{s:nodes}')))
  await until('she is there again', async () => (await bridge.presenceRead(here)).members.length === 1, 8_000)
})

await t.test('a node starts while a server is away, unless that has what belongs to all nodes', async (t) => {
  const list = await startList(t)
  const [here, away] = [list.roomOf(list.control), list.roomOf(list.other)]
  await list.other.kill()
  const { bridge } = await start(t, list)
  t.equal(bridge.status().state, 'down')
  await bridge.presenceAttach(here, 'alice', 'c', Infinity)
  await t.rejects(bridge.presenceAttach(away, 'alice', 'c', Infinity), { code: 'unavailable' })
  await list.other.restart()
  await until('all is well', () => bridge.status().state === 'up', 8_000)
  await bridge.presenceAttach(away, 'alice', 'c', Infinity)
  await list.control.kill()
  await t.rejects(start(t, list))
})
