import t from 'tap'
import { createApp } from '../helpers/app.js'
import { seeded } from '../helpers/events.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'

const many = { max: 100_000, timeWindow: '1s' }
const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const, history: { size: 10_000, ttl: '10m' } } }

await t.test('a hundred broken sockets under continuous publishing both ways: every message once, in order', async (t) => {
  const app = await createApp(t, {
    rooms,
    limits: { messages: many, messagesPerUser: many, joins: many, handshakes: many, connectionsPerUser: 1000 },
    inbox: { size: 1_000, ttl: '1h' }
  })
  const ann = createSdk(t, app, 'ann')
  const bob = createSdk(t, app, 'bob')
  const random = seeded(7)
  const received = new Map<string, number[]>()
  const direct: unknown[] = []
  const note = (at: string, from: string | null, content: unknown): void => {
    const list = received.get(`${at}<${from}`) ?? []
    received.set(`${at}<${from}`, list)
    if (typeof content === 'number') list.push(content)
  }
  const positions: string[][] = [[], []]
  const gaps: unknown[] = []
  for (const [index, { client }] of [ann, bob].entries()) {
    const at = index === 0 ? 'ann' : 'bob'
    const room = await client.joinRoom('chat:1')
    room.on('message', ({ userId, content, position }) => {
      note(at, userId, content)
      positions[index]?.push(position ?? '')
    })
    room.on('reset', (gap) => gaps.push(gap))
    client.on('reset', (gap) => gaps.push(gap))
    client.on('failed', (failed) => gaps.push(failed))
  }
  ann.client.on('direct', ({ content }) => direct.push(content))

  const killing = new AbortController()
  let published = 0
  let directs = 0
  const acked: Array<Promise<unknown>> = []
  const publish = async (): Promise<void> => {
    while (!killing.signal.aborted) {
      const n = published++
      acked.push(ann.client.room('chat:1').send(n), bob.client.room('chat:1').send(n))
      if (n % 3 === 0) await app.app.realtime.notifyRoom('chat:1', 'message', n)
      if (n % 5 === 0) await app.app.realtime.sendDirect('ann', 'note', directs++)
      await new Promise((resolve) => setImmediate(resolve))
      if (ann.client.pending().length + bob.client.pending().length > 50) await Promise.race(acked.slice(-50))
    }
  }
  const kill = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      const { client, sockets } = random() < 0.5 ? ann : bob
      await untilStatus(client, 'connected')
      // Anywhere in the middle of what is under way.
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
      sockets.last.terminate()
      await untilStatus(client, 'waiting')
    }
    killing.abort()
  }
  await Promise.all([publish(), kill()])
  await Promise.all(acked)
  await Promise.all([untilStatus(ann.client, 'connected'), untilStatus(bob.client, 'connected')])
  // Behind these two nothing is under way: everything before them has been acknowledged.
  const ends = [ann, bob].map(({ client }) => new Promise<void>((resolve) => {
    client.on('message', ({ content }) => { if (content === 'end') resolve() })
  }))
  const lastDirect = new Promise<void>((resolve) => ann.client.on('direct', ({ content }) => { if (content === 'end') resolve() }))
  await app.app.realtime.notifyRoom('chat:1', 'message', 'end')
  await app.app.realtime.sendDirect('ann', 'note', 'end')
  await Promise.all([...ends, lastDirect])

  const all = Array.from({ length: published }, (_, n) => n)
  const thirds = all.filter((n) => n % 3 === 0)
  for (const at of ['ann', 'bob']) {
    t.strictSame(received.get(`${at}<ann`), all, `${at} has all of ann's`)
    t.strictSame(received.get(`${at}<bob`), all, `${at} has all of bob's`)
    t.strictSame(received.get(`${at}<null`), thirds, `${at} has all of the server's`)
  }
  t.strictSame(positions[0], positions[1], 'in one order')
  t.strictSame(direct, [...Array.from({ length: directs }, (_, n) => n), 'end'])
  t.strictSame(gaps, [])
  t.strictSame([...ann.errors, ...bob.errors], [])
  t.ok(ann.sockets.all.length + bob.sockets.all.length >= 102, 'a hundred reconnects')
  t.comment(`${published} messages each way`)
})
