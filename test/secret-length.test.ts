import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import realtime from '../lib/index.js'

const WARNING = /auth\.secret is shorter than 32 bytes/

/** What a registration with this secret logs. */
async function warnings (t: Test, secret: string | Buffer): Promise<string[]> {
  const lines: string[] = []
  const stream = { write: (line: string) => { lines.push(line) } }
  const app = Fastify({ logger: { level: 'warn', stream } })
  t.teardown(() => app.close())
  await app.register(realtime, { auth: { secret } })
  return lines
}

await t.test('a secret that can be guessed is warned about, once and without showing it', async (t) => {
  for (const secret of ['hunter2', Buffer.from('hunter2'), 'x'.repeat(31)]) {
    const lines = await warnings(t, secret)
    t.equal(lines.length, 1)
    t.match(lines[0], WARNING)
    t.notMatch(lines[0], /hunter2/)
  }
})

await t.test('by its bytes', async (t) => {
  for (const secret of ['x'.repeat(32), '\u00fc'.repeat(16), Buffer.alloc(32, 1)]) t.same(await warnings(t, secret), [])
})
