import { Socket } from 'node:net'

import type { WebSocket } from 'ws'

import type { Transport } from '../core/transport.js'

/** Bytes from which on `ws.send` counts as full, and below which it has drained: a socket's usual mark. */
const HIGH_WATER_MARK = 16 * 1024

/** A close frame is a control frame: 125 bytes, two of them for the code. */
const MAX_REASON = 123

/** Sent in place of a code that must not be sent. */
const INTERNAL_ERROR = 1011

/** A finished ping without payload. */
const PING = Buffer.from([0x89, 0x00])

/**
 * Makes the transport of an accepted WebSocket.
 *
 * Finished frames go straight to the TCP socket, where there is one and ws does not compress. That is safe beside ws, which
 * writes its own frames (pong, close) whole and synchronously, as long as nothing follows a close frame: so nothing is
 * written in any other state than open, which ws leaves before it sends one.
 *
 * @param rawSocket - `request.raw.socket`; anything but a `net.Socket` (an injected one) makes every frame go by `ws.send`.
 * @param onDrain - Called when frames are taken again after `write` or `send` said no.
 */
export function createTransport (ws: WebSocket, rawSocket: unknown, onDrain: () => void): Transport {
  if (rawSocket instanceof Socket && ws.extensions === '') {
    rawSocket.on('drain', onDrain)
    return new RawTransport(ws, rawSocket)
  }
  return new MessageTransport(ws, onDrain)
}

class RawTransport implements Transport {
  readonly #ws: WebSocket
  readonly #socket: Socket

  constructor (ws: WebSocket, socket: Socket) {
    this.#ws = ws
    this.#socket = socket
  }

  get raw (): boolean {
    return true
  }

  get bufferedAmount (): number {
    return this.#socket.writableLength
  }

  write (wire: Buffer): boolean {
    if (!isOpen(this.#ws)) return true
    // Streams judge by the size of a write before they try it: any of 16 KiB is "full" for a tick, even when the kernel has
    // taken it all.
    return this.#socket.write(wire) || this.#socket.writableLength === 0
  }

  send (payload: Buffer): boolean {
    if (!isOpen(this.#ws)) return true
    this.#ws.send(payload, { binary: false }, ignore)
    return this.#socket.writableLength < HIGH_WATER_MARK
  }

  ping (): void {
    if (isOpen(this.#ws)) this.#socket.write(PING)
  }

  close (code: number, reason: string): void {
    closeWith(this.#ws, code, reason)
  }

  terminate (): void {
    this.#ws.terminate()
  }
}

class MessageTransport implements Transport {
  readonly #ws: WebSocket
  readonly #onDrain: () => void
  #full = false

  constructor (ws: WebSocket, onDrain: () => void) {
    this.#ws = ws
    this.#onDrain = onDrain
  }

  get raw (): boolean {
    return false
  }

  get bufferedAmount (): number {
    return this.#ws.bufferedAmount
  }

  /** Never asked of a transport that is not raw: there is no place for finished frames. */
  write (): boolean {
    return true
  }

  send (payload: Buffer): boolean {
    if (!isOpen(this.#ws)) return true
    this.#ws.send(payload, { binary: false }, this.#sent)
    this.#full = this.#ws.bufferedAmount >= HIGH_WATER_MARK
    return !this.#full
  }

  ping (): void {
    if (isOpen(this.#ws)) this.#ws.ping(undefined, undefined, ignore)
  }

  close (code: number, reason: string): void {
    closeWith(this.#ws, code, reason)
  }

  terminate (): void {
    this.#ws.terminate()
  }

  readonly #sent = (): void => {
    if (!this.#full || this.#ws.bufferedAmount >= HIGH_WATER_MARK) return
    this.#full = false
    this.#onDrain()
  }
}

function isOpen (ws: WebSocket): boolean {
  return ws.readyState === ws.OPEN
}

/** ws reports an error of the socket by itself; here it only must not become an exception. */
function ignore (): void {}

function closeWith (ws: WebSocket, code: number, reason: string): void {
  if (isOpen(ws)) ws.close(isSendable(code) ? code : INTERNAL_ERROR, truncate(reason))
}

/** RFC 6455, 7.4: 1005, 1006 and 1015 only report how a connection ended, 1004 and 1016-2999 are reserved. */
function isSendable (code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
}

/** Cuts between two characters: ws throws on a longer reason, and the client fails the connection on half a character. */
function truncate (reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON) return reason
  let end = MAX_REASON
  while (end > 0 && isContinuation(bytes[end])) end--
  return bytes.toString('utf8', 0, end)
}

function isContinuation (byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
