import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createMemoryBridge } from '../../lib/bridge/memory/memory-bridge.js'
import { roomChannel } from '../../lib/bridge/bridge.js'
import type { Bridge } from '../../lib/bridge/bridge.js'
import { createFakeClock } from '../helpers/clock.js'
import type { FakeClock } from '../helpers/clock.js'
import { QUIET } from '../helpers/quiet.js'
import { follow, head, range } from './contract/fixture.js'

const DAY = 24 * 3_600_000

async function createBridge (): Promise<{ bridge: Bridge, clock: FakeClock }> {
  const clock = createFakeClock()
  const bridge = createMemoryBridge({ clock })
  await bridge.start(QUIET)
  return { bridge, clock }
}

/** Leaves everything behind that a bridge can keep. */
async function use (bridge: Bridge, room: number): Promise<void> {
  const channel = roomChannel(`used-${room}`)
  const followed = await follow(bridge, channel, { presence: true })
  for (const number of range(1, 50)) {
    const key = { id: `${number}`, digest: 'digest', ttl: 10_000 * number }
    await bridge.publish({ channel, head: head(number), retention: { size: 20, ttl: 300_000 }, key })
  }
  await bridge.remove(channel, { userId: 'mallory', retention: { size: 20, ttl: 300_000 } })
  await bridge.presenceAttach(channel, 'alice', 'c1', Infinity)
  await bridge.presenceAttach(channel, 'bob', 'c1', Infinity)
  await bridge.presenceDetach(channel, 'alice', 'c1', 5000)
  await bridge.presenceDetach(channel, 'bob', 'c1', 0)
  await bridge.userConnect('alice', `c${room}`, 10)
  await bridge.userDisconnect('alice', `c${room}`)
  await bridge.putTicket(`t${room}`, 'value', 30_000)
  await followed.subscription.unsubscribe()
}

await t.test('one timer while there is something to forget, and none afterwards', async t => {
  const { bridge, clock } = await createBridge()
  t.equal(clock.armed, 0)
  for (const room of range(1, 20)) await use(bridge, room)
  t.equal(clock.armed, 1)
  clock.advance(DAY + 2 * 3_600_000)
  t.equal(clock.armed, 0)
  await use(bridge, 1)
  t.equal(clock.armed, 1)
  await bridge.close()
  t.equal(clock.armed, 0)
})

await t.test('memory returns to where it was', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const used = async (): Promise<number> => {
    // Array buffers are given back by the collection after the one that finds them dead, and some of it between turns.
    for (let round = 0; round < 4; round++) {
      collect()
      await setImmediate()
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const { bridge, clock } = await createBridge()
  // Once for nothing, so that what the machine itself keeps of a first run is there before.
  for (const room of range(1, 500)) await use(bridge, room)
  clock.advance(2 * DAY)
  const before = await used()
  for (const room of range(1, 2000)) await use(bridge, room)
  const during = await used()
  // Left are the heads of the idle logs, for a day.
  clock.advance(3_600_000)
  const idle = await used()
  clock.advance(2 * DAY)
  const after = await used()
  t.ok(during - before > 20_000_000, `${during - before} bytes in use`)
  t.ok(idle - before < 2_000_000, `${(idle - before) / 2000} bytes for an idle log`)
  t.ok(after - before < 1_000_000, `${after - before} bytes left`)
  await bridge.close()
})
