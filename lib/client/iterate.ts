import type { ClientMessage } from '../../types/client.js'
import { CHANGE } from './core.js'
import type { Core } from './core.js'
import { RealtimeError } from './errors.js'
import { until } from './until.js'

/** The messages of a room from now on; at most `limit` of them wait to be read. */
export function iterate (core: Core, room: { readonly id: string, readonly wanted: boolean }, { limit = 1_000 }: { limit?: number } = {}): AsyncIterableIterator<ClientMessage> {
  const waiting: ClientMessage[] = []
  let over = false
  // At once, not when the first message is asked for: none may be missed until then.
  const off = core.on('message', (message: ClientMessage) => {
    if (message.roomId === room.id && !(waiting.push(message) <= limit)) off()
    core.emit(CHANGE)
  })

  async function * read (): AsyncGenerator<ClientMessage, undefined> {
    try {
      for (;;) {
        await until(core, () => waiting.length > 0 || over || core.ended || !room.wanted)
        if (!(waiting.length <= limit)) throw new RealtimeError('overflow')
        const message = waiting.shift()
        if (!message) return
        yield message
      }
    } finally {
      off()
    }
  }

  const messages = read()
  // Its own would wait for the message that is waited for.
  const end = messages.return
  messages.return = (value) => {
    over = true
    waiting.length = 0
    off()
    core.emit(CHANGE)
    return end.call(messages, value)
  }
  return messages
}
