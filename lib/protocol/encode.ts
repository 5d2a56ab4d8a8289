import { isDeeperThan } from './depth.js'
import { errorCodes } from './error-codes.js'
import type { Member } from '../../types/presence.js'
import type { ErrorCode, GapReason, LeftReason, PresenceChange } from './frames.js'
import { utf8Length } from './names.js'

/**
 * Server frames, typed -> JSON text. Content arrives as JSON text ({@link contentText}) and finished frames as they were
 * stored; both are concatenated and never parsed again.
 */

/** A finished frame: its JSON text, or that as UTF-8. */
export type FrameText = string | Uint8Array

// --- content ---

export type ContentProblem = 'not_serializable' | 'too_deep' | 'too_large'

/** Why content of the application cannot be sent. */
export class ContentError extends Error {
  readonly problem: ContentProblem

  constructor (problem: ContentProblem, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ContentError'
    this.problem = problem
  }
}

export interface ContentLimits {
  /** Nesting of the content itself; a scalar is 0, `[]` is 1. */
  readonly depth: number
  /** Bytes of its JSON text. */
  readonly bytes: number
}

/**
 * The JSON text of application content; `undefined` is `null`.
 * @throws {ContentError} when it is not JSON (BigInt, cycle, function, symbol, a toJSON that throws), nested too deep or too large
 */
export function contentText (content: unknown, limits: ContentLimits): string {
  return checkedText(content === undefined ? 'null' : stringify(content, limits), limits)
}

/**
 * JSON text that somebody else made of content.
 * @throws {ContentError} when it is no text, nested too deep or too large
 */
export function checkedText (text: unknown, limits: ContentLimits): string {
  if (typeof text !== 'string') throw new ContentError('not_serializable', `the content cannot be serialized: its serializer made a ${typeof text} of it`)
  // A UTF-16 unit is one to three bytes, so most texts need no counting.
  if (text.length > limits.bytes || (text.length * 3 > limits.bytes && utf8Length(text) > limits.bytes)) throw tooLarge(limits)
  if (isDeeperThan(text, limits.depth)) throw tooDeep(limits)
  return text
}

function stringify (content: unknown, limits: ContentLimits): string {
  let text: string | undefined
  try {
    text = JSON.stringify(content)
  } catch (err) {
    // How the engine gives up on size: the stack on nesting, the longest string on bytes. A toJSON may throw others.
    if (err instanceof RangeError && err.message.includes('call stack')) throw tooDeep(limits, err)
    if (err instanceof RangeError && err.message.includes('string length')) throw tooLarge(limits, err)
    const reason = err instanceof Error ? firstLine(err.message) : 'toJSON threw'
    throw new ContentError('not_serializable', `the content cannot be serialized: ${reason}`, { cause: err })
  }
  if (text === undefined) throw new ContentError('not_serializable', `the content cannot be serialized: it is a ${typeof content}`)
  return text
}

function tooDeep ({ depth }: ContentLimits, cause?: unknown): ContentError {
  return new ContentError('too_deep', `the content is nested deeper than ${depth} levels`, { cause })
}

function tooLarge ({ bytes }: ContentLimits, cause?: unknown): ContentError {
  return new ContentError('too_large', `the content is larger than ${bytes} bytes`, { cause })
}

/** V8 draws a cycle over several lines; the first one says what it is. */
function firstLine (text: string): string {
  const end = text.indexOf('\n')
  return (end === -1 ? text : text.slice(0, end)).slice(0, 200)
}

// --- frames that a log or a fan-out finishes ---

export interface MessageHead {
  readonly roomId: string
  readonly event: string
  /** `null`: sent by the server. */
  readonly userId: string | null
  /** JSON text. */
  readonly content: string
  readonly key?: string
}

/** A `message` frame up to what only the store knows; {@link finishFrame} adds that. */
export function messageHead ({ roomId, event, userId, content, key }: MessageHead): string {
  return '{"type":"message","roomId":' + JSON.stringify(roomId) +
    ',"event":' + JSON.stringify(event) +
    ',"userId":' + JSON.stringify(userId) +
    ',"content":' + content +
    textField('key', key)
}

export interface DirectHead {
  readonly event: string
  /** `null`: sent by the server. */
  readonly userId: string | null
  /** JSON text. */
  readonly content: string
  /** Ask for `received`. */
  readonly receipt?: boolean
}

/** A `direct` frame up to what only the store knows. */
export function directHead ({ event, userId, content, receipt }: DirectHead): string {
  return '{"type":"direct","event":' + JSON.stringify(event) +
    ',"userId":' + JSON.stringify(userId) +
    ',"content":' + content +
    (receipt === true ? ',"receipt":true' : '')
}

