import type { Test } from 'tap'
import { BridgeError, userChannel } from '../../../lib/bridge/bridge.js'
import type { Bridge, NodeCommand } from '../../../lib/bridge/bridge.js'
import { KEEP, follow, head, publish, range, scenario } from './fixture.js'
import type { ContractOptions } from './fixture.js'

const STATS: NodeCommand = { type: 'stats' }

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
  await scenario(t, options, 'a broadcast handler that throws disturbs nobody', async ({ t, near }) => {
    await near.broadcast('{"type":"broadcast"')
    t.match(errors, [{ message: 'handler' }])
  }, node => node === 'far' ? {} : { onBroadcast () { throw new Error('handler') }, onError: error => errors.push(error) })

  await scenario(t, options, 'a request is answered by every node', async ({ t, near, far }) => {
    const command: NodeCommand = { type: 'join-user', userId: 'alice', roomId: 'r:1' }
    const { replies, unreachable } = await far.request(command, 5_000)
    t.same(unreachable, [])
    t.same(replies.map(reply => reply.nodeId).toSorted(), [...new Set([near.nodeId, far.nodeId])].toSorted())
    t.same(replies.map(reply => reply.value).toSorted(byJson), both.map(node => ({ node, command, at: '1970-01-01T00:00:00.000Z' })).toSorted(byJson))
  }, node => ({
    onRequest: async command => ({ node, command, at: new Date(0), dropped: undefined })
  }))

  await scenario(t, options, 'no value is null', async ({ t, near }) => {
    const { replies } = await near.request(STATS, 5_000)
    t.same(replies.find(reply => reply.nodeId === near.nodeId)?.value, null)
  }, () => ({ onRequest: async () => undefined }))

  await scenario(t, options, 'a node that fails is named', async ({ t, near, far }) => {
    for (const round of [1, 2]) {
      const { replies, unreachable } = await far.request(STATS, 5_000)
      t.same(unreachable, [near.nodeId], `round ${round}`)
      t.equal(replies.length, both.length - 1)
    }
  }, node => node === 'near' ? { onRequest: failing() } : {})

  await scenario(t, options, 'a node that does not answer is named when the time is over', async ({ t, near, far, fixture }) => {
    const requests = range(1, 3).map(() => far.request(STATS, 500))
    fixture.advance?.(500)
    for (const { replies, unreachable } of await Promise.all(requests)) {
      t.same(unreachable, [near.nodeId])
      t.equal(replies.length, both.length - 1)
    }
  }, node => node === 'near' ? { onRequest: () => new Promise(() => {}) } : {})

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
    await far.putTicket('early', 'early', ttl)
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
    const pending = bridge.request(STATS, 1_000_000).catch((error: unknown) => error)
    await bridge.close()
    await bridge.close()
    t.ok(await pending, 'what was pending is settled')
    await followed.subscription.unsubscribe()
    t.equal(bridge.status().state, 'down')
    for (const [name, call] of Object.entries(everyCall(bridge))) {
      await t.rejects(call(), { name: 'BridgeError', code: 'unavailable' }, name)
    }
    t.equal(followed.events.length, 2)
    t.ok(new BridgeError('timeout', 'text', { cause: 1 }) instanceof Error)
  }, node => node === 'near' ? { onRequest: () => new Promise(() => {}) } : {})
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
    publish: () => bridge.publish({ channel, head: head(1), sender: null, retention: KEEP }),
    volatile: () => bridge.publish({ channel, head: head(1), sender: null, retention: null }),
    lookup: () => bridge.lookup(channel, key),
    read: () => bridge.read(channel, { last: 1, limit: 1, maxBytes: 1 }),
    remove: () => bridge.remove(channel, { userId: 'alice', retention: null }),
    typing: () => bridge.typing(channel, 'alice', true),
    presenceAttach: () => bridge.presenceAttach(channel, 'alice', 'c1', Infinity),
    presenceDetach: () => bridge.presenceDetach(channel, 'alice', 'c1', 0),
    presenceUpdate: () => bridge.presenceUpdate(channel, 'alice', {}),
    presenceRead: () => bridge.presenceRead(channel),
    broadcast: () => bridge.broadcast('{"type":"broadcast"'),
    request: () => bridge.request(STATS, 1000),
    userConnect: () => bridge.userConnect('alice', 'c1', 1),
    userDisconnect: () => bridge.userDisconnect('alice', 'c1'),
    putTicket: () => bridge.putTicket('a', 'b', 1000),
    takeTicket: () => bridge.takeTicket('a')
  }
}

function byJson (a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}
