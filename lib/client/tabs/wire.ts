/* What tabs say to each other on their channel, and what of it is believed: anything of the same origin can post there. */

/** Part of the channel's name, raised whenever messages of tabs change their meaning: tabs of different versions must not meet. */
export const TABS_VERSION = 1

/** How a real socket came to its end. */
export interface End {
  /** Its close code. Absent: nothing is wrong with the server, another tab takes the socket over. */
  readonly code?: number
  readonly reason?: string
  /** Whether it ever opened. */
  readonly opened: boolean
}

/** The first four are the leader's. A link is one virtual socket of one tab. */
export type TabMessage =
  | { readonly type: 'leader', readonly leader: string }
  | { readonly type: 'accepted', readonly leader: string, readonly to: readonly string[] }
  | { readonly type: 'down', readonly leader: string, readonly to: readonly string[], readonly text: string }
  | { readonly type: 'over', readonly leader: string, readonly to?: readonly string[], readonly end: End }
  | { readonly type: 'open', readonly link: string }
  | { readonly type: 'up', readonly link: string, readonly leader: string, readonly text: string }
  | { readonly type: 'bye', readonly link: string, readonly code: number }

/** A frame of a tab, as far as it has been looked at. */
export interface TabFrame {
  /** As it came. */
  readonly source: object
  readonly type: string
  readonly id?: number
  readonly typing: boolean
  readonly positions: readonly string[]
  readonly inbox?: string
  /** What it says about one room. */
  readonly room: RoomRequest
  readonly rooms: readonly RoomRequest[]
}

/** What a tab wants to be told of a room: the fields of `join`. */
export interface RoomRequest {
  readonly roomId: string
  readonly since?: string
  readonly history?: number
  readonly presence?: boolean
}

type Fields = Readonly<Record<string, unknown>>

const shapes: Readonly<Record<string, (fields: Fields) => boolean>> = {
  leader: ({ leader }) => isText(leader),
  accepted: ({ leader, to }) => isText(leader) && isTexts(to),
  down: ({ leader, to, text }) => isText(leader) && isTexts(to) && isText(text),
  over: ({ leader, to, end }) => isText(leader) && (to === undefined || isTexts(to)) && isObject(end),
  open: ({ link }) => isText(link),
  up: ({ link, leader, text }) => isText(link) && isText(leader) && isText(text),
  bye: ({ link, code }) => isText(link) && typeof code === 'number'
}

/** Is it a message of a tab like this one? */
export function isTabMessage (value: unknown): value is TabMessage {
  return isObject(value) && isText(value.type) && Object.hasOwn(shapes, value.type) && shapes[value.type]?.(value) === true
}

/** Reads a frame of a tab; `undefined`: it is none that a client would send. */
export function readTabFrame (text: string): TabFrame | undefined {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(frame)) return undefined
  const { type, id, typing, positions = [], inbox, rooms = [] } = frame
  if (!isText(type) || (id !== undefined && typeof id !== 'number') || !isTexts(positions)) return undefined
  if (!Array.isArray(rooms) || !rooms.every(isObject)) return undefined
  return {
    source: frame,
    type,
    id,
    typing: typing === true,
    positions,
    inbox: textOf(inbox),
    room: roomRequest(frame),
    rooms: rooms.map(roomRequest)
  }
}

/** Field by field: what is not as it should be is not there. */
function roomRequest ({ roomId, since, history, presence }: Fields): RoomRequest {
  return {
    roomId: textOf(roomId) ?? '',
    since: textOf(since),
    history: typeof history === 'number' ? history : undefined,
    presence: presence === true
  }
}

function textOf (value: unknown): string | undefined {
  return isText(value) ? value : undefined
}

function isObject (value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isText (value: unknown): value is string {
  return typeof value === 'string'
}

function isTexts (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText)
}
