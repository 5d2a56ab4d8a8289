import t from 'tap'
import { indexedDbQueue, localStorageQueue } from '../../lib/client/index.js'
import type { QueueStorage, StoredMessage } from '../../lib/client/index.js'
import { createFakeClock } from '../helpers/clock.js'
import { createScriptedServer } from '../helpers/scripted-server.js'
import { createSdk, untilStatus } from '../helpers/sdk.js'

const none: QueueStorage = { load: () => [], put () {}, delete () {} }
const stored = (key: string, more: Partial<StoredMessage> = {}): StoredMessage =>
  ({ key, roomId: 'chat:1', event: 'message', content: key, at: 1, ...more })
const turns = async (): Promise<void> => { for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)) }

await t.test('a store that throws or rejects is reported, whatever it was asked, and the queue does without it', async (t) => {
  const server = await createScriptedServer(t)
  const broken = (how: string): never => { throw new Error(how) }
  const ways: Array<[string, QueueStorage]> = [
    ['throws', { load: () => broken('load'), put: () => broken('put'), delete: () => broken('delete') }],
    ['rejects', { load: async () => broken('load'), put: async () => broken('put'), delete: async () => broken('delete') }]
  ]
  for (const [way, storage] of ways) {
    const { client, errors } = createSdk(t, server, 'ann', { queue: { storage } })
    const room = client.room('chat:1')
    const sent = room.send('a')
    const peer = await server.peer()
    peer.welcome()
    await peer.resumed()
    t.match(await peer.acked(), { content: 'a' }, way)
    await sent
    await turns()
    t.strictSame(errors.map((error) => error instanceof Error && error.message).sort(), ['delete', 'load', 'put', 'put'], way)
    client.close()
  }
})

await t.test('a store that does not load is reported after the timeout and waited for no longer; what comes late goes first all the same', async (t) => {
  const server = await createScriptedServer(t)
  const clock = createFakeClock()
  let give = (_messages: StoredMessage[]): void => {}
  let loads = 0
  const storage = { ...none, load: () => new Promise<StoredMessage[]>((resolve) => { loads++; give = resolve }) }
  const { client, errors } = createSdk(t, server, 'ann', { clock, timeout: 3_000, queue: { storage, inFlight: 1 } })
  void client.connect()
  await turns()
  t.equal(client.status.state, 'idle')
  clock.advance(3_001)
  const peer = await server.peer()
  t.match(errors, [{ code: 'timeout' }])
  t.equal(loads, 1, 'asked once, however often connect is called')
  const room = client.room('chat:1')
  peer.welcome()
  await peer.resumed()
  await untilStatus(client, 'connected')
  const first = room.send('first')
  const fresh = room.send('fresh')
  const { id } = await peer.next('message')
  give([stored('late'), stored('later', { at: 2 })])
  await turns()
  t.match(client.pending(), [{ content: 'late' }, { content: 'later' }, { content: 'first' }, { content: 'fresh' }])
  peer.send({ type: 'ack', id, timestamp: 1, position: 'p1' })
  for (const content of ['late', 'later', 'fresh']) t.match(await peer.acked(), { content })
  await Promise.all([first, fresh])
})

await t.test('a client that is closed while its store loads opens nothing, and takes nothing that comes afterwards', async (t) => {
  const server = await createScriptedServer(t)
  let give = (_messages: StoredMessage[]): void => {}
  const storage = { ...none, load: () => new Promise<StoredMessage[]>((resolve) => { give = resolve }) }
  const { client } = createSdk(t, server, 'ann', { autoConnect: false, queue: { storage } })
  const connected = t.rejects(client.connect(), { code: 'closed' })
  client.close()
  give([stored('late')])
  await connected
  await turns()
  t.equal(server.attempts, 0)
  t.strictSame(client.pending(), [])

  const again = client.connect()
  give([stored('kept')])
  const peer = await server.peer()
  t.match(client.pending(), [{ content: 'kept' }])
  peer.welcome()
  await peer.resumed()
  await again
})

await t.test('a client that is closed at once opens nothing', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann')
  client.close()
  await turns()
  t.equal(server.attempts, 0)
  t.equal(client.status.state, 'closed')
})

