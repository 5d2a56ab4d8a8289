import type { ApiOf } from 'fastify-realtime/api'
import type { chatRooms, directMessages, sendDirectMessage } from './chat.js'
import type { orderNotices, orderRooms } from './orders.js'

/** What the rooms, calls and direct messages of this application are: all that its server and its page have in common. */
export type Api = ApiOf<{
  rooms: typeof chatRooms & typeof orderRooms
  calls: [typeof sendDirectMessage]
  direct: typeof directMessages & typeof orderNotices
}>
