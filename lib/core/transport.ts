/**
 * What the core needs of a socket. lib/http/transport.ts makes one from a `ws` socket; tests make their own.
 */
export interface Transport {
  /**
   * Whether `write` takes finished WebSocket frames. False where there is no TCP socket of ours to write to (an injected
   * socket) or where ws compresses: then every frame goes through `send` by itself.
   */
  readonly raw: boolean
  /** Bytes handed over and not yet taken by the operating system. */
  readonly bufferedAmount: number
  /** Writes finished frames in one go. False: full, wait for `onDrain`. Ignored once closing. */
  write (wire: Buffer): boolean
  /** Sends one payload as one text message. False as for `write`. Ignored once closing. */
  send (payload: Buffer): boolean
  /** A WebSocket ping; answered by every conforming peer without its application. */
  ping (): void
  /** Starts the closing handshake. A second call is ignored. */
  close (code: number, reason: string): void
  /** Drops the socket at once. */
  terminate (): void
}
