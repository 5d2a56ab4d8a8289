import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { seeded } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'
import type { FakeClient } from './helpers/node.js'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

const CONNECTIONS = 2_000
const USERS = 700
const ROOMS = 150

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, typing: true, presence: { grace: '5s' }, history: { size: 20, ttl: '1m' } },
  'live:{id}': { join: async () => true, publish: 'members' as const, typing: true, history: false as const },
  'slow:{id}': { join: () => new Promise<boolean>((resolve) => { setImmediate(() => resolve(true)) }), presence: true },
  'never:{id}': { join: () => new Promise<boolean>(() => {}) }
}

await t.test('two thousand connections do everything, go in every way, and leave nothing behind', async (t) => {
  const { node, bridge, clock, accept } = await createNode(t, {
    rooms,
    limits: { connectionsPerUser: 4, messages: { max: 30, timeWindow: '10s' } },
    idempotency: { ttl: '10s' }
  })
  const random = seeded(42)
  const pick = (n: number): number => Math.floor(random() * n)

  async function life (): Promise<void> {
    const clients: FakeClient[] = []
    let id = 0
    const act = (client: FakeClient): void => {
      const roomId = `${['chat', 'chat', 'live', 'slow', 'never'][pick(5)]}:${pick(ROOMS)}`
      id++
      switch (pick(9)) {
        case 0: case 1: return client.send({ type: 'join', id, roomId, presence: true, since: 'start' })
        case 2: return client.send({ type: 'typing', roomId: [...client.connection.memberships.keys()][0] ?? roomId, typing: true })
        case 3: return client.send({ type: 'message', id, roomId: [...client.connection.memberships.keys()][0] ?? roomId, content: id, key: `k${id}` })
        case 4: return client.send({ type: 'leave', id, roomId: [...client.connection.memberships.keys()][0] ?? roomId })
        case 5: return client.send({ type: 'status', roomId: [...client.connection.memberships.keys()][0] ?? roomId, status: 'busy' })
        case 6: return client.send({ type: 'resume', id, inbox: 'start', rooms: [{ roomId, since: 'start', presence: true }] })
        case 7: return client.send({ type: 'received', positions: client.all('direct').slice(-5).map((frame) => frame.position) })
        case 8: client.send('nonsense')
      }
    }
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = accept(`user-${pick(USERS)}`, { expiresAt: pick(3) === 0 ? clock.wall() + 600_000 : null })
      client.answersClose = pick(10) > 0
      clients.push(client)
      for (let n = pick(4); n > 0; n--) {
        const other = clients[pick(clients.length)]
        if (other !== undefined && !other.connection.ended) act(other)
      }
      if (pick(20) === 0) await turns(1)
      if (pick(100) === 0) clock.advance(pick(400))
      if (pick(30) === 0) {
        void bridge.publish({
          channel: `u:user-${pick(USERS)}`,
          head: '{"type":"direct","event":"n","userId":null,"content":1,"receipt":true',
          retention: { size: 20, ttl: 60_000 },
          receipt: true
        })
      }
      // Some go early, some before they were let in.
      if (pick(3) === 0) leave(clients[pick(clients.length)])
    }
    await turns()
    for (const client of clients) act(client)
    await turns()
    t.ok(node.connections.size > 200, `${node.connections.size} at the peak`)
    while (clients.length > 0) {
      leave(clients.splice(pick(clients.length), 1)[0])
      if (pick(50) === 0) await turns(1)
    }
  }

  function leave (client: FakeClient | undefined): void {
    if (client === undefined) return
    const how = pick(4)
    if (how === 0) client.drop(1000)
    else if (how === 1) client.drop(1000, 'goaway')
    else client.drop(1006)
  }

  /** Time enough for every grace, linger, receipt, key, log and hold. */
  async function rest (): Promise<void> {
    for (let i = 0; i < 20; i++) {
      clock.advance(15_000)
      await turns()
    }
  }

  function assertNothing (): void {
    t.equal(node.connections.size, 0)
    t.equal(node.connections.users, 0)
    t.equal(node.counts().activeConnections, 0)
    t.same([...bridge.subscribed], [])
    t.equal(node.userQuotas, 0)
    t.equal(node.receipts.size, 0)
    t.equal(node.flusher.queuedBytes, 0)
    t.ok(clock.armed <= 1, `${clock.armed} timers: at most the hourly one of the logs`)
  }

  await life()
  await rest()
  assertNothing()
  for (let id = 0; id < ROOMS; id++) t.same((await bridge.presenceRead(`r:chat:${id}`)).members, [])
  for (let n = 0; n < USERS; n++) {
    const evicted = await bridge.userConnect(`user-${n}`, 'probe', 1)
    await bridge.userDisconnect(`user-${n}`, 'probe')
    if (evicted.length > 0) t.fail(`user-${n} is still registered`)
  }

  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 2; i++) {
    await life()
    await rest()
  }
  assertNothing()
  collect()
  const growth = process.memoryUsage().heapUsed - before
  t.ok(growth < 8 * 1024 * 1024, `${growth} bytes more after two more lives`)
})
