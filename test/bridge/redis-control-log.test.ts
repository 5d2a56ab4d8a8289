import t from 'tap'
import { ControlLog } from '../../lib/bridge/redis/control-log.js'
import type { Continuation } from '../../lib/bridge/redis/log-store.js'
import type { Position } from '../../lib/protocol/position.js'
import { createFakeClock } from '../helpers/clock.js'

const STARTED = 100_000

/** A node that began when the store's clock said {@link STARTED}, and what its reads find. */
async function scene (...reads: Continuation[]): Promise<{ log: ControlLog, begun: string[] }> {
  const begun: string[] = []
  const log = new ControlLog({
    clock: createFakeClock(),
    logs: {
      head: async () => ({ head: at(3), removals: new Map(), time: STARTED }),
      continue: async () => reads.shift() ?? { head: at(3), entries: [], more: false, upTo: at(3), removals: new Map() },
      append: async () => { throw new Error('nobody appends') }
    },
    storeTime: () => STARTED,
    begin: ({ id }) => begun.push(id),
    failed () {}
  })
  await log.start()
  log.open()
  return { log, begun }
}

function at (offset: number, epoch = 'e'): Position {
  return { epoch, offset, chain: `c${offset}` }
}

function frame (id: string): Buffer {
  return Buffer.from(JSON.stringify({ id, from: 'node', command: {} }))
}

function entry (id: string, position: Position, timestamp: number): Continuation['entries'][number] {
  return { kind: 'message', position, payload: frame(id), timestamp, receipt: false }
}

await t.test('a command that follows what was there at the start is carried out, though the clock of the store was set back', async (t) => {
  const { log, begun } = await scene()
  const data = frame('late')
  log.receive(Buffer.concat([Buffer.from(`1L e 3 c3 ${STARTED - 50_000} 1\nm c4 ${data.length}\n`), data]))
  t.same(begun, ['late'])
})

await t.test('of a log that has to be read from its beginning, what is older than the node is left out, and what comes later is not', async (t) => {
  const removals = new Map<never, never>()
  const { log, begun } = await scene(
    { head: at(3, 'f'), gap: 'expired', entries: [], more: false, upTo: at(3, 'f'), removals },
    { head: at(3, 'f'), entries: [entry('old', at(1, 'f'), STARTED - 1), entry('new', at(2, 'f'), STARTED + 1)], more: true, upTo: at(2, 'f'), removals },
    { head: at(4, 'f'), entries: [entry('older', at(3, 'f'), STARTED - 1), entry('next', at(4, 'f'), STARTED - 1)], more: false, upTo: at(4, 'f'), removals }
  )
  await log.repaired()
  t.same(begun, ['new', 'next'])
})
