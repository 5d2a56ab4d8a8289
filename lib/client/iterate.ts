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

  // Not a generator: one that waits for a message does not return before there is one.
  const end = async (): Promise<IteratorReturnResult<undefined>> => {
    over = true
    waiting.length = 0
    off()
    core.emit(CHANGE)
    return { value: undefined, done: true }
  }

  const messages: AsyncIterableIterator<ClientMessage> = {
    async next () {
      let value: ClientMessage | undefined
      await until(core, () => {
        if (!(waiting.length <= limit)) return new RealtimeError('overflow')
        value = waiting.shift()
        return !!value || over || core.ended || !room.wanted
      })
      return value ? { value } : end()
    },
    return: end,
    [Symbol.asyncIterator]: () => messages
  }
  return messages
}
