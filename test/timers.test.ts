import fc from 'fast-check'
import t from 'tap'

import { systemClock } from '../lib/clock.js'
import { type TimerHandle, Timers } from '../lib/core/timers.js'

import { createFakeClock } from './helpers/clock.js'

const DAY = 24 * 60 * 60 * 1000

await t.test('runs once, never early and at most one resolution late', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: number[] = []
  timers.at(120, () => ran.push(clock.now()))
  clock.advance(119)
  t.same(ran, [])
  clock.advance(1000)
  t.same(ran, [150])
})

await t.test('all deadlines share one armed timeout, and none is armed when nothing is left', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock)
  const handles: TimerHandle[] = []
  for (let ms = 1; ms < 2000; ms++) handles.push(timers.after(ms * 7, () => {}))
  t.equal(clock.armed, 1)
  for (const handle of handles.reverse()) timers.cancel(handle)
  t.equal(clock.armed, 0)
  timers.after(10, () => {})
  t.equal(clock.armed, 1)
  clock.advance(50)
  t.equal(clock.armed, 0)
})

await t.test('an earlier deadline set later comes first', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: string[] = []
  timers.after(5000, () => ran.push('late'))
  timers.after(100, () => ran.push('early'))
  clock.advance(100)
  t.same(ran, ['early'])
  clock.advance(4900)
  t.same(ran, ['early', 'late'])
})

await t.test('a cancelled timer never runs; cancelling twice or too late does nothing', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: string[] = []
  const [first, second, third] = ['first', 'second', 'third'].map(name => timers.at(100, () => ran.push(name)))
  if (first === undefined || second === undefined || third === undefined) throw new Error('unreachable')
  timers.cancel(first)
  timers.cancel(first)
  clock.advance(100)
  t.same(ran, ['second', 'third'])
  timers.cancel(second)
  clock.advance(1000)
  t.same(ran, ['second', 'third'])
})

await t.test('a timer can cancel another one of the same tick', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: string[] = []
  timers.at(100, () => {
    ran.push('first')
    timers.cancel(second)
    timers.cancel(third)
  })
  const second = timers.at(101, () => ran.push('second'))
  const third = timers.at(170, () => ran.push('third'))
  clock.stall(500)
  t.same(ran, ['first'])
  t.equal(clock.armed, 0)
})

await t.test('after a stall everything overdue runs once, in order', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: number[] = []
  for (const ms of [900, 120, 130, 110, 3000, 130]) timers.at(ms, () => ran.push(ms))
  clock.stall(2000)
  t.same(ran, [110, 120, 130, 130, 900])
  clock.advance(1000)
  t.same(ran, [110, 120, 130, 130, 900, 3000])
})

await t.test('a timer that sets another one for now does not go round in the same tick', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  let runs = 0
  const again = (): void => {
    runs++
    timers.after(0, again)
  }
  again()
  clock.stall(100)
  t.equal(runs, 2)
  clock.advance(50)
  t.equal(runs, 3)
  timers.close()
  clock.advance(500)
  t.equal(runs, 3)
})

await t.test('a timer that throws does not stop the others', async t => {
  const clock = createFakeClock()
  const errors: unknown[] = []
  const timers = new Timers(clock, 50, error => errors.push(error))
  const ran: string[] = []
  timers.at(100, () => { throw new Error('oops') })
  timers.at(100, () => ran.push('same tick'))
  timers.at(200, () => ran.push('next tick'))
  clock.advance(200)
  t.same(ran, ['same tick', 'next tick'])
  t.match(errors, [{ message: 'oops' }])
})

await t.test('a delay of more than 2^31 ms is waited for in steps', async t => {
  const clock = createFakeClock()
  const waits: number[] = []
  const timers = new Timers({
    ...clock,
    timeout (fn, ms) {
      waits.push(ms)
      return clock.timeout(fn, ms)
    }
  })
  let ran = false
  timers.after(60 * DAY, () => { ran = true })
  clock.advance(60 * DAY - 1)
  t.equal(ran, false)
  t.ok(Math.max(...waits) <= DAY)
  clock.advance(50)
  t.equal(ran, true)
})

