import type { ClientMessage } from '../../types/client.js'
import type { Core } from './core.js'
import { RealtimeError } from './errors.js'

/** A room as an iterator sees it. */
interface Source {
  readonly id: string
  readonly wanted: boolean
  onChange (handler: () => void): () => void
}

/** The messages of a room from now on; at most `limit` of them wait to be read. */
export function iterate ({ on, endings }: Core, room: Source, limit = 1_000): AsyncIterableIterator<ClientMessage> {
  const waiting: ClientMessage[] = []
  let over = false
  let overflow = false
  let wake = (): void => {}

  const end = (): void => {
    over = true
    off()
    offChange()
    endings.delete(end)
    wake()
  }
  // At once, not when the first message is asked for: none may be missed until then.
  const off = on('message', (message: ClientMessage) => {
    if (message.roomId !== room.id) return
    overflow = waiting.length >= limit
    if (overflow) end()
    else waiting.push(message)
    wake()
  })
  const offChange = room.onChange(() => { if (!room.wanted) end() })
  endings.add(end)

  async function * read (): AsyncGenerator<ClientMessage, undefined> {
    try {
      for (;;) {
        const message = waiting.shift()
        if (message !== undefined) yield message
        else if (overflow) throw new RealtimeError('overflow')
        else if (over) return
        else await new Promise<void>((resolve) => { wake = resolve })
      }
    } finally {
      end()
    }
  }
  return read()
}
