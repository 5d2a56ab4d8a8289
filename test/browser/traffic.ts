import type { Page, WebSocket } from 'playwright-core'
import type { ServerFrame } from '../helpers/client.js'

/** How long to wait for what does not happen, in ms. */
const PATIENCE = 20_000

/** What a page's sockets did, from the moment the page was opened. */
export interface Traffic {
  /** Sockets that were made so far. */
  readonly sockets: readonly WebSocket[]
  /** Those that are not closed. */
  readonly open: number
  /** Every frame from the server, in order. */
  readonly received: readonly ServerFrame[]
  /** Every frame to the server, in order. */
  readonly sent: readonly ServerFrame[]
  /** Resolves as soon as the condition holds, which is asked after every frame, opening and closing. */
  until (condition: () => boolean): Promise<void>
}

export function recordTraffic (page: Page): Traffic {
  const sockets: WebSocket[] = []
  const received: ServerFrame[] = []
  const sent: ServerFrame[] = []
  const waiting = new Set<() => void>()

  function changed (): void {
    for (const look of waiting) look()
  }

  page.on('websocket', (socket) => {
    sockets.push(socket)
    const record = (frames: ServerFrame[]) => ({ payload }: { payload: string | Buffer }): void => {
      frames.push(JSON.parse(String(payload)))
      changed()
    }
    socket.on('framereceived', record(received))
    socket.on('framesent', record(sent))
    socket.on('close', changed)
    changed()
  })

  return {
    sockets,
    received,
    sent,
    get open () {
      return sockets.filter((socket) => !socket.isClosed()).length
    },
    until: (condition) => new Promise((resolve, reject) => {
      const late = setTimeout(() => end(reject, new Error(`did not happen: ${condition}`)), PATIENCE)
      const end = <Value>(settle: (value: Value) => void, value: Value): void => {
        clearTimeout(late)
        waiting.delete(look)
        settle(value)
      }
      const look = (): void => {
        if (condition()) end(resolve, undefined)
      }
      waiting.add(look)
      look()
    })
  }
}
