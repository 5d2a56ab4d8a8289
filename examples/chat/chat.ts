import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { defineCall, defineRooms } from 'fastify-realtime'
import { Type } from 'typebox'
import { UserName } from './login.js'

const Text = Type.String({ maxLength: 2000, pattern: '\\S' })

/** Anybody who is signed in may enter a room with a proper name, and write there. */
export const chatRooms = defineRooms({
  'chat:{name}': {
    join: ({ params }) => /^[\p{L}\p{N}][\p{L}\p{N}-]{0,31}$/u.test(params.name),
    publish: 'members',
    events: { message: Type.Object({ text: Text }, { additionalProperties: false }) },
    history: { size: 200, ttl: '24h' },
    presence: true,
    typing: true,
    onMessage (_ctx, message) {
      message.content = { text: message.content.text.trim() }
    }
  }
})

/** What arrives in inboxes. */
export const directMessages = {
  message: Type.Object({ to: UserName, text: Text })
}

/** Both sides keep what was said, so that it is there on every device of either. */
export const sendDirectMessage = defineCall('direct-message', {
  schema: { content: directMessages.message }
}, async ({ server, user }, { to, text }) => {
  const message = { to, text: text.trim() }
  await server.realtime.sendDirect(to, 'message', message, { userId: user.id })
  if (to !== user.id) await server.realtime.sendDirect(user.id, 'message', message, { userId: user.id })
  return null
})

export const chat: FastifyPluginAsyncTypebox = async (app) => {
  app.realtime.room(chatRooms)
  app.realtime.handle(sendDirectMessage)
}
