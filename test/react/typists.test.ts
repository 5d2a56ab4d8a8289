import { mock } from 'node:test'
import t from 'tap'
import { createTypists } from '../../lib/react/typists.js'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

await t.test('typing ends 5 s after the last sign of it', async (t) => {
  const told: boolean[] = []
  const typists = createTypists((typing) => told.push(typing))
  const typist = {}
  typists.set(typist, true)
  mock.timers.tick(4_000)
  typists.set(typist, true)
  mock.timers.tick(4_999)
  t.notOk(told.includes(false))
  mock.timers.tick(1)
  t.equal(told.at(-1), false)
})

await t.test('as long as one component types, the user does; who does not type ends nothing', async (t) => {
  const told: boolean[] = []
  const typists = createTypists((typing) => told.push(typing))
  const [first, second] = [{}, {}]
  typists.set(second, false)
  t.strictSame(told, [])
  typists.set(first, true)
  typists.set(second, true)
  typists.set(first, false)
  t.strictSame(told, [true, true, true])
  typists.set(second, false)
  t.equal(told.at(-1), false)
})

await t.test('a message ends it without a word', async (t) => {
  const told: boolean[] = []
  const typists = createTypists((typing) => told.push(typing))
  typists.set({}, true)
  typists.clear()
  mock.timers.tick(10_000)
  t.strictSame(told, [true])
})
