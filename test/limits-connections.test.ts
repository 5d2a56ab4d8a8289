import t from 'tap'
import { createApp } from './helpers/app.js'
import { connectTo } from './helpers/client.js'
import type { TestClient } from './helpers/client.js'
import { gate } from './helpers/events.js'
import { createNode, turns } from './helpers/node.js'
import { startRedis } from './helpers/redis.js'

await t.test('beyond the limit of a user the oldest connection goes', async (t) => {
  const { app, connect } = await createApp(t, { limits: { connectionsPerUser: 2 } })
  const first = await connect('ann')
  const second = await connect('ann')
  const bob = await connect('bob')
  const third = await connect('ann')
  t.same(await first.closed, { code: 4409, reason: 'too many connections' })
  await Promise.all([second, third, bob].map((client) => client.settled()))
  await connect('ann')
  t.match(await second.closed, { code: 4409 })
  await third.settled()
  const { connections } = await app.realtime.connections({ userId: 'ann' })
  t.equal(connections.length, 2)
})

await t.test('the limit is that of all nodes together: the oldest connection goes, whichever node has it', async (t) => {
  const { port } = await startRedis(t)
  const options = { limits: { connectionsPerUser: 2 }, redis: `redis://127.0.0.1:${port}` }
  const [one, two] = [await createApp(t, options), await createApp(t, options)]
  const first = await one.connect('ann')
  const second = await two.connect('ann')
  const bob = await one.connect('bob')
  const third = await two.connect('ann')
  t.equal(await firstToGo([first, second, third, bob]), first)
  const fourth = await one.connect('ann')
  t.equal(await firstToGo([second, third, fourth, bob]), second)
  for (const client of [first, second]) t.same(await client.closed, { code: 4409, reason: 'too many connections' })
  await Promise.all([third, fourth, bob].map((client) => client.settled()))
  const { connections } = await one.app.realtime.connections({ userId: 'ann' })
  const ids = [third, fourth].map(({ frames }): string => frames[0]?.connectionId)
  t.same(connections.map(({ connectionId }) => connectionId).sort(), ids.sort())
})

function firstToGo (clients: readonly TestClient[]): Promise<TestClient> {
  return Promise.race(clients.map(async (client) => {
    await client.closed
    return client
  }))
}

await t.test('a connection that ends makes room', async (t) => {
  const { connect } = await createApp(t, { limits: { connectionsPerUser: 2 } })
  const first = await connect('ann')
  const second = await connect('ann')
  await second.close()
  const third = await connect('ann')
  await Promise.all([first.settled(), third.settled()])
})

await t.test('the limit holds under a burst of handshakes', async (t) => {
  const { app, token, wsUrl, connect } = await createApp(t, { limits: { connectionsPerUser: 3 } })
  const bob = await connect('bob')
  const clients = await Promise.all(Array.from({ length: 40 }, () => connectTo(t, wsUrl, { token: token('ann') })))
  const left = new Set(clients)
  const codes: number[] = []
  await new Promise<void>((resolve) => {
    for (const client of clients) {
      void client.closed.then(({ code }) => {
        codes.push(code)
        left.delete(client)
        if (left.size === 3) resolve()
      })
    }
  })
  t.same(new Set(codes), new Set([4409]))
  t.equal(left.size, 3)
  await Promise.all([...left].map((client) => client.settled()))
  t.equal((await app.realtime.connections({ userId: 'ann' })).connections.length, 3)
  await bob.settled()
})

await t.test('an eviction that is slow or fails delays and refuses nobody', async (t) => {
  const answer = gate()
  const { accept, node } = await createNode(t, {
    limits: { connectionsPerUser: 1 },
    bridge: (bridge) => {
      let lost = 1
      return {
        ...bridge,
        async control (command, timeout) {
          if (command.type !== 'evict') return await bridge.control(command, timeout)
          if (lost-- > 0) throw new Error('lost')
          const replies = await bridge.control(command, timeout)
          await answer.opened
          return replies
        }
      }
    }
  })
  const first = accept('ann')
  await turns()
  const second = accept('ann')
  await turns()
  t.equal(second.frames[0]?.type, 'welcome')
  t.equal(first.closed, null, 'the eviction was lost')
  const third = accept('ann')
  await turns()
  t.equal(third.frames[0]?.type, 'welcome', 'while the other nodes still answer')
  t.match([first.closed, second.closed, third.closed], [{ code: 4409 }, { code: 4409 }, null], 'it is asked for again')
  answer.open()
  await turns()
  t.equal(node.connections.size, 1)
})

await t.test('a connection that goes while it is registered is not counted', async (t) => {
  const { accept, bridge } = await createNode(t, { limits: { connectionsPerUser: 1 } })
  for (let after = 0; after < 20; after++) {
    const client = accept(`user-${after}`)
    for (let i = 0; i < after; i++) await Promise.resolve()
    client.drop()
    await turns()
    t.same(await bridge.userConnect(`user-${after}`, 'another', 1), [], `gone after ${after} microtasks`)
  }
})
