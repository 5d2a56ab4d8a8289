import fc from 'fast-check'
import t from 'tap'
import { roomChannel, userChannel } from '../../lib/bridge/bridge.js'
import { createNames } from '../../lib/bridge/redis/names.js'
import { isRoomId } from '../../lib/protocol/names.js'

/** Names with whatever keys and channels are made of, and without what no name may have. */
const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('a', ':', '@', '/', '0', ' ', '%', 'head', 'log', 'r:', 'u:', 's:', 'key:') })
  .filter((text) => isRoomId(text))
const channel = fc.oneof(name.map(roomChannel), name.map(userChannel))
const place = fc.record({
  prefix: fc.constantFrom('realtime', 'realtime:r', 'shop'),
  db: fc.constantFrom(0, 1),
  channel,
  part: fc.oneof(fc.constant(null), fc.constantFrom('head' as const, 'log' as const), name.map((id) => `key:${id}` as const), name.map((id) => `batch:${id}` as const))
})

function nameOf ({ prefix, db, channel, part }: typeof place extends fc.Arbitrary<infer Place> ? Place : never): string {
  const names = createNames(prefix, db)
  return part === null ? names.channel(channel) : names.key(channel, part)
}

await t.test('no two places have one name', async () => {
  fc.assert(fc.property(place, place, (one, other) => {
    const same = JSON.stringify(one) === JSON.stringify(other)
    return same === (nameOf(one) === nameOf(other))
  }), { numRuns: 20_000 })
})

await t.test('everything of a channel is in the slot of the channel', async () => {
  fc.assert(fc.property(place, (one) => {
    const tag = /\{([^}]+)\}/.exec(nameOf(one))
    return tag?.[1] === one.channel
  }))
})
