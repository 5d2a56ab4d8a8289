import type { Bridge, Entry } from '../bridge/bridge.js'
import type { ErrorBody, Recovery } from '../protocol/encode.js'
import type { GapReason } from '../protocol/frames.js'
import { MAX_ANSWER_MESSAGES } from '../protocol/frames.js'
import { formatPosition } from '../protocol/position.js'
import type { Position } from '../protocol/position.js'
import type { Channel, Follower } from './channel.js'

/** Entries read for one answer; bytes usually end it earlier. */
const PAGE = 1000

/** Bytes that the members in one answer may take: with the messages it stays below the largest frame. */
const MAX_ANSWER_MEMBERS = 200 * 1024

/** What is left of the bytes that one answer may take; a resume shares it among its rooms. */
export interface AnswerBudget {
  /** For messages, and for what refusals carry. */
  bytes: number
  /** For members. */
  memberBytes: number
}

/** What an answer says of a room besides its id, its messages and its members: position, verdict, or an error in our words. */
const ROOM_OVERHEAD = 256

/** Bytes of an error's message that {@link ROOM_OVERHEAD} has room for. */
const ERROR_MESSAGE = 80

/** What names the content of an error. */
const CONTENT_FIELD = 12

/** @param roomIds - the rooms that the answer names, if more than one: what they take is missing for the rest */
export function answerBudget (roomIds: readonly string[] = []): AnswerBudget {
  let overhead = 0
  for (const roomId of roomIds) overhead += ROOM_OVERHEAD + Buffer.byteLength(JSON.stringify(roomId))
  return {
    bytes: Math.max(0, MAX_ANSWER_MESSAGES - overhead),
    memberBytes: MAX_ANSWER_MEMBERS - Math.max(0, overhead - MAX_ANSWER_MESSAGES)
  }
}

/** An error within an answer: what the application said along with it stays only as far as it fits. */
export function fitError (error: ErrorBody, budget: AnswerBudget): ErrorBody {
  const { content, message, ...rest } = error
  const longMessage = message === undefined ? 0 : Math.max(0, Buffer.byteLength(JSON.stringify(message)) - ERROR_MESSAGE)
  if (!spend(budget, longMessage)) return rest
  if (content === undefined || !spend(budget, Buffer.byteLength(content) + CONTENT_FIELD)) return { ...rest, message }
  return error
}

/** Where a follower wants to begin: behind a position of its own, with the newest entries, or with what comes from now on. */
export interface Wanted {
  readonly since?: string
  readonly last?: number
  /** Of the newest entries behind a gap, none that the follower may have seen: nothing where two histories parted. */
  readonly unseen?: boolean
}

/** What a log gave a follower that wants more than what comes from now on. */
export interface Backlog {
  /** The follower's own position; `null` when it named none. */
  readonly since: string | null
  readonly gap?: GapReason
  /** `null`: no messages were asked for (only a verdict). */
  readonly entries: readonly Entry[] | null
  /** What the entries lead up to. */
  readonly position: Position
  readonly more: boolean
  /** {@link Channel.resets} when the reading began. */
  readonly resets: number
  /** No more than this many of the newest, where these were asked for. */
  readonly last?: number
}

/**
 * Reads what {@link settle} needs; `null` when nothing is to be read.
 * @throws {BridgeError}
 */
export async function readBacklog (bridge: Bridge, channel: Channel, wanted: Wanted): Promise<Backlog | null> {
  const bounds = { limit: PAGE, maxBytes: MAX_ANSWER_MESSAGES }
  const { resets } = channel
  let gap: GapReason | undefined
  if (wanted.since !== undefined) {
    if (wanted.since === formatPosition(channel.head)) {
      return { since: wanted.since, entries: [], position: channel.head, more: false, resets }
    }
    const read = await bridge.read(channel.name, { since: wanted.since, ...bounds })
    if (read.gap === undefined) {
      return { since: wanted.since, entries: read.entries, position: read.position, more: read.more, resets }
    }
    gap = read.gap
    if (wanted.last === undefined || (wanted.unseen === true && gap === 'diverged')) {
      return { since: wanted.since, gap, entries: null, position: read.head, more: false, resets }
    }
  }
  if (wanted.last === undefined) return null
  const { last } = wanted
  const { entries, head } = last === 0 ? { entries: [], head: channel.head } : await bridge.read(channel.name, { last, ...bounds })
  return { since: wanted.since ?? null, gap, entries, position: head, more: false, resets, last }
}

