/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// An Api that is written by hand, without any schema.
import { createClient } from 'fastify-realtime/client'
import { equal } from './equal.js'

interface Api {
  rooms: {
    'chat:{id}': { message: { text: string, at: Date } }
    'user:{id}': { 'user-update': { name: string, seen: Date } }
  }
  broadcast: { maintenance: { minutes: number } }
}

const client = createClient<Api>({ url: 'wss://example.com/realtime' })
client.room('chat:1').on('message', ({ content }) => equal<typeof content, { text: string, at: string }>(true))
client.watchUser('u7', (content) => equal<typeof content, { name: string, seen: string }>(true))
client.on('broadcast', ({ event, content }) => {
  equal<typeof event, 'maintenance'>(true)
  equal<typeof content, { minutes: number }>(true)
})

export async function use (): Promise<void> {
  await client.room('chat:1').send({ text: 'hi', at: new Date() })
  // @ts-expect-error no such room
  client.room('chta:1')
  // @ts-expect-error no such event
  await client.room('chat:1').publish('edit', 1)
  // What the Api leaves out is untyped.
  const answer = await client.call('anything', { any: 'input' })
  equal<typeof answer, unknown>(true)
  client.on('direct', ({ event, content }) => {
    equal<typeof event, string>(true)
    equal<typeof content, unknown>(true)
  })
}
