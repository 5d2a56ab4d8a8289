import fc from 'fast-check'
import t from 'tap'

import { TokenBucket } from '../lib/core/quota.js'

await t.test('a full bucket gives max tokens at once, then says how long the next one takes', async t => {
  const bucket = new TokenBucket(10, 1000)
  for (let n = 0; n < 10; n++) t.equal(bucket.take(0), 0)
  t.equal(bucket.take(0), 100)
  t.equal(bucket.take(40), 60)
  t.equal(bucket.take(100), 0)
  t.equal(bucket.take(100), 100)
})

await t.test('several tokens are taken together or not at all', async t => {
  const bucket = new TokenBucket(10, 1000)
  t.equal(bucket.take(0, 8), 0)
  t.equal(bucket.take(0, 5), 300)
  t.equal(bucket.take(0, 2), 0)
})

await t.test('more than max never comes', async t => {
  t.equal(new TokenBucket(10, 1000).take(0, 11), Infinity)
})

await t.test('a long rest fills the bucket and no more', async t => {
  const bucket = new TokenBucket(10, 1000)
  t.equal(bucket.take(0, 10), 0)
  t.equal(bucket.take(1e9, 10), 0)
  t.equal(bucket.take(1e9), 100)
})

await t.test('it starts full on a clock that starts anywhere', async t => {
  t.equal(new TokenBucket(3, 1000).take(-5000, 3), 0)
  t.equal(new TokenBucket(3, 1000).take(1e12, 3), 0)
})

await t.test('property: never more than max and the refill, and whoever waits as told is served', async t => {
  const take = fc.record({ wait: fc.double({ min: 0, max: 3000, noNaN: true }), n: fc.integer({ min: 1, max: 20 }) })
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 100_000 }), fc.array(take, { maxLength: 200, size: 'max' }),
    (max, window, takes) => {
      const bucket = new TokenBucket(max, window)
      let now = 1234.567
      const start = now
      let taken = 0
      for (const { wait, n } of takes) {
        now += wait
        const refused = bucket.take(now, n)
        if (n > max) {
          if (refused !== Infinity) return false
          continue
        }
        if (refused > 0) {
          now += refused
          if (bucket.take(now, n) !== 0) return false
        }
        taken += n
        if (taken > max + (now - start) * max / window + 0.01 * max) return false
      }
      return true
    }
  ))
})
