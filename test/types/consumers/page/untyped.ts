/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// Without an Api everything is accepted, and nothing is any.
import { createClient } from 'fastify-realtime/client'
import { equal } from './equal.js'

const client = createClient({ url: 'wss://example.com/realtime' })
const room = client.room('whatever:1')
room.on('anything', ({ content, event }) => {
  equal<typeof content, unknown>(true)
  equal<typeof event, 'anything'>(true)
})
room.on('presence', ({ userId }) => equal<typeof userId, string>(true))
client.watchUser('u7', (content) => equal<typeof content, unknown>(true))
client.on('direct', ({ event, content }) => {
  equal<typeof event, string>(true)
  equal<typeof content, unknown>(true)
})

export async function use (): Promise<void> {
  await room.send('hi')
  await room.publish('anything', { any: ['content'] })
  await client.send('whatever:2', 1)
  const answer = await client.call('anything', { any: 'input' })
  equal<typeof answer, unknown>(true)
  for await (const { content } of room.messages()) equal<typeof content, unknown>(true)
  // @ts-expect-error options are still checked
  await room.history({ limt: 1 })
}