/** A `broadcast` frame up to its timestamp; `content` is JSON text. */
export function broadcastHead (event: string, content: string): string {
  return '{"type":"broadcast","event":' + JSON.stringify(event) + ',"content":' + content
}

/** Closes a head. The only place where a frame gets its timestamp and its position. */
export function finishFrame (head: string, timestamp: number, position?: string): string {
  const dated = head + ',"timestamp":' + timestamp
  return position === undefined ? dated + '}' : dated + ',"position":"' + position + '"}'
}

// --- answers ---

/** How a log goes on from the position a client named. */
export interface Recovery {
  /** Absent in a volatile room. */
  readonly position?: string
  /** Given exactly when the client gave a position. */
  readonly recovered?: boolean
  readonly reason?: GapReason
  /** Finished frames, oldest first. */
  readonly messages?: readonly FrameText[]
  readonly more?: boolean
}

export interface PresencePage {
  /** In order of user id. */
  readonly members: readonly Member[]
  readonly count: number
  readonly more?: boolean
}

/** A failed part of an answer, or of an `error` frame. */
export interface ErrorBody {
  readonly code: ErrorCode
  /** By default the code's own. */
  readonly message?: string
  /** By default the code's own. */
  readonly retryable?: boolean
  /** In ms. */
  readonly retryAfter?: number
  /** JSON text. */
  readonly content?: string
}

export interface ErrorFields extends ErrorBody {
  readonly id?: number
  readonly roomId?: string
  readonly key?: string
}

export function errorFrame (fields: ErrorFields): string {
  return '{"type":"error"' +
    numberField('id', fields.id) + ',' +
    errorBody(fields) +
    textField('roomId', fields.roomId) +
    textField('key', fields.key) + '}'
}

/** The ack of `leave` and `status`, and of any frame whose answer says nothing but that it was done. */
export function plainAck (id: number, roomId?: string): string {
  return ackHead(id) + textField('roomId', roomId) + '}'
}

export interface JoinAnswer extends Recovery {
  readonly roomId: string
  readonly presence?: PresencePage
}

export function joinAck (id: number, answer: JoinAnswer): string {
  return ackHead(id) + ',' + joinAnswer(answer) + '}'
}

export interface MessageAnswer {
  readonly roomId: string
  readonly position?: string
  readonly timestamp: number
  readonly key?: string
  readonly duplicate?: boolean
}

export function messageAck (id: number, { roomId, position, timestamp, key, duplicate }: MessageAnswer): string {
  return ackHead(id) + textField('roomId', roomId) +
    textField('position', position) +
    numberField('timestamp', timestamp) +
    textField('key', key) +
    flag('duplicate', duplicate) + '}'
}

export function presenceAck (id: number, roomId: string, page: PresencePage): string {
  return ackHead(id) + textField('roomId', roomId) + ',' + presencePage(page) + '}'
}

export interface HistoryAnswer {
  readonly roomId: string
  /** Finished frames, oldest first. */
  readonly messages: readonly FrameText[]
  readonly more?: boolean
  readonly reason?: GapReason
}

export function historyAck (id: number, { roomId, messages, more, reason }: HistoryAnswer): string {
  return ackHead(id) + textField('roomId', roomId) +
    frames('messages', messages) +
    flag('more', more) +
    textField('reason', reason) + '}'
}

/** `content` is the JSON text of what the handler returned. */
export function callAck (id: number, content: string): string {
  return ackHead(id) + ',"content":' + content + '}'
}

export type InboxAnswer = Recovery | { readonly error: ErrorBody }
export type ResumedRoom = JoinAnswer | { readonly roomId: string, readonly error: ErrorBody }

export interface ResumeAnswer {
  readonly inbox: InboxAnswer
  /** In the order of the request. */
  readonly rooms: readonly ResumedRoom[]
}

export function resumeAck (id: number, { inbox, rooms }: ResumeAnswer): string {
  return ackHead(id) +
    ',"inbox":{' + ('error' in inbox ? '"error":{' + errorBody(inbox.error) + '}' : recovery(inbox).slice(1)) + '}' +
    ',"rooms":[' + rooms.map((room) => '{' + resumedRoom(room) + '}').join(',') + ']}'
}

function resumedRoom (room: ResumedRoom): string {
  return 'error' in room
    ? '"roomId":' + JSON.stringify(room.roomId) + ',"error":{' + errorBody(room.error) + '}'
    : joinAnswer(room)
}

function joinAnswer (answer: JoinAnswer): string {
  return '"roomId":' + JSON.stringify(answer.roomId) + recovery(answer) + presenceField(answer.presence)
}

function presenceField (page: PresencePage | undefined): string {
  return page === undefined ? '' : ',"presence":{' + presencePage(page) + '}'
}

