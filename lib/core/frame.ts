/** Second byte of a header whose payload length follows in two bytes, and in eight. */
const LENGTH_16 = 126
const LENGTH_64 = 127

/** FIN and the opcode of a text message. */
const FIN_TEXT = 0x81

/**
 * One server frame, encoded once and shared by reference by everybody it goes to. Never changed after it is made: it may
 * sit in thousands of queues and socket buffers at the same time.
 */
export class Frame {
  /** The finished, unmasked WebSocket text frame. */
  readonly wire: Buffer
  /** Bytes of {@link wire}. A plain field, since the queues add it up on every push. */
  readonly size: number
  /** Whether a consumer that is too slow may do without it (typing, cursors); it is dropped before the connection is. */
  readonly volatile: boolean

  /** @param wire - A whole WebSocket frame; {@link createFrame} makes one. */
  constructor (wire: Buffer, volatile: boolean) {
    this.wire = wire
    this.size = wire.length
    this.volatile = volatile
  }

  /** The message without its header, sharing its memory. Made on demand: only transports that are not raw need it. */
  get payload (): Buffer {
    const length = this.wire[1]
    return this.wire.subarray(length === LENGTH_64 ? 10 : length === LENGTH_16 ? 4 : 2)
  }
}

/**
 * Builds the frame of a text message.
 *
 * Small ones come out of Node's 8 KiB pool, so one that is kept would pin its slab; frames live no longer than the
 * slowest queue they are in.
 *
 * @param payload - Well-formed UTF-8, or the text itself.
 */
export function createFrame (payload: string | Buffer, volatile: boolean = false): Frame {
  const length = Buffer.byteLength(payload)
  const header = length < LENGTH_16 ? 2 : length < 0x10000 ? 4 : 10
  const wire = Buffer.allocUnsafe(header + length)
  wire[0] = FIN_TEXT
  if (header === 2) {
    wire[1] = length
  } else if (header === 4) {
    wire[1] = LENGTH_16
    wire.writeUInt16BE(length, 2)
  } else {
    wire[1] = LENGTH_64
    wire.writeUIntBE(0, 2, 2)
    wire.writeUIntBE(length, 4, 6)
  }
  if (typeof payload === 'string') {
    wire.write(payload, header)
  } else {
    payload.copy(wire, header)
  }
  return new Frame(wire, volatile)
}
