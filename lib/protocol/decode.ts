import { isDeeperThan } from './depth.js'
import { DEFAULT_EVENT, MAX_HISTORY_LIMIT, MAX_RECEIVED } from './frames.js'
import type { ClientFrame, ErrorCode, ResumeRoom } from './frames.js'
import { isEventName, isKey, isPositionText, isRoomId, isStatus, isUserId, MAX_ID_BYTES, MAX_NAME_BYTES, NAME_RULE } from './names.js'

/** Rooms one `resume` may name at all; the connection's own limit is lower and checked where it is known. */
export const MAX_RESUME_ROOMS = 1000

/** Stands for a position too long to be one. No log gives it out, so its judge finds it expired. */
const NO_POSITION = ''

export interface DecodeLimits {
  /** Nesting of the frame's JSON; the frame itself is 1. */
  readonly depth: number
}

/** Why a frame was not understood, and how it is answered. */
export interface DecodeFailure {
  readonly ok: false
  readonly code: Extract<ErrorCode, 'bad_frame' | 'bad_request'>
  /** Names the field and the rule, and repeats nothing of the input. */
  readonly message: string
  /** The frame's id, when that much could be read. */
  readonly id?: number
  /** Whether it counts toward the bad frames that close a connection. */
  readonly counts: boolean
}

export type Decoded = { readonly ok: true, readonly frame: ClientFrame } | DecodeFailure

/**
 * Text from outside -> a typed frame, or the error to answer with. Never throws. The frame is built field by field from own
 * properties, so unknown fields (a forged `userId` too) are gone; `content` and `meta` are handed on as parsed and may have
 * any own key, `__proto__` included: they must never be merged into anything.
 */
export function decode (text: string, limits: DecodeLimits): Decoded {
  if (isDeeperThan(text, limits.depth)) return badFrame(`the frame is nested deeper than ${limits.depth} levels`)
  const value = parse(text)
  if (value === undefined) return badFrame('the frame is not JSON')
  if (!isRecord(value)) return badFrame('the frame is not a JSON object')

  const fields = new Fields(value, '', { failure: undefined })
  const id = fields.optional('id')
  if (id !== undefined && !isFrameId(id)) return badFrame('id must be an integer from 1 to 9007199254740991')

  const type = fields.optional('type')
  if (typeof type !== 'string') return badFrame(type === undefined ? 'type is missing' : 'type must be a string', id)
  const reader = readers.get(type)
  if (reader === undefined) return badRequest('type is unknown', id)
  if (reader.needsId && id === undefined) return badRequest('id is missing')

  const frame = reader.read(fields, id)
  const failure = fields.verdict.failure
  if (failure !== undefined) return { ...failure, id }
  return { ok: true, frame }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function badFrame (message: string, id?: number): DecodeFailure {
  return { ok: false, code: 'bad_frame', message, id, counts: true }
}

function badRequest (message: string, id?: number): DecodeFailure {
  return { ok: false, code: 'bad_request', message, id, counts: false }
}

type JsonObject = Record<string, unknown>

function isRecord (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isFrameId (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
}

/** The first failure of a frame; shared by the readers of its parts. */
interface Verdict {
  failure: DecodeFailure | undefined
}

/**
 * Reads the fields of one object. Every method returns a value of its type whatever the input; what was wrong is in the
 * verdict, which the caller asks once at the end.
 */
class Fields {
  readonly verdict: Verdict
  readonly #source: JsonObject
  readonly #path: string

  constructor (source: JsonObject, path: string, verdict: Verdict) {
    this.#source = source
    this.#path = path
    this.verdict = verdict
  }

  /** An own property: one that came by `__proto__` or a polluted prototype is absent. */
  optional (field: string): unknown {
    return Object.hasOwn(this.#source, field) ? this.#source[field] : undefined
  }

  has (field: string): boolean {
    return Object.hasOwn(this.#source, field)
  }

  roomId (): string {
    return this.#name('roomId', isRoomId, MAX_ID_BYTES) ?? this.#missing('roomId', '')
  }

  event (): string | undefined {
    return this.#name('event', isEventName, MAX_NAME_BYTES)
  }

  key (): string | undefined {
    return this.#name('key', isKey, MAX_NAME_BYTES)
  }

  status (): string | undefined {
    return this.#name('status', isStatus, MAX_NAME_BYTES)
  }

  /** The user id a page of members continues after. */
  afterUser (): string | undefined {
    return this.#name('after', isUserId, MAX_ID_BYTES)
  }

  required<T> (field: string, value: T | undefined, fallback: T): T {
    return value ?? this.#missing(field, fallback)
  }

  content (): unknown {
    return this.has('content') ? this.optional('content') : this.#missing('content', null)
  }

  position (field: string): string | undefined {
    const value = this.optional(field)
    return value === undefined ? undefined : this.#position(field, value)
  }

  boolean (field: string): boolean | undefined {
    const value = this.optional(field)
    if (value === undefined || typeof value === 'boolean') return value
    this.#wrongType(field, 'a boolean')
    return undefined
  }

  integer (field: string, min: number, max: number): number | undefined {
    const value = this.optional(field)
    if (value === undefined) return undefined
    if (typeof value !== 'number') {
      this.#wrongType(field, 'a number')
      return undefined
    }
    if (Number.isInteger(value) && value >= min && value <= max) return value
    this.refuse(`${this.#path}${field} must be an integer from ${min} to ${max}`)
    return undefined
  }

  positions (): string[] {
    const values = this.#array('positions', 1, MAX_RECEIVED)
    return values.map((value, index) => this.#position(`positions[${index}]`, value))
  }

  rooms (): ResumeRoom[] {
    const seen = new Set<string>()
    return this.#array('rooms', 0, MAX_RESUME_ROOMS).map((value, index) => {
      const path = `rooms[${index}]`
      if (!isRecord(value)) {
        this.#wrongType(path, 'an object')
        return { roomId: '', presence: false }
      }
      const room = readRoom(new Fields(value, `${path}.`, this.verdict))
      if (seen.has(room.roomId)) this.refuse(`${path}.roomId is named twice`)
      seen.add(room.roomId)
      return room
    })
  }

  /** Well formed, but it means nothing. */
  refuse (message: string): void {
    this.verdict.failure ??= badRequest(message)
  }

  #name (field: string, accept: (value: unknown) => value is string, max: number): string | undefined {
    const value = this.optional(field)
    if (value === undefined || accept(value)) return value
    if (typeof value !== 'string') this.#wrongType(field, 'a string')
    else this.refuse(`${this.#path}${field} must be 1 to ${max} bytes ${NAME_RULE}`)
    return undefined
  }

  #position (field: string, value: unknown): string {
    if (typeof value !== 'string') {
      this.#wrongType(field, 'a string')
      return NO_POSITION
    }
    return isPositionText(value) ? value : NO_POSITION
  }

  #array (field: string, min: number, max: number): unknown[] {
    const value = this.optional(field)
    if (value === undefined) return this.#missing(field, [])
    if (!Array.isArray(value)) {
      this.#wrongType(field, 'an array')
      return []
    }
    if (value.length >= min && value.length <= max) return value
    this.refuse(`${this.#path}${field} must have ${min} to ${max} items`)
    return []
  }

  #missing<T> (field: string, fallback: T): T {
    this.refuse(`${this.#path}${field} is missing`)
    return fallback
  }

  #wrongType (field: string, expected: string): void {
    this.verdict.failure ??= badFrame(`${this.#path}${field} must be ${expected}`)
  }
}

