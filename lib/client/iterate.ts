import type { ClientMessage } from '../../types/client.js'
import { CHANGE } from './core.js'
import type { Core } from './core.js'
import { ignore, RealtimeError } from './errors.js'

/** The messages of a room from now on; at most `limit` of them wait to be read. */
export function iterate (core: Core, room: { readonly id: string, readonly wanted: boolean }, limit = 1_000): AsyncIterableIterator<ClientMessage> {
  const waiting: ClientMessage[] = []
  let wake = ignore
  // At once, not when the first message is asked for: none may be missed until then.
  const offs = [
    core.on(CHANGE, () => wake()),
    core.on('message', (message: ClientMessage) => {
      if (message.roomId === room.id && waiting.length <= limit) waiting.push(message)
      wake()
    })
  ]

  async function * read (): AsyncGenerator<ClientMessage, undefined> {
    try {
      for (;;) {
        if (waiting.length > limit) throw new RealtimeError('overflow')
        const message = waiting.shift()
        if (message) yield message
        else if (core.ended || !room.wanted) return
        else await new Promise<void>((resolve) => { wake = resolve })
      }
    } finally {
      offs.forEach((off) => off())
    }
  }
  return read()
}
