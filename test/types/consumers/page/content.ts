/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// What may be left out of a call, and what is passed on.
import { createClient } from 'fastify-realtime/client'
import type { CallInput, CallOutput, Client, ContentArguments } from 'fastify-realtime/client'
import { equal } from './equal.js'

interface Api {
  rooms: {
    'board:{id}': { message: null, ping: undefined, vote: 'yes' | 'no', cursor: { x: number } | null, shape: { kind: 'a' | 'b' } }
    'user:{id}': { 'user-update': { name: string } }
  }
  calls: {
    'me.profile': { content: undefined, response: { name: string } }
    'me.reset': { content: null, response: null }
    'orders.get': { content: { id: string }, response: Date }
  }
}

const client = createClient<Api>({ url: 'wss://example.com/realtime' })
const board = client.room('board:1')

// Content may be left out where undefined or null fits, and nowhere else.
export async function publish (): Promise<void> {
  await board.send()
  await board.send(null, { key: 'mine' })
  await board.send(undefined, { key: 'mine' })
  await client.send('board:1')
  await board.publish('ping')
  await board.publish('ping', undefined, { key: 'mine' })
  await board.publish('cursor')
  await board.publish('cursor', { x: 1 })
  // Literals stay literals.
  await board.publish('vote', 'yes')
  await board.publish('shape', { kind: 'a' })
  // @ts-expect-error this one has to be given
  await board.publish('vote')
  // @ts-expect-error no such vote
  await board.publish('vote', 'maybe')
  // @ts-expect-error no such kind
  await board.publish('shape', { kind: 'c' })
  // @ts-expect-error nothing fits but nothing
  await board.publish('ping', 1)
  // @ts-expect-error options are still checked
  await board.publish('ping', undefined, { kye: 'mine' })
  // @ts-expect-error there is no event `message` in this room, so there is nothing to send
  await client.room('user:1').send()
}

export async function call (): Promise<void> {
  const { name } = await client.call('me.profile')
  equal<typeof name, string>(true)
  await client.call('me.reset')
  await client.call('me.profile', undefined, { timeout: 1 })
  // @ts-expect-error this one has to be given
  await client.call('orders.get')
  // @ts-expect-error no content here
  await client.call('me.profile', { id: '1' })
}

// Functions that pass on content, or all the arguments.
type Calls = Api['calls']
export function timed<Name extends keyof Calls> (name: Name, content: CallInput<Api, Name>): Promise<CallOutput<Api, Name>> {
  return client.call(name, content, { timeout: 1 })
}
export function traced<Name extends keyof Calls> (name: Name, ...args: ContentArguments<CallInput<Api, Name>>): Promise<CallOutput<Api, Name>> {
  return client.call(name, ...args)
}
export const answers = [traced('me.profile'), traced('orders.get', { id: '1' }), timed('orders.get', { id: '1' })]
// @ts-expect-error this one has to be given here, too
export const missing = traced('orders.get')

// Any client's messages are messages.
export function count<AnyApi> (any: Client<AnyApi>, seen: Set<string>): () => void {
  return any.onMessage(({ roomId }) => seen.add(roomId))
}
count(client, new Set())

// Who types, read as a Map is.
export function typists (): string[] {
  const { typing } = board
  const found = [...typing.keys()]
  for (const [userId] of typing) found.push(userId)
  typing.forEach((_value, userId) => found.push(userId))
  // @ts-expect-error what is behind an id is nobody's business
  typing.get('ann')
  return found
}
