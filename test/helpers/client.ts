import { once } from 'node:events'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'

/** A frame of the server, as it came. */
export interface ServerFrame {
  readonly type: string
  // What tests look at is theirs to know; everything here came through JSON.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [field: string]: any
}

interface Waiter {
  readonly wants: (frame: ServerFrame) => boolean
  readonly resolve: (frame: ServerFrame) => void
  readonly reject: (err: Error) => void
}

/** The client's end of a connection, however its frames travel: remembers every frame it got, and who waits for which. */
export abstract class Peer {
  /** Every frame in the order it came, pings aside. */
  readonly frames: ServerFrame[] = []
  #unread: ServerFrame[] = []
  #waiters: Waiter[] = []
  #nextId: number
  #over: Error | null = null

  /** @param firstId - Where requests begin to count. */
  constructor (firstId = 1) {
    this.#nextId = firstId
  }

  protected abstract transmit (text: string): void

  /** Sends a frame, or any text as it is. */
  send (frame: object | string): void {
    this.transmit(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** Sends a frame with a fresh id; resolves with its `ack` or `error`. */
  request (frame: object): Promise<ServerFrame> {
    const id = this.#nextId++
    this.send({ id, ...frame })
    return this.next((answer) => (answer.type === 'ack' || answer.type === 'error') && answer.id === id)
  }

  /** The next frame that nobody has waited for yet and that fits: by type, or by what it says. Rejects when the connection ends. */
  next (wants: string | ((frame: ServerFrame) => boolean)): Promise<ServerFrame> {
    const fits = typeof wants === 'string' ? (frame: ServerFrame) => frame.type === wants : wants
    const index = this.#unread.findIndex(fits)
    if (index !== -1) return Promise.resolve(this.#unread.splice(index, 1)[0] ?? { type: 'never' })
    if (this.#over !== null) return Promise.reject(this.#over)
    return new Promise((resolve, reject) => this.#waiters.push({ wants: fits, resolve, reject }))
  }

  /** Resolves when the server has handled everything sent so far: what it had to say before that is in `frames`. */
  async settled (): Promise<void> {
    // An id nobody else uses; an unknown call is answered in order with everything queued before it.
    const id = 1_000_000 + this.#nextId++
    this.send({ type: 'call', id, event: 'test-settled', content: null })
    await this.next((frame) => frame.type === 'error' && frame.id === id)
  }

  /** Frames of a type, so far. */
  all (type: string): ServerFrame[] {
    return this.frames.filter((frame) => frame.type === type)
  }

  protected received (frame: ServerFrame): void {
    if (frame.type === 'ping') return
    this.frames.push(frame)
    const index = this.#waiters.findIndex((waiter) => waiter.wants(frame))
    if (index === -1) this.#unread.push(frame)
    else this.#waiters.splice(index, 1)[0]?.resolve(frame)
  }

  /** Nothing comes any more. */
  protected ended (code: number, reason: string): void {
    this.#over ??= new Error(`closed with ${code} ${reason} while waiting`)
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#over)
  }
}

export interface ConnectOptions extends ClientOptions {
  /** Offered beside `realtime.v1`. */
  readonly token?: string
  readonly protocols?: string[]
  /** Answer pings, as a client must; off to play dead. */
  readonly pong?: boolean
}

/** A client that speaks the protocol by hand. */
export class TestClient extends Peer {
  readonly ws: WebSocket
  readonly closed: Promise<{ code: number, reason: string }>

  constructor (ws: WebSocket, pong: boolean) {
    super()
    this.ws = ws
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.ended(code, reason.toString())
        resolve({ code, reason: reason.toString() })
      })
    })
    ws.on('error', () => {})
    ws.on('message', (data) => {
      const frame: ServerFrame = JSON.parse(data.toString())
      if (frame.type === 'ping' && pong) this.send({ type: 'pong' })
      this.received(frame)
    })
  }

  async close (code = 1000, reason = ''): Promise<void> {
    this.ws.close(code, reason)
    await this.closed
  }

  protected transmit (text: string): void {
    this.ws.send(text)
  }
}

/** Opens a socket; rejects with the HTTP status where the handshake is refused. */
export async function connectTo (t: Test, url: string, options: ConnectOptions = {}): Promise<TestClient> {
  const { token, protocols, pong = true, ...rest } = options
  const offered = protocols ?? (token === undefined ? ['realtime.v1'] : ['realtime.v1', `bearer.${token}`])
  const ws = new WebSocket(url, offered, rest)
  const client = new TestClient(ws, pong)
  t.teardown(() => ws.terminate())
  const refused = once(ws, 'unexpected-response').then(([, response]) => { throw new HandshakeError(response.statusCode, response.headers) })
  refused.catch(() => {})
  await Promise.race([once(ws, 'open'), refused])
  return client
}

/** A handshake that was answered in HTTP. */
export class HandshakeError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>

  constructor (status: number, headers: Readonly<Record<string, string | string[] | undefined>>) {
    super(`the handshake was answered ${status}`)
    this.status = status
    this.headers = headers
  }
}
