import type { Test } from 'tap'
import { BridgeError, userChannel } from '../../../lib/bridge/bridge.js'
import type { Bridge, ControlCommand, NodeQuery, NodeReplies } from '../../../lib/bridge/bridge.js'
import { KEEP, faulty, follow, head, publish, range, scenario } from './fixture.js'
import type { ContractOptions } from './fixture.js'

const STATS: NodeQuery = { type: 'stats' }
const LEAVE = disconnect('alice')
/** In which a node answers also on a busy machine, in ms. */
const UNHURRIED = 2_000

function disconnect (userId: string): ControlCommand {
  return { type: 'disconnect-user', userId, reason: 'é' }
}

/** Both ways to reach all nodes, for what they have in common. */
const WAYS = {
  control: (bridge: Bridge, timeout: number): Promise<NodeReplies> => bridge.control(LEAVE, timeout),
  ask: (bridge: Bridge, timeout: number): Promise<NodeReplies> => bridge.ask(STATS, timeout)
}

export async function controlContract (t: Test, options: ContractOptions): Promise<void> {
  const both = options.nodes === 1 ? ['near'] : ['near', 'far']

  await t.test('a broadcast reaches every node', async t => {
    const arrived: string[] = []
    let all = (): void => {}
    const everywhere = new Promise<void>(resolve => { all = resolve })
    await scenario(t, options, 'as it is', async ({ t, far }) => {
      const { timestamp } = await far.broadcast('{"type":"broadcast","text":"é"')
      t.ok(timestamp > 1_600_000_000_000)
      await everywhere
      t.same(arrived.toSorted(), both.map(node => `${node} {"type":"broadcast","text":"é","timestamp":${timestamp}}`).toSorted())
    }, node => ({
      onBroadcast (payload) {
        arrived.push(`${node} ${payload.toString()}`)
        if (arrived.length === both.length) all()
      }
    }))
  })

  const errors: unknown[] = []
  let thrown = (): void => {}
  const reported = new Promise<void>(resolve => { thrown = resolve })
  await scenario(t, options, 'a broadcast handler that throws disturbs nobody', async ({ t, near }) => {
    await near.broadcast('{"type":"broadcast"')
    await reported
    t.match(errors, [{ message: 'handler' }])
  }, node => node === 'far' ? {} : { onBroadcast () { throw new Error('handler') }, onError: error => { errors.push(error); thrown() } })

  await scenario(t, options, 'a command is carried out by every node', async ({ t, near, far }) => {
    const command: ControlCommand = { type: 'join-user', userId: 'alice', roomId: 'r:1' }
    const { replies, unreachable } = await far.control(command, 5_000)
    t.same(unreachable, [])
    t.same(replies.map(reply => reply.nodeId).toSorted(), [...new Set([near.nodeId, far.nodeId])].toSorted())
    const expected = both.map(node => ({ node, command, fresh: true, at: '1970-01-01T00:00:00.000Z' }))
    t.same(replies.map(reply => reply.value).toSorted(byJson), expected.toSorted(byJson))
  }, node => ({
    onControl: async (command, age) => ({ node, command, fresh: age >= 0 && age < 5_000, at: new Date(0), dropped: undefined })
  }))

  await scenario(t, options, 'a question is answered by every node', async ({ t, near, far }) => {
    const query: NodeQuery = { type: 'connections', userId: undefined, roomId: 'r:1', limit: 3 }
    const { replies, unreachable } = await far.ask(query, 5_000)
    t.same(unreachable, [])
    t.same(replies.map(reply => reply.nodeId).toSorted(), [...new Set([near.nodeId, far.nodeId])].toSorted())
    const expected = both.map(node => ({ node, query: { type: 'connections', roomId: 'r:1', limit: 3 } }))
    t.same(replies.map(reply => reply.value).toSorted(byJson), expected.toSorted(byJson))
  }, node => ({
    onAsk: async query => ({ node, query, dropped: undefined })
  }))

  const copies: unknown[] = []
  await scenario(t, options, 'a command is a copy that came out of JSON, and what would come out as something else is refused', async ({ t, far }) => {
    const user = Object.assign(Object.create(null), { id: 'alice', roles: ['a', null], nested: { deep: [{ n: 1.5 }] }, gone: undefined })
    const renew = (claim: unknown): ControlCommand => ({ type: 'renew', connectionId: 'c1', user: Object.assign({ id: 'alice' }, { claim }), expiresAt: null })
    await far.control({ type: 'renew', connectionId: 'c1', user, expiresAt: null }, 5_000)
    t.equal(copies.length, both.length)
    for (const copy of copies) {
      t.not(copy, user)
      t.strictSame(copy, { id: 'alice', roles: ['a', null], nested: { deep: [{ n: 1.5 }] } })
    }
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const bad of [1n, new Date(0), new Map(), new (class Account {})(), NaN, Infinity, () => 1, Symbol('s'), [undefined], { deep: [1n] }, cycle]) {
      await t.rejects(far.control(renew(bad), 5_000), { name: 'TypeError', message: 'command.user.claim' })
    }
    t.equal(copies.length, both.length, 'no node has heard of them')
  }, () => ({
    onControl: async command => { if (command.type === 'renew') copies.push(command.user) }
  }))

  for (const [way, call] of Object.entries(WAYS)) {
    await scenario(t, options, `no value is null (${way})`, async ({ t, near }) => {
      const { replies } = await call(near, 5_000)
      t.same(replies.find(reply => reply.nodeId === near.nodeId)?.value, null)
    }, () => ({ onControl: async () => undefined, onAsk: async () => undefined }))

    await scenario(t, options, `a node that fails is named (${way})`, async ({ t, near, far }) => {
      for (const round of [1, 2]) {
        const { replies, unreachable } = await call(far, 5_000)
        t.same(unreachable, [near.nodeId], `round ${round}`)
        t.equal(replies.length, both.length - 1)
      }
    }, node => node === 'near' ? { onControl: failing(), onAsk: failing() } : {})

    await scenario(t, options, `a node that does not answer is named when the time is over (${way})`, async ({ t, near, far, fixture }) => {
      const patience = fixture.advance === undefined ? UNHURRIED : 500
      const requests = range(1, 3).map(() => call(far, patience))
      fixture.advance?.(patience)
      for (const { replies, unreachable } of await Promise.all(requests)) {
        t.same(unreachable, [near.nodeId])
        t.equal(replies.length, both.length - 1)
      }
    }, node => node === 'near' ? { onControl: () => new Promise(() => {}), onAsk: () => new Promise(() => {}) } : {})
  }

  const begun: string[] = []
  await scenario(t, options, 'commands begin once each, in one order', async ({ t, near, far }) => {
    await Promise.all(range(1, 20).map(number => (number % 2 === 0 ? near : far).control(disconnect(`user-${number}`), 5_000)))
    const of = (node: string): string[] => begun.filter(line => line.startsWith(node)).map(line => line.slice(node.length))
    t.equal(new Set(of('near')).size, 20)
    t.equal(of('near').length, 20)
    if (options.nodes > 1) t.same(of('far'), of('near'))
  }, node => ({
    onControl: async command => { if (command.type === 'disconnect-user') begun.push(`${node} ${command.userId}`) }
  }))

  const missed: Array<{ node: string, what: string, age: number, down: boolean }> = []
  const down = new Set<string>()
  await faulty(t, options, 'cutStore', 'a node that was out of reach carries out commands when it is back, and answers no old question', async ({ t, near, far, passes }, cut) => {
    const heal = await cut(near)
    t.same((await far.control(LEAVE, UNHURRIED)).unreachable, [near.nodeId])
    t.same((await far.ask(STATS, UNHURRIED)).unreachable, [near.nodeId])
    t.same((await far.control(disconnect('bob'), UNHURRIED)).unreachable, [near.nodeId])
    await heal()
    const late = (): typeof missed => missed.filter(({ node }) => node === 'near')
    await passes(1, async () => late().length >= 2)
    await far.control(disconnect('carol'), 5_000)
    t.same(late().map(({ what }) => what), ['alice', 'bob', 'carol'])
    const [alice, bob] = late()
    t.ok(alice !== undefined && bob !== undefined && alice.age >= bob.age && bob.age > 0, 'with their age')
    t.notOk(late().some(command => command.down), 'while it is up, so that it can do what they say')
  }, node => ({
    onControl: async (command, age) => {
      if (command.type === 'disconnect-user') missed.push({ node, what: command.userId, age, down: down.has(node) })
    },
    onAsk: async () => { missed.push({ node, what: 'question', age: 0, down: false }) },
    onStatus: ({ state }) => { if (state === 'down') down.add(node); else down.delete(node) }
  }))

  await scenario(t, options, 'the oldest connections beyond the limit have to go', async ({ t, near, far }) => {
    for (const id of ['c1', 'c2', 'c3']) t.same(await far.userConnect('alice', id, 3), [])
    t.same(await near.userConnect('bob', 'b1', 1), [])
    t.same(await near.userConnect('alice', 'c3', 3), [], 'known already')
    t.same(await near.userConnect('alice', 'c4', 3), ['c1'])
    t.same(await near.userConnect('alice', 'c5', 3), ['c1', 'c2'], 'named until they are gone')
    await far.userDisconnect('alice', 'c1')
    await far.userDisconnect('alice', 'c4')
    await far.userDisconnect('alice', 'c9')
    await far.userDisconnect('nobody', 'c1')
    t.same(await near.userConnect('alice', 'c6', 3), ['c2'])
    for (const id of ['c2', 'c3', 'c5', 'c6']) await near.userDisconnect('alice', id)
    t.same(await far.userConnect('alice', 'c7', 1), [])
  })

  await scenario(t, options, 'a ticket is taken once', async ({ t, near, far }) => {
    await far.putTicket('a', '{"user":"é"}', 30_000)
    await far.putTicket('b', 'other', 30_000)
    const taken = await Promise.all(range(1, 40).map(number => (number % 2 === 0 ? near : far).takeTicket('a')))
    t.same(taken.filter(value => value !== null), ['{"user":"é"}'])
    t.equal(await near.takeTicket('a'), null)
    t.equal(await near.takeTicket('never'), null)
    t.equal(await near.takeTicket('b'), 'other')
  })

  await scenario(t, options, 'a ticket does not outlive its time', async ({ t, near, far, ttl, fixture, passes }) => {
    // Looking at one takes it, so there is one for every look.
    const looks = 500
    fixture.advance?.(1)
    await Promise.all(range(1, looks).map(number => far.putTicket(`t${number}`, 'short', ttl)))
    await far.putTicket('long', 'long', 100 * ttl)
    // Just before its end, where time can be moved; else only within it.
    await far.putTicket('early', 'early', fixture.advance === undefined ? 100 * ttl : ttl)
    fixture.advance?.(ttl - 1)
    t.equal(await near.takeTicket('early'), 'early')
    let look = 0
    await passes(fixture.advance === undefined ? ttl : 1, async () => await near.takeTicket(`t${++look}`) === null)
    t.ok(look < looks)
    t.equal(await near.takeTicket('long'), 'long')
  })

  await scenario(t, options, 'node ids, status and the inbox channel', async ({ t, near, far }) => {
    t.equal(near === far, near.nodeId === far.nodeId)
    t.same(near.status(), { state: 'up' })
    const inbox = userChannel('alice')
    const followed = await follow(near, inbox)
    await publish(far, inbox, 1, KEEP)
    await followed.messages(1)
    t.same(followed.numbers(), [1])
  })

  await scenario(t, options, 'a closed bridge refuses everything', async ({ t, near: bridge, channel }) => {
    const followed = await follow(bridge, channel, { presence: true })
    await bridge.presenceAttach(channel, 'alice', 'c1', Infinity)
    await bridge.presenceDetach(channel, 'alice', 'c1', 60_000)
    await followed.until(events => events.length === 2)
    const pending = Promise.all(Object.values(WAYS).map(call => call(bridge, 1_000_000).catch((error: unknown) => error)))
    await bridge.close()
    await bridge.close()
    t.equal((await pending).filter(Boolean).length, 2, 'what was pending is settled')
    await followed.subscription.unsubscribe()
    t.equal(bridge.status().state, 'down')
    for (const [name, call] of Object.entries(everyCall(bridge))) {
      await t.rejects(call(), { name: 'BridgeError', code: 'unavailable' }, name)
    }
    t.equal(followed.events.length, 2)
    t.ok(new BridgeError('timeout', 'text', { cause: 1 }) instanceof Error)
  }, node => node === 'near' ? { onControl: () => new Promise(() => {}), onAsk: () => new Promise(() => {}) } : {})
}