interface Reader {
  readonly needsId: boolean
  readonly read: (fields: Fields, id: number | undefined) => ClientFrame
}

/** What a room in a `resume` and a `join` have in common. */
function readRoom (fields: Fields): ResumeRoom {
  return {
    roomId: fields.roomId(),
    since: fields.position('since'),
    // What is beyond the room's own history is simply not there, so no upper bound of its own.
    history: fields.integer('history', 0, Number.MAX_SAFE_INTEGER),
    presence: fields.boolean('presence') ?? false
  }
}

const table: { readonly [Type in ClientFrame['type']]: Reader } = {
  join: {
    needsId: true,
    read: (fields, id) => ({ type: 'join', id, ...readRoom(fields) })
  },
  leave: {
    needsId: true,
    read: (fields, id) => ({ type: 'leave', id, roomId: fields.roomId() })
  },
  message: {
    needsId: false,
    read: (fields, id) => ({
      type: 'message',
      id,
      roomId: fields.roomId(),
      event: fields.event() ?? DEFAULT_EVENT,
      content: fields.content(),
      key: fields.key()
    })
  },
  typing: {
    needsId: false,
    read: (fields, id) => ({
      type: 'typing',
      id,
      roomId: fields.roomId(),
      typing: fields.required('typing', fields.boolean('typing'), false)
    })
  },
  presence: {
    needsId: true,
    read: (fields, id) => ({ type: 'presence', id, roomId: fields.roomId(), after: fields.afterUser() })
  },
  status: {
    needsId: false,
    read: (fields, id) => {
      const roomId = fields.roomId()
      if (!fields.has('status') && !fields.has('meta')) fields.refuse('status and meta are both missing')
      return { type: 'status', id, roomId, status: fields.status(), meta: fields.optional('meta') }
    }
  },
  history: {
    needsId: true,
    read: (fields, id) => {
      if (fields.has('before') && fields.has('after')) fields.refuse('before and after exclude each other')
      return {
        type: 'history',
        id,
        roomId: fields.roomId(),
        before: fields.position('before'),
        after: fields.position('after'),
        limit: fields.required('limit', fields.integer('limit', 1, MAX_HISTORY_LIMIT), 1)
      }
    }
  },
  call: {
    needsId: true,
    read: (fields, id) => ({
      type: 'call',
      id,
      event: fields.required('event', fields.event(), ''),
      content: fields.content()
    })
  },
  resume: {
    needsId: true,
    read: (fields, id) => ({ type: 'resume', id, inbox: fields.position('inbox'), rooms: fields.rooms() })
  },
  received: {
    needsId: false,
    read: (fields, id) => ({ type: 'received', id, positions: fields.positions() })
  },
  pong: {
    needsId: false,
    read: (_fields, id) => ({ type: 'pong', id })
  }
}

// A map, so that a frame of type "constructor" finds nothing.
const readers: ReadonlyMap<string, Reader> = new Map(Object.entries(table))
