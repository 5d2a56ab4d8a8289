import { hash } from 'node:crypto'
import type { GapReason } from '../protocol/frames.js'
import type { Position } from '../protocol/position.js'

/**
 * What makes positions proof against a log that was rolled back, shared by every bridge. A bridge that decides inside its
 * store (a Lua script) mirrors these lines there; test/bridge/judge.test.ts states what both must keep.
 */

/** Chain of the position before the first entry. */
export const GENESIS = '0'

/** Shortest time in ms that a log's head outlives its last use, so that positions stay comparable. */
const MIN_META_TTL = 24 * 60 * 60 * 1000

export type Verdict = 'recovered' | GapReason

/**
 * The digest that names a history: everything before, plus one entry. Twelve digits are enough against accidents, which is
 * all it guards against: a position grants nothing.
 */
export function chainOf (previous: string, entryId: string): string {
  return hash('sha1', previous + entryId, 'hex').slice(0, 12)
}

/** The position of the next entry of a log. */
export function advance (head: Position, entryId: string): Position {
  return { epoch: head.epoch, offset: head.offset + 1, chain: chainOf(head.chain, entryId) }
}

/** Head of a log that has no history yet. */
export function genesis (epoch: string): Position {
  return { epoch, offset: 0, chain: GENESIS }
}

/**
 * First step of every use of a log. `null`: its head is lost, or contradicts the newest entry that is there; the log must be
 * deleted and begin a new epoch at {@link genesis}. A log without entries contradicts nothing: they go by age.
 *
 * @param head what the store remembers as the log's head
 * @param last the newest entry kept
 */
export function open (head: Position | null, last: Pick<Position, 'offset' | 'chain'> | null): Position | null {
  if (head === null) return null
  if (last !== null && (last.offset !== head.offset || last.chain !== head.chain)) return null
  return head
}

/**
 * Decides whether a position continues into a log that {@link open} let pass: `recovered` means that the entries after it,
 * up to the head, are exactly what followed it.
 *
 * @param previousChain the chain before the entry at an offset; `undefined` where that entry is not kept
 */
export function judge (
  position: Position,
  head: Position,
  previousChain: (offset: number) => string | undefined
): Verdict {
  if (position.epoch !== head.epoch) return 'expired'
  if (position.offset > head.offset) return 'diverged'
  if (position.offset === head.offset) return position.chain === head.chain ? 'recovered' : 'diverged'
  const chain = previousChain(position.offset + 1)
  if (chain === undefined) return 'trimmed'
  return chain === position.chain ? 'recovered' : 'diverged'
}

/** How long in ms a log's head is kept after its last use. */
export function metaTtl (ttl: number): number {
  return Math.max(MIN_META_TTL, 2 * ttl)
}
