import t from 'tap'
import { Refusal } from '../lib/index.js'
import { createApp } from './helpers/app.js'
import { captureLog } from './helpers/log.js'

/** An error that throws when anybody looks at it, a logger included. */
function hostile (): Error {
  const err = new Error('hidden')
  Object.defineProperty(err, 'boom', { enumerable: true, get () { throw new Error('do not look') } })
  return err
}

function hostileRefusal (): Refusal {
  const refusal = new Refusal('no')
  Object.defineProperty(refusal, 'content', { get () { throw new Error('do not look') } })
  return refusal
}

await t.test('errors that cannot even be logged are answered all the same', async (t) => {
  const { lines, logger } = captureLog()
  const { connect } = await createApp(t, {
    fastify: { logger },
    rooms: {
      'chat:{id}': { join: () => true, publish: 'members', onMessage: () => { throw hostile() } },
      'shut:{id}': { join: () => { throw hostile() } },
      'refused:{id}': { join: () => { throw hostileRefusal() } }
    },
    after: (app) => {
      app.realtime.handle('fail', {}, () => { throw hostile() })
      app.realtime.handle('refuse', {}, () => { throw hostileRefusal() })
    }
  })
  const ann = await connect('ann')
  await ann.request({ type: 'join', roomId: 'chat:1' })
  t.match(await ann.request({ type: 'message', roomId: 'chat:1', content: 1 }), { type: 'error', code: 'internal' })
  t.match(await ann.request({ type: 'call', event: 'fail', content: 1 }), { type: 'error', code: 'internal' })
  t.match(await ann.request({ type: 'call', event: 'refuse', content: 1 }), { type: 'error' })
  t.match(await ann.request({ type: 'join', roomId: 'shut:1' }), { type: 'error', code: 'internal' })
  const resumed = await ann.request({ type: 'resume', rooms: [{ roomId: 'shut:1' }, { roomId: 'refused:1' }, { roomId: 'chat:2' }] })
  t.match(resumed, { type: 'ack', rooms: [{ error: { code: 'internal' } }, { error: Object }, { roomId: 'chat:2', position: String }] })
  t.ok(lines.some(({ level, msg }) => level === 50 && String(msg).includes('cannot be logged')), 'the log says that much')
  t.match(await ann.request({ type: 'resume', rooms: [] }), { type: 'ack' }, 'the next resume is free to go')
})
