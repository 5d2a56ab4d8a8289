// A client in Node, whose WebSocket is that of the package ws, or its own.
import { createClient } from 'fastify-realtime/client'
import type { SocketClass } from 'fastify-realtime/client'
import { WebSocket } from 'ws'

export const client = createClient({ url: 'ws://localhost:3000/realtime', WebSocket, fetch })
export const sockets: SocketClass[] = [WebSocket, globalThis.WebSocket]
export const quote = client.call('order.quote', { sku: 'a' }, { signal: new AbortController().signal })

// What may be undefined, as what was stored may be, is accepted where it may be left out.
const stored: string | undefined = process.env.POSITION
export const again = createClient({
  url: 'ws://localhost:3000/realtime', getToken: undefined, inbox: stored, timeout: undefined, backoff: { max: undefined }, queue: { storage: undefined }
})
const room = again.room('chat:1', { since: stored, history: undefined })
export const page = room.history({ after: stored, signal: undefined })
export const sent = room.send('hi', { key: stored })
