import { stat } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'

import fc from 'fast-check'
import t from 'tap'

import { createFrame, type Frame } from '../lib/core/frame.js'
import { Flusher, Outbox } from '../lib/core/outbox.js'
import type { Transport } from '../lib/core/transport.js'

/** Takes everything until it is stopped; then what comes is buffered, as in a socket whose peer does not read. */
class TestTransport implements Transport {
  readonly raw: boolean
  readonly written: Buffer[] = []
  bufferedAmount = 0
  stopped = false

  constructor (raw = true) {
    this.raw = raw
  }

  write (wire: Buffer): boolean {
    if (!this.raw) throw new Error('finished frames for a transport that is not raw')
    return this.#take(wire)
  }

  send (payload: Buffer): boolean {
    if (this.raw) throw new Error('a payload for a raw transport')
    return this.#take(payload)
  }

  ping (): void {}
  close (): void {}
  terminate (): void {}

  /** All that was written, in one piece. */
  get text (): string {
    return Buffer.concat(this.written).toString('latin1')
  }

  #take (data: Buffer): boolean {
    this.written.push(data)
    if (this.stopped) this.bufferedAmount += data.length
    return !this.stopped
  }
}

interface Fixture {
  readonly flusher: Flusher
  readonly transport: TestTransport
  readonly outbox: Outbox
  readonly events: (string | number)[]
  /** Lets the transport take frames again and says so. */
  resume (): void
}

function fixture ({ flusher = new Flusher(), limit = 1024 * 1024, raw = true }: {
  flusher?: Flusher, limit?: number, raw?: boolean
} = {}): Fixture {
  const transport = new TestTransport(raw)
  const events: (string | number)[] = []
  const outbox = new Outbox({
    transport,
    flusher,
    limit,
    onOverflow: () => events.push('overflow'),
    onDropped: count => events.push(count)
  })
  function resume (): void {
    transport.stopped = false
    transport.bufferedAmount = 0
    outbox.drained()
  }
  return { flusher, transport, outbox, events, resume }
}

/** A frame of `size` bytes in all, header included, that begins with `name`. */
function frameOf (size: number, name = '', volatile = false): Frame {
  const header = size - 2 < 126 ? 2 : size - 4 < 65536 ? 4 : 10
  return createFrame(name.padEnd(size - header, '.'), volatile)
}

function wires (...frames: Frame[]): string {
  return Buffer.concat(frames.map(frame => frame.wire)).toString('latin1')
}

await t.test('what is pushed in one turn leaves in one write at its end, in order', async t => {
  const { transport, outbox, flusher } = fixture()
  const frames = [createFrame('one'), createFrame('two'), createFrame('three')]
  for (const frame of frames) outbox.push(frame)
  t.equal(transport.written.length, 0)
  t.equal(outbox.bytes, 2 * 3 + 'onetwothree'.length)
  t.equal(flusher.queuedBytes, outbox.bytes)
  await turn()
  t.equal(transport.written.length, 1)
  t.equal(transport.text, wires(...frames))
  t.equal(outbox.bytes, 0)
  t.equal(flusher.queuedBytes, 0)
  t.equal(flusher.messagesOut, 3)
})

await t.test('the first frame of an idle connection leaves before the next turn', async t => {
  const { transport, outbox } = fixture()
  // From the poll phase, as a message of a client arrives: immediates of the same turn run in the order they were set.
  await stat('.')
  outbox.push(createFrame('one'))
  await turn()
  t.equal(transport.written.length, 1)
})

await t.test('a single frame is written without a copy', async t => {
  const { transport, outbox } = fixture()
  const frame = createFrame('one')
  outbox.push(frame)
  await turn()
  t.equal(transport.written[0], frame.wire)
})

