/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// A page that loads nothing of Fastify, Node or the DOM, and skips no declaration.
import { createClient } from 'fastify-realtime/client'
import type { Api } from './contract.js'
import { equal } from './equal.js'

const client = createClient<Api>({ url: 'wss://example.com/realtime', getToken: () => null })
const room = client.room('chat:1')
room.on('edit', ({ content }) => equal<typeof content, { n: number, note?: string }>(true))
client.on('direct', ({ content }) => equal<typeof content, { order: string }>(true))

export async function use (): Promise<void> {
  await room.send({ text: 'hi' })
  const { placed } = await client.call('orders.get', { id: '1' })
  equal<typeof placed, string>(true)
  // @ts-expect-error wrong content
  await room.send({ text: 1 })
  // @ts-expect-error no such room
  client.room('chta:1')
  // @ts-expect-error wrong input
  await client.call('orders.get', { id: 1 })
}

// @ts-expect-error no Node types here
export const buffer: Buffer = null
// @ts-expect-error no DOM here
export const element: HTMLElement = null