await t.test('times of further messages stay larger than those of the stored ones, so that the next page keeps the order', async (t) => {
  const server = await createScriptedServer(t)
  const put: StoredMessage[] = []
  const clock = createFakeClock()
  const at = clock.wall() + 86_400_000
  const { client } = createSdk(t, server, 'ann', { clock, queue: { storage: { ...none, load: () => [stored('a', { at })], put: (message) => { put.push({ ...message }) } } } })
  await server.peer()
  void client.room('chat:1').send('b')
  t.match(put, [{ content: 'b' }])
  t.ok((put[0]?.at ?? 0) > at)
})

await t.test('more than the queue holds: all of it is taken, and nothing new until it is sent', async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { queue: { size: 2, storage: { ...none, load: () => ['a', 'b', 'c'].map((key) => stored(key)) } } })
  const peer = await server.peer()
  t.equal(client.pending().length, 3)
  const room = client.room('chat:1')
  await t.rejects(room.send('d'), { code: 'queue_full' })
  peer.welcome()
  await peer.resumed()
  for (const content of ['a', 'b', 'c']) t.match(await peer.acked(), { content })
  await turns()
  const sent = room.send('d')
  await peer.acked()
  await sent
})

await t.test('what was queued before anybody knew who is signed in belongs to who sends it first', async (t) => {
  const server = await createScriptedServer(t)
  const put: StoredMessage[] = []
  const { client } = createSdk(t, server, 'ann', { queue: { storage: { ...none, put: (message) => { put.push({ ...message }) } } } })
  const sent = client.room('chat:1').send('a')
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  await peer.acked()
  await sent
  t.match(put, [{ userId: undefined, sentAt: undefined }, { userId: 'ann', sentAt: Number }])
})

await t.test("another user's messages lead into no room of theirs", async (t) => {
  const server = await createScriptedServer(t)
  const { client } = createSdk(t, server, 'ann', { queue: { storage: { ...none, load: () => [stored('a', { roomId: 'private:bob', userId: 'bob', sentAt: 1 })] } } })
  const failed = new Promise((resolve) => client.on('failed', resolve))
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  t.match(await failed, { content: 'a', error: { code: 'other_user' } })
  const asked = client.call('x', 1)
  peer.send({ type: 'ack', id: (await peer.next('call')).id, content: 1 })
  await asked
  t.notOk(peer.frames.some(({ type }) => type === 'join'))
})

await t.test('adapters want a name, and say where there is no store', async (t) => {
  for (const adapter of [localStorageQueue, indexedDbQueue]) {
    for (const name of ['', undefined, null, 7, 'x'.repeat(257)]) {
      t.throws(() => Reflect.apply(adapter, undefined, [name]), TypeError, `${adapter.name} ${String(name).slice(0, 9)}`)
    }
  }
  const errors: unknown[] = []
  const queue = indexedDbQueue('ann', { onError: (error) => errors.push(error) })
  void queue.put(stored('a'))
  t.strictSame(await queue.load(), [])
  void queue.delete(stored('a'))
  t.match(errors, [{ message: 'There is no IndexedDB' }], 'once')
  const quiet = indexedDbQueue('ann', { onError () { throw new Error('in the handler') } })
  t.strictSame(await quiet.load(), [])
})

await t.test('localStorageQueue over another store that comes and goes', async (t) => {
  const items = new Map<string, string>()
  const errors: unknown[] = []
  let fails = false
  const check = (): void => { if (fails) throw new Error('no store today') }
  const storage = {
    get length () { return items.size },
    key: (index: number) => [...items.keys()][index] ?? null,
    getItem (key: string) { check(); return items.get(key) ?? null },
    setItem (key: string, value: string) { check(); items.set(key, value) },
    removeItem (key: string) { check(); items.delete(key) }
  }
  const { load, put, delete: remove } = localStorageQueue('ann', { storage, onError: (error) => errors.push(error) })
  void put(stored('b', { at: 2 }))
  void put(stored('a', { at: 1 }))
  t.match(load(), [{ key: 'a' }, { key: 'b' }], 'in the order of time')
  fails = true
  void put(stored('c'))
  void remove(stored('a'))
  t.strictSame(load(), [])
  t.equal(errors.length, 3)
  fails = false
  t.match(load(), [{ key: 'a' }, { key: 'b' }])
})