await t.test('outboxes with the same frames waiting share one buffer, others do not get them', async t => {
  const flusher = new Flusher()
  const [a, b, c, d] = [fixture({ flusher }), fixture({ flusher }), fixture({ flusher }), fixture({ flusher })]
  const [one, two, three] = [createFrame('one'), createFrame('two'), createFrame('three')]
  for (const { outbox } of [a, b, c]) outbox.push(one)
  c.outbox.push(three)
  for (const { outbox } of [a, b, c, d]) outbox.push(two)
  await turn()
  t.equal(a.transport.written[0], b.transport.written[0])
  t.equal(a.transport.text, wires(one, two))
  t.equal(c.transport.text, wires(one, three, two))
  t.equal(d.transport.text, wires(two))
})

await t.test('equal bytes in another order are another list', async t => {
  const flusher = new Flusher()
  const [a, b] = [fixture({ flusher }), fixture({ flusher })]
  const [one, two] = [createFrame('one'), createFrame('two')]
  a.outbox.push(one)
  b.outbox.push(two)
  a.outbox.push(two)
  b.outbox.push(one)
  await turn()
  t.equal(a.transport.text, wires(one, two))
  t.equal(b.transport.text, wires(two, one))
})

await t.test('the same frame twice is sent twice', async t => {
  const { transport, outbox } = fixture()
  const frame = createFrame('one')
  outbox.push(frame)
  outbox.push(frame)
  await turn()
  outbox.push(frame)
  await turn()
  t.equal(transport.text, wires(frame, frame, frame))
})

await t.test('no more than a slice is written in one turn, and the rest follows', async t => {
  const flusher = new Flusher({ slice: 10 })
  const all = Array.from({ length: 25 }, () => fixture({ flusher }))
  const frame = createFrame('one')
  for (const { outbox } of all) outbox.push(frame)
  for (const written of [10, 20, 25]) {
    await turn()
    t.equal(all.filter(({ transport }) => transport.written.length === 1).length, written)
  }
})

await t.test('frames pushed to an outbox that still waits for its slice keep their order', async t => {
  const flusher = new Flusher({ slice: 1 })
  const [a, b] = [fixture({ flusher }), fixture({ flusher })]
  const [one, two] = [createFrame('one'), createFrame('two')]
  a.outbox.push(one)
  b.outbox.push(one)
  await turn()
  b.outbox.push(two)
  a.outbox.push(two)
  await turn()
  t.equal(b.transport.text, wires(one, two))
  t.equal(a.transport.text, wires(one))
  await turn()
  t.equal(a.transport.text, wires(one, two))
})

await t.test('a full transport gets nothing until it has drained', async t => {
  const { transport, outbox, flusher, resume } = fixture()
  const frames = ['one', 'two', 'three'].map(text => createFrame(text))
  transport.stopped = true
  for (const frame of frames) {
    outbox.push(frame)
    await turn()
  }
  t.equal(transport.written.length, 1)
  t.equal(outbox.bytes, 2 * 3 + 'onetwothree'.length)
  t.equal(flusher.queuedBytes, 2 * 2 + 'twothree'.length)
  resume()
  outbox.push(createFrame('four'))
  await turn()
  t.equal(transport.written.length, 2)
  t.equal(transport.text, wires(...frames, createFrame('four')))
  t.equal(flusher.queuedBytes, 0)
})

await t.test('draining with nothing waiting does nothing', async t => {
  const { transport, outbox } = fixture()
  outbox.drained()
  await turn()
  t.equal(transport.written.length, 0)
})

await t.test('a long queue is written in chunks, as far as the transport takes it', async t => {
  const { transport, outbox, resume } = fixture()
  transport.stopped = true
  const frames = Array.from({ length: 200 }, (_, index) => frameOf(1000, `${index}`))
  for (const frame of frames) {
    outbox.push(frame)
    if (frame === frames[0]) await turn()
  }
  resume()
  transport.stopped = true
  await turn()
  t.equal(transport.written.length, 2)
  t.equal(transport.written[1]?.length, 66_000)
  resume()
  await turn()
  t.equal(transport.text, wires(...frames))
})

