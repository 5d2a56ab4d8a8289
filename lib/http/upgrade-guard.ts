import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'

/** How often answered sockets are looked for that no hook told of. */
const SWEEP_INTERVAL = 1000

/** Ms after which a handshake that nobody answered is over: a hook that never ends must not hold sockets. */
const HANDSHAKE_TIMEOUT = 30_000

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n'

interface Pending {
  readonly since: number
  /** Bytes written before the upgrade was asked for: earlier answers on a kept-alive connection. */
  readonly before: number
  /** Bytes written at the last sweep. */
  last: number
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
    for (const [socket, pending] of this.#pending) {
      if (written(socket) > pending.before) end(socket)
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
    const before = written(socket)
    const onClose = () => this.#drop(socket)
    this.#pending.set(socket, { since: this.#clock.now(), before, last: before, onClose })
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
    if (written(socket) > pending.before) {
      end(socket)
    } else if (this.#server.listenerCount('upgrade') === 1) {
      socket.write(UNAVAILABLE)
      end(socket)
    }
  }

  /** Ends sockets that were answered where none of our hooks runs. Two looks, so that no answer is cut in the middle. */
  readonly #sweep = (): void => {
    const now = this.#clock.now()
    for (const [socket, pending] of this.#pending) {
      const bytes = written(socket)
      if (now - pending.since >= HANDSHAKE_TIMEOUT) socket.destroy()
      else if (bytes > pending.before && bytes === pending.last) end(socket)
      pending.last = bytes
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

/** Bytes handed to a socket, sent or not. An injected one does not count them. */
function written (socket: Duplex): number {
  return socket instanceof Socket ? socket.bytesWritten : 0
}

/** Closes a socket once what was handed to it is out. */
function end (socket: Duplex): void {
  if (socket instanceof Socket) socket.destroySoon()
  else socket.end(() => socket.destroy())
}
