import t from 'tap'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { heard, untilStatus } from '../helpers/sdk.js'
import { createBrowser, openTab } from '../helpers/tabs.js'

/* A node may be behind the store: a tab that was served by another node before is then ahead of the connection it shares now. */

function message (n: number): object {
  return { type: 'message', roomId: 'chat:1', event: 'message', userId: 'bob', content: n, timestamp: n, position: `p${n}` }
}

function direct (n: number): object {
  return { type: 'direct', event: 'note', userId: null, content: n, timestamp: n, position: `i${n}` }
}

await t.test('a tab that is ahead of the connection gets nothing twice, and the others miss nothing: rooms', async (t) => {
  const server = await createScriptedServer(t)
  const browser = createBrowser()
  const first = openTab(t, browser, server, 'ann', { name: 'ann' })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  await untilStatus(first.client, 'connected')
  const joining = first.client.joinRoom('chat:1', { presence: false })
  const join = await peer.next('join')
  peer.send({ type: 'ack', id: join.id, roomId: 'chat:1', position: 'p5' })
  const seen: unknown[][] = [[], []]
  const room = await joining
  room.on('message', ({ content }) => seen[0]?.push(content))

  const second = openTab(t, browser, server, 'ann', { name: 'ann' })
  const ahead = second.client.room('chat:1', { since: 'p7', presence: false })
  ahead.on('message', ({ content }) => seen[1]?.push(content))
  const behind = await peer.next('history')
  t.match(behind, { after: 'p7' })
  peer.send(message(6))
  peer.send({ type: 'ack', id: behind.id, roomId: 'chat:1', messages: [message(8)] })
  const newest = await peer.next('history')
  t.equal(newest.after, undefined)
  peer.send({ type: 'ack', id: newest.id, roomId: 'chat:1', messages: [4, 6, 7, 8, 9].map(message) })
  await ahead.ready()
  const last = [room, ahead].map((room) => heard(room, 'message', ({ content }: { content: unknown }) => content === 10))
  for (const n of [7, 8, 9, 10]) peer.send(message(n))
  await Promise.all(last)
  t.strictSame(seen, [[6, 7, 8, 9, 10], [8, 9, 10]])
})

await t.test('the same of direct messages', async (t) => {
  const server = await createScriptedServer(t)
  const browser = createBrowser()
  const first = openTab(t, browser, server, 'ann', { name: 'ann' })
  const peer = await server.peer()
  peer.welcome({ inbox: 'i5' })
  await peer.resumed({}, { position: 'i5', recovered: true, messages: [] })
  await untilStatus(first.client, 'connected')
  const second = openTab(t, browser, server, 'ann', { name: 'ann', inbox: 'i7' })
  const seen = [first, second].map(({ client }) => {
    const list: unknown[] = []
    client.on('direct', ({ content }) => list.push(content))
    return list
  })
  const last = [first, second].map(({ client }) => heard(client, 'direct', ({ content }: { content: unknown }) => content === 10))
  t.match(await peer.resumed({}, { position: 'i8', recovered: true, messages: [direct(8)] }), { inbox: 'i7' })
  // Sent before the server read the next request, which asks again for those that were elsewhere.
  const restored = await peer.next('resume')
  t.match(restored, { inbox: 'i5', rooms: { length: 0 } })
  peer.send(direct(9))
  peer.send({ type: 'ack', id: restored.id, inbox: { position: 'i9', recovered: true, messages: [6, 7, 8, 9].map(direct) }, rooms: [] })
  peer.send(direct(10))
  await Promise.all(last)
  t.strictSame(seen[1], [8, 9, 10])
  t.strictSame(seen[0], [6, 7, 8, 9, 10])
})