await t.test('over the limit the owner hears it once, and nothing is kept', async t => {
  const { transport, outbox, flusher, events } = fixture({ limit: 1000 })
  transport.stopped = true
  outbox.push(frameOf(400))
  await turn()
  outbox.push(frameOf(600))
  t.equal(outbox.bytes, 1000)
  await turn()
  t.same(events, [])
  outbox.push(frameOf(100))
  outbox.push(frameOf(100))
  t.same(events, [], 'never out of a push')
  t.equal(flusher.queuedBytes, 0)
  t.equal(outbox.bytes, 400)
  await turn()
  t.same(events, ['overflow'])
  outbox.push(frameOf(100))
  outbox.flush()
  outbox.drained()
  await turn()
  t.same(events, ['overflow'])
  t.equal(transport.written.length, 1)
  t.equal(flusher.queuedBytes, 0)
})

await t.test('volatile frames are dropped first', async t => {
  const { transport, outbox, events, resume } = fixture({ limit: 1000 })
  transport.stopped = true
  const [first, a, b, c] = [frameOf(200, 'first'), frameOf(200, 'a'), frameOf(300, 'b'), frameOf(250, 'c')]
  outbox.push(first)
  await turn()
  outbox.push(a)
  outbox.push(frameOf(100, 'v', true))
  outbox.push(b)
  outbox.push(frameOf(100, 'w', true))
  t.equal(outbox.bytes, 900)
  outbox.push(c)
  t.equal(outbox.bytes, 950)
  await turn()
  t.same(events, [2])
  resume()
  await turn()
  t.equal(transport.text, wires(first, a, b, c))
})

await t.test('a newer volatile frame replaces older ones, and is dropped itself when even that does not help', async t => {
  const { transport, outbox, flusher, events, resume } = fixture({ limit: 1000 })
  transport.stopped = true
  const [first, newer] = [frameOf(800, 'first'), frameOf(150, 'newer', true)]
  outbox.push(first)
  await turn()
  outbox.push(frameOf(100, 'older', true))
  outbox.push(newer)
  outbox.push(frameOf(500, 'too large', true))
  t.equal(flusher.queuedBytes, 0)
  outbox.push(newer)
  await turn()
  t.same(events, [3])
  resume()
  await turn()
  t.equal(transport.text, wires(first, newer))
})

await t.test('more than the limit in one turn is no fault of a consumer who takes it', async t => {
  for (const raw of [true, false]) {
    const { transport, outbox, events } = fixture({ limit: 1000, raw })
    const frames = Array.from({ length: 50 }, (_, index) => frameOf(90, `${index}`))
    for (const frame of frames) outbox.push(frame)
    outbox.push(frameOf(5000, 'larger than the limit'))
    await turn()
    t.same(events, [])
    t.equal(Buffer.concat(transport.written).length, raw ? 50 * 90 + 5000 : 50 * 88 + 4996)
  }
})

await t.test('more than the limit in one turn to a consumer who does not take it', async t => {
  for (const raw of [true, false]) {
    const { transport, outbox, flusher, events } = fixture({ limit: 1000, raw })
    transport.stopped = true
    for (let index = 0; index < 50; index++) outbox.push(frameOf(90))
    await turn()
    t.same(events, ['overflow'])
    t.ok(outbox.bytes <= 1100)
    t.equal(flusher.queuedBytes, 0)
  }
})

await t.test('volatile frames of such a burst are dropped before the connection is', async t => {
  const { transport, outbox, events } = fixture({ limit: 100_000 })
  transport.stopped = true
  for (let index = 0; index < 80; index++) outbox.push(frameOf(1000))
  for (let index = 0; index < 30; index++) outbox.push(frameOf(1000, '', true))
  await turn()
  t.same(events, [21], 'then the others fit')
  t.equal(outbox.bytes, 89_000)
})

await t.test('a transport that is not raw gets every payload by itself, in order', async t => {
  const { transport, outbox, flusher, resume } = fixture({ raw: false })
  const texts = ['one', 'two', 'three', 'four']
  outbox.push(createFrame('zero'))
  await turn()
  transport.stopped = true
  for (const text of texts) outbox.push(createFrame(text))
  await turn()
  t.same(transport.written.map(String), ['zero', 'one'])
  resume()
  await turn()
  t.same(transport.written.map(String), ['zero', ...texts])
  t.equal(flusher.queuedBytes, 0)
  t.equal(flusher.messagesOut, 5)
})

