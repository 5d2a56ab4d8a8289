import t from 'tap'
import { createRendezvous } from '../../lib/bridge/redis/rendezvous.js'
import { slotOf } from '../../lib/bridge/redis/slots.js'

const subjects = Array.from({ length: 10_000 }, (_, index) => `r:room-${index}`)

function share (names: readonly string[]): string[] {
  const place = createRendezvous(names)
  return subjects.map((subject) => names[place(subject)] ?? '')
}

await t.test('servers get even shares, whatever their order', async (t) => {
  const shares = share(['a:6379', 'b:6379', 'c:6379'])
  t.same(share(['c:6379', 'a:6379', 'b:6379']), shares)
  for (const name of ['a:6379', 'b:6379', 'c:6379']) {
    const count = shares.filter((share) => share === name).length
    t.ok(Math.abs(count - 3_333) < 300, `${name} has ${count}`)
  }
})

await t.test('a server that is added takes its share and moves nothing else', async (t) => {
  const before = share(['a:6379', 'b:6379', 'c:6379'])
  const after = share(['a:6379', 'b:6379', 'c:6379', 'd:6379'])
  const moved = after.filter((name, index) => name !== before[index])
  t.same(new Set(moved), new Set(['d:6379']))
  t.ok(Math.abs(moved.length - 2_500) < 300, `${moved.length} move`)
})

await t.test('the place of a room is what the documentation says, for other languages too', async (t) => {
  // hashlib.sha1(b'b:6379\nr:lobby').hexdigest() and the like; the greatest wins.
  const place = createRendezvous(['a:6379', 'b:6379', 'c:6379'])
  t.same(['r:lobby', 'r:chat:1', 'u:alice', 's:nodes'].map(place), [2, 2, 0, 1])
})

await t.test('slots are those of Redis', async (t) => {
  t.equal(slotOf('123456789'), 0x31C3)
  t.equal(slotOf('foo'), 12182)
  t.equal(slotOf('{user1000}.following'), slotOf('{user1000}.followers'))
  t.equal(slotOf('foo{}{bar}'), 8363, 'nothing in the first pair: all of it counts')
  t.equal(slotOf('foo{{bar}}zap'), slotOf('{bar'))
  t.equal(slotOf('a{b}c{d}'), slotOf('b'))
})
