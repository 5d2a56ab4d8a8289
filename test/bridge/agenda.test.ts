import fc from 'fast-check'
import t from 'tap'
import { Agenda } from '../../lib/bridge/agenda.js'
import { createFakeClock } from '../helpers/clock.js'

await t.test('every task runs once, not early, at most a slot late, on one timer', async t => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 60 }), fc.nat(50), (delays, step) => {
    const clock = createFakeClock()
    const agenda = new Agenda(clock)
    let ran = 0
    for (const delay of delays) {
      clock.advance(step)
      const due = clock.now() + delay
      agenda.plan(due, {
        run (now) {
          ran++
          if (now < due || now > due + 100) throw new Error(`due at ${due}, ran at ${now}`)
        }
      })
      if (clock.armed > 1) throw new Error('more than one timer')
    }
    clock.advance(6000)
    if (ran !== delays.length) throw new Error(`${ran} of ${delays.length} ran`)
    if (clock.armed !== 0) throw new Error('a timer is left')
  }), { numRuns: 300, seed: 7 })
})

await t.test('tasks plan tasks, also while they run late', async t => {
  const clock = createFakeClock()
  const agenda = new Agenda(clock)
  const runs: number[] = []
  const task = {
    run (now: number) {
      runs.push(now)
      if (runs.length < 4) agenda.plan(now + 100, task)
    }
  }
  agenda.plan(100, task)
  agenda.plan(5000, { run () {} })
  clock.stall(1000)
  t.same(runs, [1000])
  clock.advance(300)
  t.same(runs, [1000, 1100, 1200, 1300])
  t.equal(clock.armed, 1)
})

await t.test('a time beyond what a timer can wait for', async t => {
  const clock = createFakeClock()
  const agenda = new Agenda(clock)
  const month = 30 * 24 * 3_600_000
  const runs: number[] = []
  agenda.plan(month, { run: now => runs.push(now) })
  clock.advance(month - 1)
  t.same(runs, [])
  clock.advance(1)
  t.same(runs, [month])
})

await t.test('nothing runs after close, also when a task closes it', async t => {
  const clock = createFakeClock()
  const agenda = new Agenda(clock)
  agenda.plan(100, {
    run () {
      agenda.plan(200, { run: () => t.fail() })
      agenda.close()
    }
  })
  agenda.plan(300, { run: () => t.fail() })
  clock.advance(100)
  t.equal(clock.armed, 0)
  agenda.plan(400, { run: () => t.fail() })
  t.equal(clock.armed, 0)
  agenda.close()
  clock.advance(10_000)
})
