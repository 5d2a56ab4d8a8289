/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// The page of an application whose server is another package: all it knows of it is the type `Api`, from emitted declarations.
import { createClient, indexedDbQueue, localStorageQueue, RealtimeError } from 'fastify-realtime/client'
import type { Client, ClientMessage, Room, Status } from 'fastify-realtime/client'
import type { Api } from 'server'
import { equal } from './equal.js'

export const client = createClient<Api>({
  url: '/realtime',
  getToken: async ({ reason }) => {
    equal<typeof reason, 'connect' | 'expired' | 'expiring'>(true)
    const response = await fetch(`/token?reason=${reason}`)
    return response.ok ? await response.text() : null
  },
  queue: { storage: localStorage.length > 0 ? localStorageQueue('ann', { storage: sessionStorage }) : indexedDbQueue('ann') },
  // What a browser has fits what a client asks for.
  WebSocket,
  fetch: window.fetch
})
equal<typeof client, Client<Api>>(true)

const room = client.room('chat:42', { history: 50, since: 'position' })

// What is received is what JSON left of it.
room.on('message', (message) => {
  equal<typeof message.content, { text: string }>(true)
  equal<typeof message.event, 'message'>(true)
  equal<typeof message.userId, string | null>(true)
  equal<typeof message.position, string | undefined>(true)
  // @ts-expect-error messages are everybody's
  message.content = { text: 'changed' }
})
room.on('edit', ({ content }) => equal<typeof content, { n: number, at: string }>(true))
client.room('tally:1').on('counted', ({ content }) => equal<typeof content, { votes: Record<string, never>, note?: string }>(true))
room.on('presence', ({ userId, change }) => {
  equal<typeof userId, string>(true)
  equal<typeof change, 'joined' | 'left' | 'updated'>(true)
})
room.on('typing', ({ typing }) => equal<typeof typing, boolean>(true))
room.on('reset', ({ reason }) => equal<typeof reason, 'trimmed' | 'diverged' | 'expired'>(true))
room.on('left', ({ reason }) => equal<typeof reason, 'removed' | 'revoked' | 'closed'>(true))
// @ts-expect-error no such event
room.on('edited', () => {})

// What is sent is what the schemas take.
export async function send (id: string, anyId: string): Promise<void> {
  const published = await room.send({ text: 'hi' })
  equal<typeof published.key, string>(true)
  await room.publish('edit', { n: 1, at: new Date() }, { key: 'mine' })
  await client.send('chat:42', { text: 'hi' })
  await client.room(`chat:${id}`).send({ text: 'hi' })
  const joined = await client.joinRoom('chat:42')
  await joined.send({ text: 'hi' })
  // A room whose id is any text is untyped.
  await client.room(anyId).publish('anything', { any: 'content' })

  // @ts-expect-error wrong content
  await room.send({ text: 1 })
  // @ts-expect-error nothing is missing
  await room.send({})
  // @ts-expect-error wrong content of another event
  await room.publish('edit', { n: '1', at: new Date() })
  // @ts-expect-error what is sent is not yet what JSON leaves of it
  await room.publish('edit', { n: 1, at: '2026-01-01' })
  // @ts-expect-error no such event
  await room.publish('edited', { n: 1 })
  // @ts-expect-error no such room
  client.room('chta:42')
  // @ts-expect-error no such room either
  client.room(`chta:${id}`)
  // @ts-expect-error nor to join
  await client.joinRoom('chta:42')
  // @ts-expect-error nor to send to
  await client.send('chta:42', { text: 'hi' })
  // @ts-expect-error wrong content here, too
  await client.send('chat:42', { text: 1 })
  // @ts-expect-error there is no event `message` in this room
  await client.room('user:1').send({ text: 'hi' })
  // @ts-expect-error misspelt
  await room.send({ text: 'hi' }, { kye: 'mine' })
}

export async function call (): Promise<void> {
  const order = await client.call('orders.get', { id: '1' }, { timeout: 5000, signal: AbortSignal.timeout(100) })
  equal<typeof order, { total: number, placed: string }>(true)
  const pong = await client.call('ping', null)
  equal<typeof pong, { pong: boolean }>(true)
  // Without a schema any content fits, so it may be left out.
  await client.call('ping')
  await client.call('ping', undefined, { timeout: 5000 })
  // @ts-expect-error this one needs its content
  await client.call('orders.get')
  // @ts-expect-error no such call
  await client.call('orders.put', { id: '1' })
  // @ts-expect-error wrong input
  await client.call('orders.get', { id: 1 })
  // @ts-expect-error wrong use of the output: JSON made the date a string
  order.placed.getTime()
  // @ts-expect-error nothing of that in the output
  order.sum.toFixed()
}

client.on('direct', (message) => {
  equal<typeof message.event, 'shipped'>(true)
  equal<typeof message.content, { order: string, at: string }>(true)
  // @ts-expect-error no such event
  if (message.event === 'sent') return
  // @ts-expect-error no such field
  message.content.parcel()
})
client.on('broadcast', (message) => {
  equal<typeof message.content, { minutes: number }>(true)
  // @ts-expect-error no such event
  if (message.event === 'shutdown') return
  // @ts-expect-error no such field
  message.content.hours()
})
client.on('status', (status) => equal<typeof status, Status>(true))
client.on('message', (message) => {
  equal<typeof message.event, 'message' | 'edit' | 'hello' | 'counted'>(true)
  if (message.event === 'message') equal<typeof message.content, { text: string }>(true)
  if (message.event === 'edit') equal<typeof message.content, { n: number, at: string }>(true)
  // @ts-expect-error no room has such an event
  if (message.event === 'edited') return
  // Whoever takes any message takes these.
  const any: ClientMessage = message
})
client.on('failed', ({ error, content }) => {
  equal<typeof error.code extends string ? true : false, true>(true)
  equal<typeof content, unknown>(true)
})
// @ts-expect-error no such event
client.on('directs', () => {})
client.onMessage((message) => { if (message.event === 'hello') equal<typeof message.content, { text: string }>(true) })

// What is heard can be taken away by the same name, and no other.
const gone = (status: Status): void => {}
client.off('status', gone)
// @ts-expect-error misspelt
client.off('staus', gone)
// @ts-expect-error never heard by such a handler
client.off('reset', gone)
room.off('message', ({ content }) => equal<typeof content, { text: string }>(true))
// @ts-expect-error no such event
room.off('mesage', () => {})

export async function read (): Promise<void> {
  for await (const message of room.messages()) {
    // Told apart by their event.
    if (message.event === 'edit') equal<typeof message.content, { n: number, at: string }>(true)
    else equal<typeof message.content, { text: string }>(true)
  }
  const page = await room.history({ limit: 20, before: 'position' })
  equal<(typeof page.messages)[number]['event'], 'message' | 'edit'>(true)
}

export function failed (error: unknown): string {
  if (!(error instanceof RealtimeError)) return 'broken'
  switch (error.code) {
    case 'queue_full': return 'wait'
    case 'refused': return String(error.content)
    // @ts-expect-error no such code
    case 'queue_ful': return 'never'
    default: return error.retryable ? `again in ${error.retryAfter ?? 0} ms` : error.message
  }
}

// A component that takes any client, or any room of its kind.
export function banner<AnyApi> (any: Client<AnyApi>): string {
  return any.status.state
}
banner(client)
export function show (chat: Room<Api['rooms']['chat:{id}']>): number {
  return chat.members.size
}
show(room)

// @ts-expect-error a client without an address
createClient<Api>({})
// @ts-expect-error misspelt
createClient<Api>({ url: '/realtime', getTocken: () => null })