await t.test('sends of a transport that is not raw count toward the slice', async t => {
  const flusher = new Flusher({ slice: 4 })
  const all = Array.from({ length: 3 }, () => fixture({ flusher, raw: false }))
  for (const { outbox } of all) {
    for (let index = 0; index < 4; index++) outbox.push(createFrame(`${index}`))
  }
  for (const finished of [1, 2, 3]) {
    await turn()
    t.equal(all.filter(({ transport }) => transport.written.length === 4).length, finished)
  }
})

await t.test('flush writes all at once, also when the transport is full', async t => {
  for (const raw of [true, false]) {
    const { transport, outbox, flusher } = fixture({ raw })
    transport.stopped = true
    for (const text of ['one', 'two', 'three']) {
      outbox.push(createFrame(text))
      outbox.flush()
    }
    outbox.push(createFrame('four'))
    outbox.push(createFrame('five'))
    outbox.flush()
    outbox.flush()
    t.match(transport.text, /one.*two.*three.*four.*five/)
    t.equal(flusher.queuedBytes, 0)
    const { length } = transport.written
    await turn()
    t.equal(transport.written.length, length)
  }
})

await t.test('a closed outbox drops its queue and ignores the rest', async t => {
  for (const stopped of [true, false]) {
    const { transport, outbox, flusher, events } = fixture({ limit: 1000 })
    transport.stopped = stopped
    outbox.push(frameOf(100))
    await turn()
    outbox.push(frameOf(100))
    outbox.close()
    t.equal(flusher.queuedBytes, 0)
    outbox.push(frameOf(2000))
    outbox.flush()
    outbox.drained()
    outbox.close()
    await turn()
    t.equal(transport.written.length, 1)
    t.same(events, [])
  }
})

await t.test('an overflow that waits to be told is forgotten by close', async t => {
  const { transport, outbox, events } = fixture({ limit: 100 })
  transport.stopped = true
  outbox.push(frameOf(90))
  await turn()
  outbox.push(frameOf(90))
  outbox.close()
  await turn()
  t.same(events, [])
})

await t.test('a transport may drain, or close the outbox, before write returns', async t => {
  for (const raw of [true, false]) {
    for (const action of ['drained', 'close'] as const) {
      const { transport, outbox, flusher, resume } = fixture({ raw })
      transport.stopped = true
      outbox.push(createFrame('one'))
      await turn()
      for (let index = 0; index < 100; index++) outbox.push(frameOf(2000))
      const take = (data: Buffer): boolean => {
        transport.written.push(data)
        outbox[action]()
        return false
      }
      transport.write = take
      transport.send = take
      resume()
      await turn()
      t.equal(flusher.queuedBytes, 0)
      t.equal(outbox.bytes, 0)
      t.equal(transport.written.length, action === 'close' ? 2 : raw ? 5 : 101)
    }
  }
})

await t.test('a closed flusher writes nothing of itself any more', async t => {
  const { transport, outbox, flusher } = fixture()
  outbox.push(createFrame('one'))
  flusher.close()
  const other = fixture({ flusher })
  other.outbox.push(createFrame('two'))
  await turn()
  t.equal(transport.written.length, 0)
  outbox.flush()
  t.equal(transport.written.length, 1)
  t.equal(other.transport.written.length, 0)
})

await t.test('an owner that throws does not keep the others waiting', async t => {
  const flusher = new Flusher()
  const transport = new TestTransport()
  transport.stopped = true
  const outbox = new Outbox({ transport, flusher, limit: 10, onOverflow: () => { throw new Error('oops') } })
  const other = fixture({ flusher })
  const scheduled: (() => void)[] = []
  t.intercept(globalThis, 'setImmediate', { value: (run: () => void) => { scheduled.push(run) } })
  outbox.push(frameOf(100))
  other.outbox.push(createFrame('one'))
  t.throws(() => scheduled.shift()?.(), { message: 'oops' })
  scheduled.shift()?.()
  t.equal(other.transport.written.length, 1)
})

