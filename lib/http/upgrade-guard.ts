import { ServerResponse } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'

/** How often answered sockets are looked for that no hook told of. */
const SWEEP_INTERVAL = 1000

/** Ms after which a handshake of our route that nobody answered is over: a hook that never ends must not hold sockets. */
const HANDSHAKE_TIMEOUT = 30_000

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n'

interface Pending {
  readonly raw: IncomingMessage
  readonly since: number
  /** For our route. What others answer to an upgrade may take its time: a stream, an event source. */
  ours: boolean
  readonly onClose: () => void
}

/**
 * Owns the raw sockets of upgrades from the `upgrade` event until ws takes them.
 *
 * After that event Node has let go of the socket: no keep-alive, no timeout, and `server.close()` waits for it for ever.
 * @fastify/websocket destroys it when a hook refuses, but only if its own onRequest hook ran before; a hook added earlier,
 * a 404 of another scope, or the 503 that Fastify answers without any hook while it closes leave the socket open for good.
 */
export class UpgradeGuard {
  readonly #server: Server
  readonly #clock: Clock
  readonly #pending = new Map<Duplex, Pending>()
  readonly #sockets = new WeakMap<IncomingMessage, Duplex>()
  #closing = false
  #cancelSweep: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined

  constructor (server: Server, clock: Clock) {
    this.#server = server
    this.#clock = clock
    // First in line, so that the socket has an error listener before anything else sees it.
    server.prependListener('upgrade', this.#onUpgrade)
  }

  /** Sockets that neither ws has taken nor anyone closed. */
  get pending (): number {
    return this.#pending.size
  }

  /** The socket of an upgrade, also of an injected one, which is not `raw.socket`. */
  socketOf (raw: IncomingMessage): Duplex | undefined {
    return this.#sockets.get(raw)
  }

  /** The request is for our route. */
  claim (raw: IncomingMessage): void {
    const socket = this.#sockets.get(raw)
    const pending = socket && this.#pending.get(socket)
    if (pending !== undefined) pending.ours = true
  }

  /** ws has the socket now. */
  forget (raw: IncomingMessage): void {
    const socket = this.#sockets.get(raw)
    if (socket !== undefined) this.#drop(socket)
  }

  /** The request was answered; unless ws took the socket, that answer was a refusal and its last use. */
  answered (raw: IncomingMessage): void {
    const socket = this.#sockets.get(raw)
    if (socket !== undefined && this.#pending.has(socket)) end(socket)
  }

  /** The app closes. Sockets in flight go when they are answered, at the deadline at the latest. */
  close (deadline: number): void {
    if (this.#closing) return
    this.#closing = true
    for (const [socket, { raw }] of this.#pending) {
      if (responseOn(socket, raw)?.writableEnded) end(socket)
    }
    this.#cancelDeadline = this.#clock.timeout(() => this.destroy(), deadline)
  }

  /** Drops whatever is in flight. */
  destroy (): void {
    for (const socket of this.#pending.keys()) socket.destroy()
  }

  /** Removes listener and timers. */
  stop (): void {
    this.#server.removeListener('upgrade', this.#onUpgrade)
    this.destroy()
    this.#cancelSweep?.()
    this.#cancelDeadline?.()
  }

  readonly #onUpgrade = (raw: IncomingMessage, socket: Duplex): void => {
    const onClose = () => this.#drop(socket)
    this.#pending.set(socket, { raw, since: this.#clock.now(), ours: false, onClose })
    this.#sockets.set(raw, socket)
    socket.on('error', onError)
    socket.on('close', onClose)
    this.#cancelSweep ??= this.#clock.timeout(this.#sweep, SWEEP_INTERVAL)
    if (this.#closing) process.nextTick(() => this.#refuse(socket))
  }

  /** While closing Fastify answers in the very event, unless @fastify/websocket has left the server: then nobody would. */
  #refuse (socket: Duplex): void {
    const pending = this.#pending.get(socket)
    if (pending === undefined) return
    if (responseOn(socket, pending.raw)?.writableEnded) {
      end(socket)
    } else if (this.#server.listenerCount('upgrade') === 1) {
      socket.write(UNAVAILABLE)
      end(socket)
    }
  }

  /** Ends sockets that were answered where none of our hooks runs. Only whole answers: one in the middle is not ours to cut. */
  readonly #sweep = (): void => {
    const now = this.#clock.now()
    for (const [socket, { raw, since, ours }] of this.#pending) {
      if (ours && now - since >= HANDSHAKE_TIMEOUT) socket.destroy()
      else if (responseOn(socket, raw)?.writableEnded) end(socket)
    }
    this.#cancelSweep = this.#pending.size > 0 ? this.#clock.timeout(this.#sweep, SWEEP_INTERVAL) : undefined
  }

  #drop (socket: Duplex): void {
    const pending = this.#pending.get(socket)
    if (pending === undefined) return
    this.#pending.delete(socket)
    socket.removeListener('error', onError)
    socket.removeListener('close', pending.onClose)
  }
}

function onError (this: Duplex): void {
  this.destroy()
}

/** The response that @fastify/websocket made for an upgrade; `undefined`: whoever answers it does so by other means. */
function responseOn (socket: Duplex, raw: IncomingMessage): ServerResponse | undefined {
  const response: unknown = '_httpMessage' in socket ? socket._httpMessage : undefined
  return response instanceof ServerResponse && response.req === raw ? response : undefined
}

/** Closes a socket once what was handed to it is out. */
function end (socket: Duplex): void {
  if (socket instanceof Socket) socket.destroySoon()
  else socket.end(() => socket.destroy())
}