/** Fails in one way the first time, and in another the second. */
function failing (): () => Promise<unknown> {
  let calls = 0
  return async () => {
    if (++calls === 1) throw new Error('request')
    return { unspeakable: 1n }
  }
}

function everyCall (bridge: Bridge): Record<string, () => Promise<unknown>> {
  const channel = userChannel('closed')
  const key = { id: 'a', digest: 'digest', ttl: 1000 }
  return {
    subscribe: () => bridge.subscribe(channel, { presence: false }, () => {}),
    publish: () => bridge.publish({ channel, head: head(1), retention: KEEP }),
    volatile: () => bridge.publish({ channel, head: head(1), retention: null }),
    lookup: () => bridge.lookup(channel, key),
    read: () => bridge.read(channel, { last: 1, limit: 1, maxBytes: 1 }),
    remove: () => bridge.remove(channel, { userId: 'alice', retention: null }),
    typing: () => bridge.typing(channel, 'alice', true),
    presenceAttach: () => bridge.presenceAttach(channel, 'alice', 'c1', Infinity),
    presenceDetach: () => bridge.presenceDetach(channel, 'alice', 'c1', 0),
    presenceUpdate: () => bridge.presenceUpdate(channel, 'alice', {}),
    presenceRead: () => bridge.presenceRead(channel),
    broadcast: () => bridge.broadcast('{"type":"broadcast"'),
    control: () => bridge.control(LEAVE, 1000),
    ask: () => bridge.ask(STATS, 1000),
    userConnect: () => bridge.userConnect('alice', 'c1', 1),
    userDisconnect: () => bridge.userDisconnect('alice', 'c1'),
    putTicket: () => bridge.putTicket('a', 'b', 1000),
    takeTicket: () => bridge.takeTicket('a')
  }
}

function byJson (a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}
