import t from 'tap'
import type { Test } from 'tap'
import { createApp } from './helpers/app.js'
import type { TestApp } from './helpers/app.js'
import type { ServerFrame, TestClient } from './helpers/client.js'
import { disconnected, seeded } from './helpers/events.js'

const GRACE = 300

const rooms = {
  'chat:{id}': { join: () => true, publish: 'members' as const, presence: { grace: GRACE } },
  'live:{id}': { join: () => true, publish: 'members' as const, history: false as const, presence: { grace: GRACE } },
  'plain:{id}': { join: () => true, publish: 'members' as const }
}
const roomId = 'chat:1'

const presenceApp = (t: Test): Promise<TestApp> => createApp(t, { rooms })

const change = (userId: string, kind: string) => (frame: ServerFrame): boolean =>
  frame.type === 'presence' && frame.userId === userId && frame.change === kind

/** What one was told of somebody. */
const told = (client: TestClient, userId: string): string[] =>
  client.all('presence').filter((frame) => frame.userId === userId).map((frame) => frame.change)

async function join (client: TestClient, fields: object = {}): Promise<ServerFrame> {
  const answer = await client.request({ type: 'join', roomId, presence: true, ...fields })
  if (answer.type !== 'ack') throw new Error(`not joined: ${answer.code}`)
  return answer
}

await t.test('a join answers with everybody, oneself included, and frames follow', async (t) => {
  const { connect } = await presenceApp(t)
  const ann = await connect('ann')
  const bob = await connect('bob')
  const first = await join(ann)
  t.same(first.presence, { members: [{ userId: 'ann', status: 'online', devices: 1 }], count: 1 })
  const second = await join(bob)
  t.same(second.presence.members.map((member: { userId: string }) => member.userId), ['ann', 'bob'])
  t.equal(second.presence.count, 2)
  const joined = await ann.next('presence')
  t.match(joined, { roomId, userId: 'bob', change: 'joined', status: 'online', devices: 1, timestamp: Number })
  await bob.request({ type: 'leave', roomId })
  t.match(await ann.next('presence'), { roomId, userId: 'bob', change: 'left' })
  await bob.settled()
  t.same(bob.all('presence'), [], 'nobody is told of oneself')
})

await t.test('only members who ask get presence', async (t) => {
  const { connect } = await presenceApp(t)
  const ann = await connect('ann')
  const bob = await connect('bob')
  const carol = await connect('carol')
  const answer = await join(ann, { presence: false })
  t.notOk('presence' in answer)
  await join(bob)
  await join(carol)
  await bob.next(change('carol', 'joined'))
  await ann.settled()
  t.same(ann.all('presence'), [])
  // Asking again is how one changes one's mind, both ways.
  const again = await join(ann)
  t.equal(again.presence.count, 3)
  await carol.request({ type: 'leave', roomId })
  await ann.next(change('carol', 'left'))
  await join(ann, { presence: false })
  await join(carol)
  await bob.next(change('carol', 'joined'))
  await ann.settled()
  t.same(told(ann, 'carol'), ['left'])
})

await t.test('several devices are one member, and their number alone is not announced', async (t) => {
  const { app, connect } = await presenceApp(t)
  const bob = await connect('bob')
  await join(bob)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await join(phone)
  const answer = await join(laptop)
  t.same(answer.presence.members[0], { userId: 'ann', status: 'online', devices: 2 })
  t.equal(answer.presence.count, 2)
  await phone.request({ type: 'leave', roomId })
  t.match(await app.realtime.presence(roomId), { members: [{ userId: 'ann', devices: 1 }, { userId: 'bob' }], count: 2 })
  await join(phone)
  const gone = disconnected(app, 'ann')
  phone.ws.terminate()
  await gone
  t.match(await app.realtime.presence(roomId), { members: [{ userId: 'ann', devices: 1 }, { userId: 'bob' }] })
  await laptop.request({ type: 'leave', roomId })
  await bob.next(change('ann', 'left'))
  t.same(told(bob, 'ann'), ['joined', 'left'])
})

