/**
 * A point in one log: a room's, or a user's inbox.
 *
 * It names the whole history before it, not only a place in it: `chain` is a digest over the ids of all entries up to
 * `offset`. Two logs that gave the same offset to different entries (a failover that lost writes does that) therefore
 * never have a position in common beyond the point where they parted.
 */
export interface Position {
  /** Names one life of the log; a log that was lost starts a new one. */
  readonly epoch: string
  /** Number of entries appended in this epoch, this one included; 0 is the position before the first entry. */
  readonly offset: number
  /** First 12 hex digits of sha1(previous chain + entry id); `0` at offset 0. */
  readonly chain: string
}

/** The position that stands for "the oldest entry kept", valid wherever a client may name a position. */
export const START = 'start'

/** Longest position a peer may send, in bytes. */
export const MAX_POSITION_BYTES = 100

const POSITION = /^([0-9a-z]{1,24})\.(0|[1-9][0-9]{0,15})\.([0-9a-f]{1,12})$/

export function formatPosition (position: Position): string {
  return `${position.epoch}.${position.offset}.${position.chain}`
}

/** Reads what {@link formatPosition} wrote; anything else is `null`, which callers treat as an expired position. */
export function parsePosition (text: string): Position | null {
  const parts = POSITION.exec(text)
  if (parts === null) return null
  const [, epoch = '', offset = '', chain = ''] = parts
  const value = Number(offset)
  if (!Number.isSafeInteger(value)) return null
  return { epoch, offset: value, chain }
}
