/**
 * The vocabulary of the wire: what a client sends, as {@link decode} hands it on, and the names both sides use.
 * The published form is docs/protocol.md.
 */

/** Subprotocol the server answers with. */
export const SUBPROTOCOL = 'realtime.v1'

/** Prefix of the subprotocol that carries a JWT from a browser. Never echoed. */
export const BEARER_PROTOCOL = 'bearer.'

/** Event of a `message` frame that names none. */
export const DEFAULT_EVENT = 'message'

/** Event of a user's own updates in the room `user:<userId>`. */
export const USER_UPDATE_EVENT = 'user-update'

/** Event names a client library uses for itself, so no room may declare them. */
export const RESERVED_EVENTS: ReadonlySet<string> = new Set(['presence', 'typing', 'reset', 'left', 'error'])

/** No server frame is larger than this, in bytes: 512 KiB. As one number, so that bundlers can leave it out. */
export const MAX_SERVER_FRAME = 524_288

/** Messages stop at this many bytes an answer, 256 KiB; the rest follows page by page. */
export const MAX_ANSWER_MESSAGES = 262_144

/** Members in one presence answer. */
export const PRESENCE_PAGE = 100

/** Entries one `history` frame may ask for. */
export const MAX_HISTORY_LIMIT = 100

/** Positions one `received` frame may carry. */
export const MAX_RECEIVED = 100

/** Error codes of an `error` frame. */
export type ErrorCode =
  | 'bad_frame' | 'bad_request' | 'forbidden' | 'not_member' | 'unknown_event' | 'invalid_content' | 'too_large'
  | 'rate_limited' | 'limit_reached' | 'conflict' | 'refused' | 'unavailable' | 'timeout' | 'internal'

/** Why a position could not be continued. */
export type GapReason = 'trimmed' | 'diverged' | 'expired'

/** Why a connection is no longer in a room. */
export type LeftReason = 'removed' | 'revoked' | 'closed'

/** How a member's presence changed, as told to other members. */
export type PresenceChange = 'joined' | 'left' | 'updated'

export interface JoinFrame {
  readonly type: 'join'
  readonly id?: number
  readonly roomId: string
  readonly since?: string
  readonly history?: number
  readonly presence: boolean
}

export interface LeaveFrame {
  readonly type: 'leave'
  readonly id?: number
  readonly roomId: string
}

export interface MessageFrame {
  readonly type: 'message'
  readonly id?: number
  readonly roomId: string
  readonly event: string
  readonly content: unknown
  readonly key?: string
}

export interface TypingFrame {
  readonly type: 'typing'
  readonly id?: number
  readonly roomId: string
  readonly typing: boolean
}

export interface PresenceFrame {
  readonly type: 'presence'
  readonly id?: number
  readonly roomId: string
  readonly after?: string
}

export interface StatusFrame {
  readonly type: 'status'
  readonly id?: number
  readonly roomId: string
  readonly status?: string
  /** `undefined`: leave as it is; `null`: clear. */
  readonly meta?: unknown
}

export interface HistoryFrame {
  readonly type: 'history'
  readonly id?: number
  readonly roomId: string
  readonly before?: string
  readonly after?: string
  readonly limit: number
}

export interface CallFrame {
  readonly type: 'call'
  readonly id?: number
  readonly event: string
  readonly content: unknown
}

export interface ResumeRoom {
  readonly roomId: string
  readonly since?: string
  readonly history?: number
  readonly presence: boolean
}

export interface ResumeFrame {
  readonly type: 'resume'
  readonly id?: number
  readonly inbox?: string
  readonly rooms: readonly ResumeRoom[]
}

export interface ReceivedFrame {
  readonly type: 'received'
  readonly id?: number
  readonly positions: readonly string[]
}

export interface PongFrame {
  readonly type: 'pong'
  readonly id?: number
}

export type ClientFrame =
  | JoinFrame | LeaveFrame | MessageFrame | TypingFrame | PresenceFrame | StatusFrame | HistoryFrame | CallFrame
  | ResumeFrame | ReceivedFrame | PongFrame