await t.test('status and meta belong to the user, last writer wins, null clears', async (t) => {
  const { connect } = await presenceApp(t)
  const bob = await connect('bob')
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await join(bob)
  await join(phone)
  await join(laptop)
  await bob.next(change('ann', 'joined'))

  t.match(await phone.request({ type: 'status', roomId, status: 'busy', meta: { mood: 'good' } }), { type: 'ack', roomId })
  t.match(await bob.next('presence'), { change: 'updated', status: 'busy', meta: { mood: 'good' }, devices: 2 })
  t.match(await laptop.next('presence'), { userId: 'ann', change: 'updated', status: 'busy' }, 'one learns it of one\'s other device')

  await laptop.request({ type: 'status', roomId, status: 'in a meeting' })
  t.match(await bob.next('presence'), { status: 'in a meeting', meta: { mood: 'good' } }, 'what is not named stays')

  await phone.request({ type: 'status', roomId, meta: null })
  const cleared = await bob.next('presence')
  t.notOk('meta' in cleared)
  t.equal(cleared.status, 'in a meeting')

  await phone.request({ type: 'status', roomId, meta: false })
  t.equal((await bob.next('presence')).meta, false)

  phone.send({ type: 'status', roomId, status: 'away' })
  t.match(await bob.next('presence'), { status: 'away', meta: false }, 'no id, no ack')
})

await t.test('status is refused where it means nothing', async (t) => {
  const { connect } = await presenceApp(t)
  const ann = await connect('ann')
  await join(ann)
  const large = 'é'.repeat(1024)
  t.match(await ann.request({ type: 'status', roomId, meta: large.slice(0, 1023) }), { type: 'ack' })
  t.match(await ann.request({ type: 'status', roomId, meta: large }), { type: 'error', code: 'too_large', roomId, retryable: false })
  t.match(await ann.request({ type: 'status', roomId, status: '' }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'status', roomId, status: 'x'.repeat(65) }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'status', roomId, status: 1 }), { type: 'error', code: 'bad_frame' })
  t.match(await ann.request({ type: 'status', roomId }), { type: 'error', code: 'bad_request' }, 'nothing to set')
  t.match(await ann.request({ type: 'status', roomId: 'chat:2', status: 'busy' }), { type: 'error', code: 'not_member' })
  const { members } = await ann.request({ type: 'presence', roomId })
  t.match(members, [{ userId: 'ann', status: 'online', meta: large.slice(0, 1023) }], 'what was refused changed nothing')
})

await t.test('a return within the grace window is neither a leave nor a join, and keeps status and meta', async (t) => {
  const { app, connect } = await presenceApp(t)
  const bob = await connect('bob')
  const carol = await connect('carol')
  await join(bob)
  await join(carol)
  const before = await connect('ann')
  await join(before)
  await before.request({ type: 'status', roomId, status: 'busy', meta: { n: 1 } })
  await bob.next(change('ann', 'updated'))

  const dropped = disconnected(app, 'ann')
  before.ws.terminate()
  await dropped
  t.match(await app.realtime.presence(roomId), { members: [{ userId: 'ann', status: 'busy', meta: { n: 1 }, devices: 0 }], count: 3 })
  const after = await connect('ann')
  const answer = await join(after)
  t.match(answer.presence.members[0], { userId: 'ann', status: 'busy', meta: { n: 1 }, devices: 1 })

  // Somebody who drops later and does not return: once that is announced, ann's grace has passed too.
  carol.ws.terminate()
  await bob.next(change('carol', 'left'))
  await bob.settled()
  t.same(told(bob, 'ann'), ['joined', 'updated'])
})

