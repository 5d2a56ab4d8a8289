import { createHash } from 'node:crypto'
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

/** What arrives in inboxes. The key is the sender's, by which the page knows its own message again. */
export const directMessages = {
  message: Type.Object({ to: UserName, text: Text, key: Type.String({ minLength: 1, maxLength: 64 }) })
}

/**
 * Both sides keep what was said, so that it is there on every device of either. Calls are never repeated by the client, but may be by
 * whoever is in doubt: under its key a message arrives once.
 */
export const sendDirectMessage = defineCall('direct-message', {
  schema: { content: directMessages.message }
}, async ({ server, user }, content) => {
  const message = { ...content, text: content.text.trim() }
  // Nobody shall take up the key of somebody else.
  const key = createHash('sha256').update(JSON.stringify([user.id, content.key])).digest('base64url')
  for (const userId of new Set([message.to, user.id])) {
    await server.realtime.sendDirect(userId, 'message', message, { userId: user.id, key })
  }
  return null
})

export const chat: FastifyPluginAsyncTypebox = async (app) => {
  app.realtime.room(chatRooms)
  app.realtime.handle(sendDirectMessage)
}
