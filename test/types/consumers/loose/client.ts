// A client in Node, whose WebSocket is that of the package ws, or its own.
import { createClient } from 'fastify-realtime/client'
import type { SocketClass } from 'fastify-realtime/client'
import { WebSocket } from 'ws'

export const client = createClient({ url: 'ws://localhost:3000/realtime', WebSocket, fetch })
export const sockets: SocketClass[] = [WebSocket, globalThis.WebSocket]
export const quote = client.call('order.quote', { sku: 'a' }, { signal: new AbortController().signal })