await t.test('a clock that wakes up early is asked again', async t => {
  const clock = createFakeClock()
  const timers = new Timers({ ...clock, timeout: (fn, ms) => clock.timeout(fn, ms * 0.9) }, 50)
  const ran: number[] = []
  timers.at(100, () => ran.push(clock.now()))
  clock.advance(1000)
  t.equal(ran.length, 1)
  t.ok(Number(ran[0]) >= 100)
})

await t.test('closing cancels all, also in the middle of a tick', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock, 50)
  const ran: string[] = []
  timers.at(100, () => {
    ran.push('first')
    timers.close()
  })
  const second = timers.at(100, () => ran.push('second'))
  timers.at(500, () => ran.push('third'))
  clock.advance(1000)
  t.same(ran, ['first'])
  t.equal(clock.armed, 0)
  timers.cancel(second)
  timers.after(10, () => ran.push('fourth'))
  t.equal(clock.armed, 0)
})

await t.test('on the real clock', async t => {
  const timers = new Timers(systemClock, 5)
  t.teardown(() => timers.close())
  const start = systemClock.now()
  // The shared timeout does not keep the process alive; a test that waits for it has to.
  const keepAlive = setTimeout(() => {}, 10_000)
  await new Promise<void>(resolve => { timers.after(20, resolve) })
  clearTimeout(keepAlive)
  t.ok(systemClock.now() - start >= 20)
})

await t.test('property: whatever is set, moved and cancelled, each timer runs once, in time', async t => {
  const op = fc.oneof(
    fc.record({ op: fc.constant('set' as const), ms: fc.integer({ min: 0, max: 5000 }) }),
    fc.record({ op: fc.constant('move' as const), index: fc.nat(), ms: fc.integer({ min: 0, max: 5000 }) }),
    fc.record({ op: fc.constant('cancel' as const), index: fc.nat() }),
    fc.record({ op: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 700 }) })
  )
  fc.assert(fc.property(fc.array(op, { maxLength: 500, size: 'max' }), ops => {
    const clock = createFakeClock()
    const timers = new Timers(clock, 50)
    const set: { handle: TimerHandle, when: number, state: 'set' | 'cancelled' | 'ran' }[] = []
    for (const step of ops) {
      if (step.op === 'advance') {
        clock.advance(step.ms)
        if (set.some(({ when, state }) => state === 'set' && when + 50 <= clock.now())) return false
      } else if (step.op === 'set') {
        const when = clock.now() + step.ms
        const handle = timers.at(when, () => {
          if (entry.state !== 'set' || clock.now() < entry.when) throw new Error('must not run')
          entry.state = 'ran'
        })
        const entry: (typeof set)[number] = { handle, when, state: 'set' }
        set.push(entry)
      } else {
        const entry = set[step.index % Math.max(set.length, 1)]
        if (entry === undefined) continue
        if (step.op === 'cancel') {
          timers.cancel(entry.handle)
          if (entry.state === 'set') entry.state = 'cancelled'
        } else {
          entry.when = clock.now() + step.ms
          entry.state = 'set'
          timers.schedule(entry.handle, entry.when)
        }
      }
    }
    clock.advance(6000)
    return clock.armed === 0 && set.every(({ state }) => state !== 'set')
  }))
})

await t.test('a timer that throws without onError is an uncaught exception', async t => {
  const clock = createFakeClock()
  const timers = new Timers(clock)
  const caught = new Promise(resolve => {
    t.intercept(globalThis, 'queueMicrotask', { value: (run: () => void) => { try { run() } catch (error) { resolve(error) } } })
  })
  timers.at(10, () => { throw new Error('oops') })
  clock.advance(50)
  t.match(await caught, { message: 'oops' })
})