await t.test('beyond the grace window the member is gone once, status and all', async (t) => {
  const { connect } = await presenceApp(t)
  const bob = await connect('bob')
  await join(bob)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await join(phone)
  await join(laptop)
  await phone.request({ type: 'status', roomId, status: 'busy', meta: 1 })
  phone.ws.terminate()
  laptop.ws.terminate()
  t.match(await bob.next(change('ann', 'left')), { devices: 0 })
  const back = await connect('ann')
  const answer = await join(back)
  t.same(answer.presence.members[0], { userId: 'ann', status: 'online', devices: 1 })
  await bob.next(change('ann', 'joined'))
  t.same(told(bob, 'ann'), ['joined', 'updated', 'left', 'joined'])
})

await t.test('close 1000 ends a membership at once, goaway and others after the grace', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, presence: { grace: '1h' } } } })
  const bob = await connect('bob')
  await join(bob)
  for (const [code, reason, stays] of [[1000, '', false], [1000, 'goaway', true], [1001, '', true], [4000, 'app', true]] as const) {
    const userId = `user-${code}-${reason}`
    const client = await connect(userId)
    await join(client)
    const over = disconnected(app, userId)
    await client.close(code, reason)
    t.same(await over, { code, reason })
    const { members } = await app.realtime.presence(roomId)
    t.equal(members.some((member) => member.userId === userId), stays, `${code} ${reason}`)
  }
  await bob.settled()
  t.same(told(bob, 'user-1000-'), ['joined', 'left'])
  t.same(told(bob, 'user-1000-goaway'), ['joined'])
})

await t.test('leave ends a membership at once also while another device is in its grace', async (t) => {
  const { app, connect } = await createApp(t, { rooms: { 'chat:{id}': { join: () => true, presence: { grace: '1h' } } } })
  const bob = await connect('bob')
  await join(bob)
  const phone = await connect('ann')
  const laptop = await connect('ann')
  await join(phone)
  await join(laptop)
  const dropped = disconnected(app, 'ann')
  phone.ws.terminate()
  await dropped
  await laptop.request({ type: 'leave', roomId })
  await bob.next(change('ann', 'left'))
  t.equal((await app.realtime.presence(roomId)).count, 1)
})

await t.test('members are read in pages of a hundred', async (t) => {
  const { app, connect } = await presenceApp(t)
  const ids = Array.from({ length: 250 }, (_, index) => `user-${String(index).padStart(3, '0')}`)
  const clients = await Promise.all(ids.map((id) => connect(id)))
  await Promise.all(clients.map((client) => join(client, { presence: false })))
  const ann = await connect('zoe')
  const answer = await join(ann)
  const pages = [answer.presence]
  for (let page = answer.presence; page.more === true;) {
    page = await ann.request({ type: 'presence', roomId, after: page.members.at(-1).userId })
    t.equal(page.type, 'ack')
    t.equal(page.roomId, roomId)
    pages.push(page)
  }
  t.same(pages.map((page) => page.members.length), [100, 100, 51])
  t.same(pages.map((page) => page.count), [251, 251, 251])
  t.same(pages.flatMap((page) => page.members.map((member: { userId: string }) => member.userId)), [...ids, 'zoe'])
  t.same(await ann.request({ type: 'presence', roomId, after: 'zzz' }).then(({ members, count, more }) => ({ members, count, more })),
    { members: [], count: 251, more: undefined })

  const first = await app.realtime.presence(roomId)
  t.equal(first.members.length, 100)
  t.equal(first.more, true)
  const small = await app.realtime.presence(roomId, { after: 'user-248', limit: 1 })
  t.match(small, { members: [{ userId: 'user-249' }], count: 251, more: true })
  t.strictSame(await app.realtime.presence(roomId, { after: 'user-249' }), { members: [{ userId: 'zoe', status: 'online', devices: 1 }], count: 251 })
})

