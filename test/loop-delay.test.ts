import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { watchLoopDelay } from '../lib/loop-delay.js'

/** Holds up the event loop, and lets the delay be measured. */
async function holdUp (): Promise<void> {
  await sleep(50)
  const until = performance.now() + 200
  while (performance.now() < until);
  await sleep(50)
}

await t.test('a reading takes nothing from the next one, and what is long ago is forgotten', async (t) => {
  let now = 0
  const delay = watchLoopDelay({ now: () => now })
  t.teardown(() => delay.close())
  await holdUp()
  const { mean, p99, max } = delay.read()
  t.ok(max >= 100, String(max))
  t.ok(mean >= 0 && mean <= max && p99 <= max)
  t.ok(delay.read().max >= 100, 'another reader sees it too')
  now = 9_999
  t.ok(delay.read().max >= 100)
  now = 10_000
  t.ok(delay.read().max >= 100, 'the first window is the whole time so far')
  now = 19_999
  t.ok(delay.read().max >= 100)
  now = 20_000
  t.ok(delay.read().max < 100)
})

await t.test('rare readings miss nothing in between', async (t) => {
  let now = 0
  const delay = watchLoopDelay({ now: () => now })
  t.teardown(() => delay.close())
  delay.read()
  now = 60_000
  delay.read()
  await holdUp()
  now = 120_000
  t.ok(delay.read().max >= 100)
  t.ok(delay.read().max >= 100)
  now = 180_000
  t.ok(delay.read().max < 100)
})
