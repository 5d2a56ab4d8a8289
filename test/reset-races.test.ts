import t from 'tap'
import { roomChannel, userChannel } from '../lib/bridge/bridge.js'
import type { Entry } from '../lib/bridge/bridge.js'
import { parsePosition } from '../lib/protocol/position.js'
import type { Position } from '../lib/protocol/position.js'
import { createNode, turns } from './helpers/node.js'

const ROOM = 'chat:1'
const CHANNEL = roomChannel(ROOM)
const rooms = { 'chat:{id}': { join: () => true, publish: 'members' as const } }

/** What a failover that lost the last entries leaves: the same epoch, an earlier offset, another chain. */
function rolledBack (text: string, offset: number): Position {
  const position = parsePosition(text)
  if (position === null) throw new Error('not a position')
  return { ...position, offset, chain: 'abcdef012345' }
}

function entryAt (position: Position, content: unknown, frame: object): Entry {
  return {
    kind: 'message',
    position,
    payload: Buffer.from(JSON.stringify({ ...frame, event: 'message', userId: null, content, timestamp: 1 })),
    timestamp: 1,
    receipt: false
  }
}

await t.test('a join whose read was overtaken by a rollback does not claim to have recovered', async (t) => {
  const { node, bridge, connect } = await createNode(t, { rooms })
  const ann = await connect('ann')
  const bob = await connect('bob')
  const { position } = await bob.request({ type: 'join', roomId: ROOM })
  const match = node.rooms.match(ROOM)
  if (match === null) throw new Error('no room')
  for (const n of [1, 2, 3]) await node.publisher.fromServer(match, { event: 'message', content: String(n), userId: null })

  const gate = bridge.hold('read', 'after')
  const joining = ann.request({ type: 'join', roomId: ROOM, since: position })
  await gate.arrived()
  const back = rolledBack(position, 1)
  bridge.inject(CHANNEL, { type: 'reset', reason: 'diverged', position: back })
  gate.open()
  const joined = await joining
  t.match(joined, { type: 'ack', recovered: false, reason: 'diverged' })
  t.same(joined.messages, [], 'nothing of the lost history is replayed')

  for (const offset of [2, 3]) {
    bridge.inject(CHANNEL, { type: 'entry', entry: entryAt({ ...back, offset }, `new ${offset}`, { type: 'message', roomId: ROOM }) })
  }
  await turns()
  t.same(ann.all('message').map(({ content }) => content), ['new 2', 'new 3'], 'what takes the old offsets is delivered')
})

await t.test('direct messages held for a resume do not survive a rollback of the inbox unannounced', async (t) => {
  const { bridge, connect } = await createNode(t)
  const ann = await connect('ann')
  const inbox = ann.frames[0]?.inbox
  bridge.inject(userChannel('ann'), { type: 'reset', reason: 'diverged', position: rolledBack(inbox, 4) })
  ann.send({ type: 'call', id: 1, event: 'anything', content: null })
  await turns()
  t.match(ann.all('reset'), [{ inbox: true }], 'the gap is told')
})

await t.test('joining again does not go back behind an answer whose read was ahead of the live stream', async (t) => {
  const { bridge, connect } = await createNode(t, { rooms })
  const ann = await connect('ann')
  const first = await ann.request({ type: 'join', roomId: ROOM })
  await ann.request({ type: 'leave', roomId: ROOM })
  const head = parsePosition(first.position)
  if (head === null) throw new Error('not a position')
  const entries = [1, 2, 3].map((offset) =>
    entryAt({ ...head, offset, chain: `00000000000${offset}` }, offset, { type: 'message', roomId: ROOM }))
  const [, , third] = entries
  if (third === undefined) throw new Error('no entry')

  // The log has three entries of which none has arrived at this node.
  const read = bridge.read
  bridge.read = async () => ({ head: third.position, entries, more: false, position: third.position })
  const joined = await ann.request({ type: 'join', roomId: ROOM, since: 'start' })
  bridge.read = read
  t.equal(joined.messages.length, 3)
  const again = await ann.request({ type: 'join', roomId: ROOM })
  t.equal(again.position, joined.position, 'the position stays where it was')
  for (const entry of entries) bridge.inject(CHANNEL, { type: 'entry', entry })
  await turns()
  t.same(ann.all('message'), [], 'what the answer had is not sent again')
})