await t.test('a room of large metas fits into its answers, page by page', async (t) => {
  const { connect } = await presenceApp(t)
  const ids = Array.from({ length: 120 }, (_, index) => `user-${String(index).padStart(3, '0')}`)
  const meta = '"'.repeat(1000)
  await Promise.all(ids.map(async (id) => {
    const client = await connect(id)
    await join(client, { presence: false })
    await client.request({ type: 'status', roomId, meta })
  }))
  const ann = await connect('zoe')
  const { presence } = await join(ann)
  const seen = presence.members.map((member: { userId: string }) => member.userId)
  t.ok(seen.length >= 1 && presence.more === true)
  for (let more = true; more;) {
    const page = await ann.request({ type: 'presence', roomId, after: seen.at(-1) })
    t.ok(Buffer.byteLength(JSON.stringify(page)) <= 512 * 1024)
    t.ok(page.members.length >= 1)
    seen.push(...page.members.map((member: { userId: string }) => member.userId))
    more = page.more === true
  }
  t.same(seen, [...ids, 'zoe'])
})

await t.test('presence works in a volatile room', async (t) => {
  const { connect } = await presenceApp(t)
  const ann = await connect('ann')
  const bob = await connect('bob')
  const answer = await join(ann, { roomId: 'live:1' })
  t.equal(answer.presence.count, 1)
  t.notOk('position' in answer)
  await join(bob, { roomId: 'live:1' })
  t.match(await ann.next('presence'), { roomId: 'live:1', userId: 'bob', change: 'joined' })
  bob.ws.terminate()
  t.match(await ann.next('presence'), { userId: 'bob', change: 'left' })
})

await t.test('a room without presence says so', async (t) => {
  const { app, connect } = await presenceApp(t)
  const ann = await connect('ann')
  const answer = await ann.request({ type: 'join', roomId: 'plain:1', presence: true })
  t.equal(answer.type, 'ack')
  t.notOk('presence' in answer)
  t.match(await ann.request({ type: 'presence', roomId: 'plain:1' }), { type: 'error', code: 'bad_request', roomId: 'plain:1' })
  t.match(await ann.request({ type: 'status', roomId: 'plain:1', status: 'busy' }), { type: 'error', code: 'bad_request' })
  t.match(await ann.request({ type: 'presence', roomId: 'chat:9' }), { type: 'error', code: 'not_member' })
  await t.rejects(app.realtime.presence('plain:1'), { code: 'RT_ERR_BAD_ARGUMENT' })
  await t.rejects(app.realtime.presence('nothing:1'), { code: 'RT_ERR_UNKNOWN_ROOM' })
  await t.rejects(app.realtime.presence(roomId, { limit: 101 }), { code: 'RT_ERR_BAD_ARGUMENT' })
})

await t.test('the decorator reads rooms nobody is in, and those that everybody has left', async (t) => {
  const { app, connect } = await presenceApp(t)
  t.strictSame(await app.realtime.presence(roomId), { members: [], count: 0 })
  const ann = await connect('ann')
  await join(ann)
  t.equal((await app.realtime.presence(roomId)).count, 1)
  await ann.request({ type: 'leave', roomId })
  t.strictSame(await app.realtime.presence(roomId), { members: [], count: 0 })
  // In the very turn in which a join begins nobody is a member yet, whoever asks.
  ann.send({ type: 'join', id: 1_000, roomId: 'chat:other' })
  await ann.next('ack')
  t.match(await app.realtime.presence('chat:other'), { members: [{ userId: 'ann' }] })
})

await t.test('a removed member is no longer present', async (t) => {
  const { app, connect } = await presenceApp(t)
  const ann = await connect('ann')
  const bob = await connect('bob')
  await join(ann)
  await join(bob)
  await app.realtime.removeUser('bob', roomId)
  await bob.next('left')
  await ann.next(change('bob', 'left'))
  t.equal((await app.realtime.presence(roomId)).count, 1)
})

interface State { readonly status: string, readonly meta?: unknown }

/** What a client knows when it plays the frames over the snapshot, as the protocol says. */
class Replica {
  readonly members = new Map<string, State>()
  readonly #client: TestClient
  #seen: number

