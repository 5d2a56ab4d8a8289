import { on, once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { roomChannel } from '../lib/bridge/bridge.js'
import { formatPosition } from '../lib/protocol/position.js'
import { createApp } from './helpers/app.js'
import { startBridge } from './helpers/redis-nodes.js'
import { startRedis } from './helpers/redis.js'
import { KEEP, stored } from './bridge/contract/fixture.js'

/** No JSON at all: whoever parsed it, or wrote it anew, could not pass it on as it is. */
const FRAME = '{"type":"message" é\u2028\u{1f600},, "content":\t1e400,"content":"\\u00e9\\/'

await t.test('a node passes on what others publish byte for byte, whatever it is', async (t) => {
  const { port } = await startRedis(t)
  const redis = `redis://127.0.0.1:${port}`
  const rooms = { 'chat:{id}': { join: () => true }, 'live:{id}': { join: () => true, history: false as const } }
  const { wsUrl, token } = await createApp(t, { redis, rooms })
  const other = await startBridge(t, redis)
  const socket = new WebSocket(wsUrl, ['realtime.v1', `bearer.${token('ann')}`])
  t.teardown(() => socket.terminate())
  const frames = on(socket, 'message')
  async function next (): Promise<string> {
    // Not by a loop over them, which would end them.
    const { value } = await frames.next()
    return String(value[0])
  }
  await once(socket, 'open')
  while (!(await next()).startsWith('{"type":"welcome"'));
  for (const [id, roomId] of [[1, 'chat:1'], [2, 'live:1']]) {
    socket.send(JSON.stringify({ type: 'join', id, roomId }))
    t.match(await next(), `{"type":"ack","id":${id}`)
  }

  const { timestamp, position } = stored(await other.publish({ channel: roomChannel('chat:1'), head: FRAME, retention: KEEP }))
  const volatile = await other.publish({ channel: roomChannel('live:1'), head: FRAME, retention: null })
  if (volatile.status === 'conflict') throw new Error('it has no key')
  // So that something comes in any case.
  for (const roomId of ['chat:1', 'live:1']) await other.publish({ channel: roomChannel(roomId), head: '{"type":"marker"', retention: null })
  t.equal(await next(), `${FRAME},"timestamp":${timestamp},"position":"${formatPosition(position)}"}`, 'in a log')
  t.equal(await next(), `${FRAME},"timestamp":${volatile.timestamp}}`, 'volatile')
})