/**
 * Makes the follower live behind its backlog, in one turn: the answer this returns covers every entry up to its position,
 * and the follower gets every later one. Where that does not fit into the answer the follower stays silent (`more`), and
 * reads on.
 */
export function settle (channel: Channel, follower: Follower, backlog: Backlog | null, budget: AnswerBudget): Recovery {
  if (backlog === null) {
    const from = follower.live ? channel.positionOf(follower) : channel.head
    follower.live = true
    channel.follow(follower, from === channel.head ? null : from)
    return { position: formatPosition(from) }
  }

  const { since, gap } = backlog
  const verdict = since === null ? {} : gap === undefined ? { recovered: true } : { recovered: false, reason: gap }

  const replaced = backlog.resets !== channel.resets
  if (replaced || backlog.position.epoch !== channel.head.epoch) {
    // The log began anew, or lost its end, between the read and now: what was read may be a past that nobody continues. In
    // the same epoch it would even look like the future of what arrives.
    follower.live = true
    channel.follow(follower, null)
    return {
      position: formatPosition(channel.head),
      ...(since === null ? {} : { recovered: false, reason: gap ?? (replaced ? 'diverged' : 'expired') }),
      ...(backlog.entries === null ? {} : { messages: [] })
    }
  }

  const arrived = channel.since(backlog.position)
  const newestOnly = since === null || gap !== undefined
  const read = backlog.entries ?? []
  const all = arrived === null || backlog.more ? read : [...read, ...(backlog.entries === null ? [] : arrived)]
  const whole = backlog.last === undefined ? all : all.slice(Math.max(0, all.length - backlog.last))
  const fitting = newestOnly ? fitNewest(whole, budget) : fitOldest(whole, budget)
  const cut = !newestOnly && fitting.length < whole.length
  const more = cut || backlog.more || arrived === null
  const messages = backlog.entries === null ? {} : { messages: fitting.map(({ payload }) => payload) }

  if (more) {
    follower.live = false
    channel.follow(follower, null)
    const position = cut ? lastPosition(fitting, since) : formatPosition(backlog.position)
    return { position, ...verdict, ...messages, more: true }
  }
  const ahead = backlog.position.offset > channel.head.offset ? backlog.position : null
  const position = ahead ?? channel.head
  follower.live = true
  channel.follow(follower, ahead)
  return { position: formatPosition(position), ...verdict, ...messages }
}

/** The position a partly filled answer leads to; where nothing fitted, the one the follower came with. */
function lastPosition (entries: readonly Entry[], since: string | null): string {
  const last = entries.at(-1)
  return last === undefined ? since ?? '' : formatPosition(last.position)
}

function fitOldest (entries: readonly Entry[], budget: AnswerBudget): readonly Entry[] {
  let count = 0
  for (const { payload } of entries) {
    if (!spend(budget, payload.length + 1)) break
    count++
  }
  return count === entries.length ? entries : entries.slice(0, count)
}

function fitNewest (entries: readonly Entry[], budget: AnswerBudget): readonly Entry[] {
  let first = entries.length
  for (let i = entries.length - 1; i >= 0; i--) {
    if (!spend(budget, (entries[i]?.payload.length ?? 0) + 1)) break
    first = i
  }
  return first === 0 ? entries : entries.slice(first)
}

function spend (budget: AnswerBudget, bytes: number): boolean {
  if (bytes > budget.bytes) return false
  budget.bytes -= bytes
  return true
}
