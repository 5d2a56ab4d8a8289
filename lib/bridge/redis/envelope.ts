import type { Position } from '../../protocol/position.js'
import type { Entry, RemovalEntry } from '../bridge.js'

/*
 * What is fanned out on a channel: a line of text that says what it is, then data. The first character is the version of the format,
 * the second the kind. Whatever is not understood, or does not add up, is nothing: somebody else's, or a later version's.
 */

/** Consecutive entries of a log. */
export interface LogEnvelope {
  readonly kind: 'log'
  /** What the first one follows. */
  readonly before: Position
  /** The last one's, of whatever kind. */
  readonly end: Position
  /** Those of kinds that are known. */
  readonly entries: ReadonlyArray<Entry | RemovalEntry>
}

export type Envelope =
  | LogEnvelope
  /** Finished frames that are kept nowhere. */
  | { readonly kind: 'volatile', readonly payloads: readonly Buffer[] }
  | { readonly kind: 'typing', readonly userId: string, readonly typing: boolean }
  /** JSON text. */
  | { readonly kind: 'presence', readonly body: string }

/** Larger ones are none of ours, in bytes. */
export const MAX_ENVELOPE = 4 * 1024 * 1024

const NEWLINE = 10
const INTEGER = /^(0|[1-9][0-9]{0,15})$/

/** Lines and data one after the other, in bytes that are not copied. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor (bytes: Buffer) {
    this.#bytes = bytes
  }

  get done (): boolean {
    return this.#at === this.#bytes.length
  }

  /** The words of the next line. */
  line (): string[] {
    const end = this.#bytes.indexOf(NEWLINE, this.#at)
    if (end === -1 || end - this.#at > 1024) return []
    const words = this.#bytes.toString('latin1', this.#at, end).split(' ')
    this.#at = end + 1
    return words
  }

  data (length: number): Buffer | null {
    const end = this.#at + length
    if (!(length >= 0) || end > this.#bytes.length) return null
    const data = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return data
  }
}

/** `null`: nothing that can be used. */
export function readEnvelope (bytes: Buffer): Envelope | null {
  if (bytes.length > MAX_ENVELOPE) return null
  const reader = new Reader(bytes)
  const [type, ...words] = reader.line()
  if (type === '1L') return readLog(reader, words)
  if (type === '1V') return readVolatile(reader, words)
  const rest = reader.data(bytes.length - bytes.indexOf(NEWLINE) - 1)
  if (rest === null) return null
  if (type === '1T') return /^[01]$/.test(words[0] ?? '') && rest.length > 0 ? { kind: 'typing', typing: words[0] === '1', userId: rest.toString() } : null
  if (type === '1P') return { kind: 'presence', body: rest.toString() }
  return null
}

function readLog (reader: Reader, [epoch = '', offset = '', chain = '', time = '', count = '']: string[]): LogEnvelope | null {
  if (!INTEGER.test(offset) || !INTEGER.test(time) || !INTEGER.test(count)) return null
  const before: Position = { epoch, offset: Number(offset), chain }
  const timestamp = Number(time)
  const entries: Array<Entry | RemovalEntry> = []
  let end = before
  for (let index = 1; index <= Number(count); index++) {
    const [kind = '', next = '', length = ''] = reader.line()
    const data = INTEGER.test(length) ? reader.data(Number(length)) : null
    if (data === null) return null
    end = { epoch, offset: before.offset + index, chain: next }
    const entry = entryOf(kind, end, timestamp, data)
    if (entry !== null) entries.push(entry)
    else if (isKnown(kind)) return null
  }
  return reader.done && end !== before ? { kind: 'log', before, end, entries } : null
}

function readVolatile (reader: Reader, [count = '']: string[]): Envelope | null {
  if (!INTEGER.test(count)) return null
  const payloads: Buffer[] = []
  for (let index = 1; index <= Number(count); index++) {
    const [length = ''] = reader.line()
    const payload = INTEGER.test(length) ? reader.data(Number(length)) : null
    if (payload === null) return null
    payloads.push(payload)
  }
  return reader.done && payloads.length > 0 ? { kind: 'volatile', payloads } : null
}

function isKnown (kind: string): boolean {
  return kind === 'm' || kind === 'r' || kind === 'x'
}

/** An entry as the log and the fan-out carry it; `null`: of a kind that is not known, or with data that make no sense. */
export function entryOf (kind: string, position: Position, timestamp: number, data: Buffer): Entry | RemovalEntry | null {
  if (kind === 'm' || kind === 'r') return { kind: 'message', position, payload: data, timestamp, receipt: kind === 'r' }
  if (kind !== 'x') return null
  const removal = readRemoval(data)
  return removal === null ? null : { kind: 'removal', position, ...removal }
}

function readRemoval (data: Buffer): { userId: string, reason?: string } | null {
  try {
    const { userId, reason }: { userId?: unknown, reason?: unknown } = Object(JSON.parse(data.toString()))
    if (typeof userId !== 'string') return null
    return { userId, ...(typeof reason === 'string' && { reason }) }
  } catch {
    return null
  }
}

export function volatileEnvelope (frames: readonly string[]): string {
  let text = `1V ${frames.length}\n`
  for (const frame of frames) text += `${Buffer.byteLength(frame)}\n${frame}`
  return text
}

export function typingEnvelope (userId: string, typing: boolean): string {
  return `1T ${typing ? 1 : 0}\n${userId}`
}

/** Two names of one place in one log. */
export function samePosition (a: Position, b: Position): boolean {
  return a.offset === b.offset && a.chain === b.chain && a.epoch === b.epoch
}