function presencePage ({ members, count, more }: PresencePage): string {
  return '"members":' + JSON.stringify(members.map(memberFields)) + ',"count":' + count + flag('more', more)
}

/** Only what the protocol names; `meta: null` is no meta. */
function memberFields ({ userId, status, meta, devices }: Member): Member {
  return meta === undefined || meta === null ? { userId, status, devices } : { userId, status, meta, devices }
}

function recovery ({ position, recovered, reason, messages, more }: Recovery): string {
  return textField('position', position) +
    (recovered === undefined ? '' : ',"recovered":' + recovered) +
    textField('reason', reason) +
    (messages === undefined ? '' : frames('messages', messages)) +
    flag('more', more)
}

function errorBody ({ code, message, retryable, retryAfter, content }: ErrorBody): string {
  const entry = errorCodes[code]
  return '"code":"' + code + '","message":' + JSON.stringify(message ?? entry.message) +
    ',"retryable":' + (retryable ?? entry.retryable) +
    numberField('retryAfter', retryAfter) +
    (content === undefined ? '' : ',"content":' + content)
}

function ackHead (id: number): string {
  return '{"type":"ack","id":' + id
}

// --- frames the server sends by itself ---

export interface Window {
  readonly max: number
  /** In ms. */
  readonly window: number
}

export interface WelcomeFields {
  readonly connectionId: string
  readonly userId: string
  /** In ms. */
  readonly heartbeat: number
  /** Epoch ms; absent when the credential does not expire. */
  readonly expiresAt?: number
  /** Position of the user's inbox at which delivery starts. */
  readonly inbox: string
  readonly limits: {
    /** Bytes of a frame. */
    readonly maxPayload: number
    /** Rooms of the connection. */
    readonly rooms: number
    readonly messages: Window
    readonly joins: Window
    /** In ms. */
    readonly keyTtl: number
  }
}

export function welcomeFrame ({ connectionId, userId, heartbeat, expiresAt, inbox, limits }: WelcomeFields): string {
  const { maxPayload, rooms, messages, joins, keyTtl } = limits
  return JSON.stringify({
    type: 'welcome',
    connectionId,
    userId,
    heartbeat,
    expiresAt,
    inbox,
    limits: {
      maxPayload,
      rooms,
      messages: { max: messages.max, window: messages.window },
      joins: { max: joins.max, window: joins.window },
      keyTtl
    }
  })
}

export function typingFrame (roomId: string, userId: string, typing: boolean): string {
  return JSON.stringify({ type: 'typing', roomId, userId, typing })
}

export function presenceFrame (roomId: string, change: PresenceChange, member: Member, timestamp: number): string {
  const { userId, ...state } = memberFields(member)
  return JSON.stringify({ type: 'presence', roomId, userId, change, ...state, timestamp })
}

export interface JoinedFields {
  readonly roomId: string
  /** Absent in a volatile room. */
  readonly position?: string
  readonly presence?: PresencePage
}

export function joinedFrame ({ roomId, position, presence }: JoinedFields): string {
  return '{"type":"joined"' + textField('roomId', roomId) + textField('position', position) + presenceField(presence) + '}'
}

export function leftFrame (roomId: string, reason: LeftReason): string {
  return JSON.stringify({ type: 'left', roomId, reason })
}

export type ResetFields = ({ readonly roomId: string } | { readonly inbox: true }) & {
  readonly reason: GapReason
  readonly position: string
}

export function resetFrame (fields: ResetFields): string {
  const { reason, position } = fields
  return JSON.stringify('roomId' in fields
    ? { type: 'reset', roomId: fields.roomId, reason, position }
    : { type: 'reset', inbox: true, reason, position })
}

/** Always the same, so one string serves every heartbeat. */
export const PING_FRAME = '{"type":"ping"}'

export function expiringFrame (expiresAt: number): string {
  return JSON.stringify({ type: 'expiring', expiresAt })
}

/** `reconnectIn` in ms, already jittered. */
export function goawayFrame (reconnectIn: number): string {
  return JSON.stringify({ type: 'goaway', reconnectIn })
}

// --- parts ---

function textField (name: string, value: string | undefined): string {
  return value === undefined ? '' : ',"' + name + '":' + JSON.stringify(value)
}

function numberField (name: string, value: number | undefined): string {
  return value === undefined ? '' : ',"' + name + '":' + value
}

function flag (name: string, value: boolean | undefined): string {
  return value === true ? ',"' + name + '":true' : ''
}

const utf8 = new TextDecoder()

function frames (name: string, list: readonly FrameText[]): string {
  return ',"' + name + '":[' + list.map((frame) => typeof frame === 'string' ? frame : utf8.decode(frame)).join(',') + ']'
}
