import type { Member } from '../../types/presence.js'
import type { ErrorCode, GapReason, LeftReason, PresenceChange } from '../protocol/frames.js'

/* Frames of the server as a client reads them; docs/protocol.md says what they mean. */

export interface RoomMessageFrame {
  readonly type: 'message'
  readonly roomId: string
  readonly event: string
  readonly userId: string | null
  readonly content: unknown
  readonly timestamp: number
  readonly position?: string
  readonly key?: string
}

export interface DirectFrame {
  readonly type: 'direct'
  readonly event: string
  readonly userId: string | null
  readonly content: unknown
  readonly timestamp: number
  readonly position?: string
  readonly receipt?: boolean
}

export interface PresencePage {
  readonly members: readonly Member[]
  readonly count: number
  readonly more?: boolean
}

export interface ErrorPart {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly retryAfter?: number
  readonly content?: unknown
}

export interface Recovery<Message> {
  readonly position?: string
  readonly recovered?: boolean
  readonly reason?: GapReason
  readonly messages?: readonly Message[]
  readonly more?: boolean
  readonly error?: ErrorPart
}

export interface JoinAnswer extends Recovery<RoomMessageFrame> {
  readonly roomId: string
  readonly presence?: PresencePage
}

export interface Welcome {
  readonly type: 'welcome'
  readonly connectionId: string
  readonly userId: string
  readonly heartbeat: number
  readonly expiresAt?: number
  readonly inbox: string
  readonly limits: {
    readonly maxPayload: number
    readonly messages: { readonly max: number, readonly window: number }
    readonly joins: { readonly max: number, readonly window: number }
    readonly keyTtl: number
  }
}

/** Whatever the request: who asked knows which of the fields are there. */
export interface Ack extends JoinAnswer, PresencePage {
  readonly type: 'ack'
  readonly id: number
  readonly messages: readonly RoomMessageFrame[]
  readonly timestamp: number
  readonly key: string
  readonly duplicate?: boolean
  readonly content: unknown
  readonly inbox: Recovery<DirectFrame>
  readonly rooms: readonly JoinAnswer[]
}

export interface ErrorFrame extends ErrorPart {
  readonly type: 'error'
  readonly id?: number
  readonly roomId?: string
  readonly key?: string
}

/** Frames about one room that its handle looks after. */
export type RoomFrame =
  | RoomMessageFrame
  | { readonly type: 'typing', readonly roomId: string, readonly userId: string, readonly typing: boolean }
  | Member & { readonly type: 'presence', readonly roomId: string, readonly change: PresenceChange }
  | { readonly type: 'joined', readonly roomId: string, readonly position?: string, readonly presence?: PresencePage }
  | { readonly type: 'left', readonly roomId: string, readonly reason: LeftReason }
  | { readonly type: 'reset', readonly roomId: string, readonly inbox?: undefined, readonly reason: GapReason, readonly position: string }

export type ServerFrame =
  | Welcome | Ack | ErrorFrame | RoomFrame | DirectFrame
  | { readonly type: 'reset', readonly inbox: true, readonly reason: GapReason, readonly position: string }
  | { readonly type: 'broadcast', readonly event: string, readonly content: unknown, readonly timestamp: number }
  | { readonly type: 'ping' }
  | { readonly type: 'expiring', readonly expiresAt: number }
  | { readonly type: 'goaway', readonly reconnectIn: number }
