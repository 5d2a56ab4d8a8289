import type { Socket, SocketClass } from '../../../types/client.js'

/** What a virtual socket sends on, and what becomes of it. */
export interface Link {
  send (text: string): void
  close (code: number, reason: string): void
}

/** What a link brings to its virtual socket. Nothing has an effect behind `closed`. */
export interface LinkEvents {
  opened (): void
  message (text: string): void
  closed (code: number, reason: string): void
}

/**
 * A `WebSocket` class whose sockets are links to something else.
 *
 * @param connect - called by the constructor; must not bring anything before it returned
 */
export function virtualSocket (connect: (url: string, protocols: string[], events: LinkEvents) => Link): SocketClass {
  return class VirtualSocket implements Socket {
    onopen: ((event: object) => void) | null = null
    onmessage: ((event: { data: string }) => void) | null = null
    onclose: ((event: { code: number, reason: string }) => void) | null = null
    onerror: ((event: object) => void) | null = null
    readonly #link: Link
    #state: 'connecting' | 'open' | 'closed' = 'connecting'

    constructor (url: string, protocols: string[] = []) {
      this.#link = connect(url, protocols, {
        opened: () => this.#opened(),
        message: (text) => {
          this.#opened()
          if (this.#state === 'open') this.onmessage?.({ data: text })
        },
        closed: (code, reason) => this.#closed(code, reason)
      })
    }

    send (text: string): void {
      if (this.#state === 'open') this.#link.send(text)
    }

    close (code: number = 1000, reason: string = ''): void {
      if (this.#state === 'closed') return
      this.#state = 'closed'
      this.#link.close(code, reason)
      queueMicrotask(() => this.onclose?.({ code, reason }))
    }

    #opened (): void {
      if (this.#state !== 'connecting') return
      this.#state = 'open'
      this.onopen?.({})
    }

    #closed (code: number, reason: string): void {
      if (this.#state === 'closed') return
      this.#state = 'closed'
      this.onclose?.({ code, reason })
    }
  }
}
