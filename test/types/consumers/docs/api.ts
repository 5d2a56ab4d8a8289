import type { ApiOf } from 'fastify-realtime/api'
import type { getOrder, rooms } from './server.js'

interface Sent {
  direct: { shipped: { order: string } }
  broadcast: { maintenance: { minutes: number } }
}

export type Api = ApiOf<{ rooms: typeof rooms, calls: { getOrder: typeof getOrder } }> & Sent
