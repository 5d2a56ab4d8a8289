/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// A client that knows nothing but the Api: what createClient<Api>() will be made of.
import type { AnyApi, ApiOf, EventContent, EventName, Infer, Jsonify, KnownRoom, RoomEvents, RoomParams } from 'fastify-realtime/api'
import { equal } from './equal.js'

interface Api {
  rooms: { 'chat:{id}': { message: { text: string, at: Date } }, 'files:{rest*}': { saved: { path: string } } }
  calls: { 'orders.get': { content: { id: string }, response: { total: number } } }
}

export interface Client<A extends AnyApi> {
  publish<const Id extends string, Event extends EventName<RoomEvents<A, Id>>> (
    roomId: Id & KnownRoom<A, Id>, event: Event, content: EventContent<RoomEvents<A, Id>, Event>
  ): Jsonify<EventContent<RoomEvents<A, Id>, Event>>
}

export function check (client: Client<Api>, id: string): void {
  const echo = client.publish(`chat:${id}`, 'message', { text: 'x', at: new Date() })
  equal<typeof echo, { text: string, at: string }>(true)
  client.publish('files:a:b', 'saved', { path: 'x' })
  // @ts-expect-error no such room
  client.publish('chta:1', 'message', { text: 'x', at: new Date() })
  // @ts-expect-error no such event
  client.publish('chat:1', 'saved', { path: 'x' })
}

equal<RoomParams<'org:{org}:files:{rest*}'>, { readonly org: string, readonly rest: string }>(true)
equal<Infer<{ readonly type: 'array', readonly items: { readonly type: 'string' } }>, string[]>(true)
equal<ApiOf<{ direct: { a: { type: 'string' } } }>, { direct: { a: string } }>(true)

// @ts-expect-error no Node types here
export const buffer: Buffer = null