  constructor (client: TestClient, snapshot: { members: Array<{ userId: string } & State> }) {
    this.#client = client
    this.#seen = 0
    for (const { userId, status, meta } of snapshot.members) this.members.set(userId, { status, meta })
    // Frames of an earlier membership are older than the snapshot.
    this.#seen = client.frames.findLastIndex((frame) => frame.type === 'ack' && frame.presence !== undefined) + 1
  }

  /** Everything up to the frame at `end`. */
  play (end: number): Map<string, State> {
    for (; this.#seen < end; this.#seen++) {
      const frame = this.#client.frames[this.#seen]
      if (frame?.type !== 'presence') continue
      const { userId, status, meta } = frame
      if (frame.change === 'left') this.members.delete(userId)
      else this.members.set(userId, { status, meta })
    }
    return this.members
  }
}

for (const seed of [1, 2, 3]) {
  await t.test(`frames played over the snapshot give what a fresh snapshot says (seed ${seed})`, async (t) => {
    const { app, connect } = await createApp(t, {
      rooms: { 'chat:{id}': { join: () => true, publish: 'members', presence: { grace: '100ms' } } },
      limits: { messages: { max: 10_000, timeWindow: '1s' }, messagesPerUser: { max: 10_000, timeWindow: '1s' }, joins: { max: 10_000, timeWindow: '1s' } }
    })
    const random = seeded(seed)
    const pick = (n: number): number => Math.floor(random() * n)
    const watchers: Array<{ client: TestClient, replica: Replica }> = []
    const watch = async (): Promise<void> => {
      const client = await connect(`watcher-${watchers.length}`)
      const { presence } = await join(client)
      watchers.push({ client, replica: new Replica(client, presence) })
    }
    // Eight users with up to twenty devices between them.
    const devices: Array<TestClient | null> = Array.from({ length: 20 }, () => null)
    const pending: Array<Promise<unknown>> = []
    await watch()
    for (let step = 0; step < 300; step++) {
      const slot = pick(devices.length)
      const device = devices[slot] ?? null
      if (device === null) {
        devices[slot] = await connect(`user-${slot % 8}`)
        continue
      }
      switch (pick(8)) {
        case 0: case 1: case 2:
          pending.push(device.request({ type: 'join', roomId, presence: pick(2) === 0 }).catch(() => {}))
          break
        case 3:
          pending.push(device.request({ type: 'leave', roomId }).catch(() => {}))
          break
        case 4: case 5:
          pending.push(device.request({ type: 'status', roomId, status: `s${step}`, meta: pick(2) === 0 ? null : step }).catch(() => {}))
          break
        case 6:
          device.ws.terminate()
          devices[slot] = null
          break
        case 7:
          if (pick(2) === 0) await device.close()
          else if (watchers.length < 6) await watch()
          devices[slot] = device.ws.readyState === device.ws.OPEN ? device : null
      }
    }
    await Promise.all(pending)
    // The last graces: of somebody who drops now, they are over when this is announced.
    const last = await connect('last')
    await join(last)
    last.ws.terminate()
    await watchers[0]?.client.next(change('last', 'left'))

    for (const { client, replica } of watchers) {
      const fresh = await client.request({ type: 'presence', roomId })
      const end = client.frames.indexOf(fresh)
      const known = [...replica.play(end)].sort(([a], [b]) => a < b ? -1 : 1)
      t.strictSame(known, fresh.members.map(({ userId, status, meta }: { userId: string } & State) => [userId, { status, meta }]))
      t.equal(fresh.count, fresh.members.length)
    }
    const { members } = await app.realtime.presence(roomId)
    const { connections } = await app.realtime.connections({ roomId })
    t.same(members.map((member) => member.userId), [...new Set(connections.map((connection) => connection.userId))].sort(),
      'present is who is in')
    t.same(members.map((member) => member.devices), members.map(({ userId }) => connections.filter((connection) => connection.userId === userId).length))
  })
}