await t.test('a push costs the same however much waits', async t => {
  const limit = 4_000_000
  const { transport, outbox, events } = fixture({ limit })
  transport.stopped = true
  const [durable, volatile] = [frameOf(40), frameOf(40, '', true)]
  outbox.push(durable)
  await turn()
  while (outbox.bytes + durable.size <= limit) outbox.push(durable)
  const start = performance.now()
  // A scan of the 100,000 frames on each of these pushes would take minutes.
  for (let index = 0; index < 500_000; index++) outbox.push(volatile)
  t.ok(performance.now() - start < 5000)
  await turn()
  t.same(events, [500_000])
  t.equal(outbox.bytes, limit)
})

await t.test('property: everybody gets his frames, in order, less dropped volatile ones', async t => {
  const OUTBOXES = 6
  const everybody = Array.from({ length: OUTBOXES }, (_, index) => index)
  const outboxIndex = fc.constantFrom(...everybody)
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant('push' as const), to: fc.subarray(everybody), size: fc.integer({ min: 12, max: 400 }), volatile: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('burst' as const), to: fc.subarray(everybody), count: fc.integer({ min: 2, max: 8 }) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('turn' as const) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('flush' as const, 'stop' as const, 'resume' as const, 'close' as const), index: outboxIndex }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('stop' as const, 'resume' as const), index: outboxIndex }) }
  )
  await fc.assert(fc.asyncProperty(
    fc.array(step, { maxLength: 200, size: 'max' }), fc.array(fc.boolean(), { minLength: OUTBOXES, maxLength: OUTBOXES }), fc.integer({ min: 1, max: 8 }),
    async (steps, raw, slice) => {
      const limit = 2000
      const flusher = new Flusher({ slice })
      const all = Array.from({ length: OUTBOXES }, (_, index) => {
        return { ...fixture({ flusher, limit, raw: raw[index] }), pushed: [] as Frame[], closed: false }
      })
      let id = 0
      const push = (to: readonly number[], size: number, volatile: boolean): void => {
        const frame = frameOf(size, `<${++id}>`, volatile)
        for (const index of to) {
          const member = all[index]
          member?.outbox.push(frame)
          if (member?.closed === false) member.pushed.push(frame)
        }
      }
      for (const step of steps) {
        if (step.op === 'push') {
          push(step.to, step.size, step.volatile)
        } else if (step.op === 'burst') {
          for (let count = step.count; count > 0; count--) push(step.to, 20, false)
        } else if (step.op === 'turn') {
          await turn()
        } else {
          const member = all[step.index]
          if (member === undefined) continue
          if (step.op === 'flush') member.outbox.flush()
          if (step.op === 'stop') member.transport.stopped = true
          if (step.op === 'resume') member.resume()
          if (step.op === 'close') {
            member.outbox.close()
            member.closed = true
          }
        }
        // By one frame at most: the one that made a burst too large was offered to the transport with the others.
        for (const { outbox } of all) {
          if (outbox.bytes > limit + 400) return false
        }
      }
      for (const { resume } of all) resume()
      for (let turns = 0; turns < 1000 && flusher.queuedBytes > 0; turns++) await turn()
      await turn()
      return all.every(({ transport, pushed, events, closed }) => {
        const received = [...transport.text.matchAll(/<(\d+)>/g)].map(match => Number(match[1]))
        const overflows = events.filter(event => event === 'overflow').length
        const dropped = events.reduce<number>((sum, event) => typeof event === 'number' ? sum + event : sum, 0)
        let next = 0
        let missed = 0
        for (const frame of pushed) {
          if (received[next] === Number(/<(\d+)>/.exec(frame.payload.toString())?.[1])) next++
          // Whoever was closed, or is to be, gets a beginning of what he was sent.
          else if (next === received.length && (closed || overflows === 1)) continue
          else if (frame.volatile) missed++
          else return false
        }
        return next === received.length && overflows <= 1 && (closed || overflows === 1 || missed === dropped)
      }) && flusher.queuedBytes === 0
    }
  ), { numRuns: 150 })
})
