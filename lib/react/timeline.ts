import type { ClientMessage, Gap, Published } from '../../types/client.js'
import type { ListedMessage } from '../../types/react.js'

/** Messages a list holds at most, whatever was loaded. */
export const MAX_MESSAGES = 10_000

/** A message of one's own, from `send` to its place in the log. */
export interface Outgoing {
  readonly id: string
  readonly key: string
  readonly event: string
  readonly content: unknown
  /** Shown in the list; replaced at every change. */
  readonly item: ListedMessage
}

/** What is known of a message when it is sent. */
export interface Draft {
  readonly key: string
  readonly roomId: string
  readonly event: string
  readonly content: unknown
  /** By the local clock, epoch ms. */
  readonly timestamp: number
  readonly userId: string
}

/**
 * The messages of one room as a list shows them: a part of the room's log, in its order, and behind it what this user sent and the
 * log has not shown yet. No client and no React: what arrives is told by calls.
 */
export interface Timeline {
  /** The same array until something is different. */
  readonly messages: readonly ListedMessage[]
  /** How many of them are of the log. */
  readonly size: number
  /** The oldest message of the log that is shown. */
  readonly first: ListedMessage | undefined
  /** Older messages were dropped to stay in the bound. */
  readonly trimmed: boolean
  /** It holds as many as a list may. */
  readonly full: boolean
  /** The last gap that could not be connected. */
  readonly gap: Gap | undefined
  /** The bound of the list, without what `older` adds. */
  limit: number
  /** A page before the list is being read, which has to find its beginning where it is: meanwhile it holds as many as a list may. */
  pinned: boolean

  /** A message of the room, live or replayed. */
  receive (message: ClientMessage): void
  /** The log may not continue behind what is shown: until `newest` or further messages show whether it does. */
  broken (gap: Gap): void
  /** The newest page of the log. */
  newest (page: readonly ClientMessage[]): void
  /** The page of the log before `first`. Returns how many of them are new. */
  older (page: readonly ClientMessage[]): number

  /** Shows a message that is being sent. */
  add (draft: Draft): Outgoing
  find (key: string): Outgoing | undefined
  /** Whether the log shows a message of this user with this key. */
  shows (key: string): boolean
  /** Who this user is, for messages that were sent before that was known. */
  claim (userId: string): void
  /** The failed message with this id. */
  failure (id: string): Outgoing | undefined
  /** Sent again, by the same or another key. */
  retried (outgoing: Outgoing, key: string): Outgoing
  acknowledged (key: string, published: Published): void
  failed (key: string, error: unknown): void
  /** Is not shown any longer; if the log has it all the same, that shows it by itself. */
  discard (key: string): void
  /** Takes over messages that failed in an earlier timeline. */
  adopt (outgoing: readonly Outgoing[]): void
  /** Messages that still wait, by key, and those that failed. */
  waiting (): Outgoing[]
  failures (): Outgoing[]
  /** In a volatile room whose connection broke: no echo will come any more. */
  forsake (): void
}

/** @param isMine - whether this user published a message */
export function createTimeline (isMine: (message: ClientMessage) => boolean): Timeline {
  let log: ListedMessage[] = []
  /** Messages of the log by position. */
  const known = new Map<string, ListedMessage>()
  /** By key. */
  const outgoing = new Map<string, Outgoing>()
  /** Positions of messages that were put into the log by their timestamp, because no echo of theirs was going to come. */
  const guessed = new Set<string>()
  /** Where the log may not continue: behind so many messages of it. */
  let seam: { readonly gap: Gap, at: number, connected: boolean } | undefined
  let gap: Gap | undefined
  let limit = 1
  let loaded = 0
  let pinned = false
  let trimmed = false
  let lastId = 0
  let cached: readonly ListedMessage[] | undefined

  const nextId = (): string => `#${++lastId}`
  const keyOf = ({ position }: ClientMessage): string => position ?? ''

  function changed (): void {
    cached = undefined
  }

  /** The message as the list shows it; if it is one of those being sent, in its place. */
  function list (message: ClientMessage): ListedMessage {
    const { key, position } = message
    const sent = key === undefined || !isMine(message) ? undefined : outgoing.get(key)
    if (sent !== undefined) outgoing.delete(sent.key)
    const { roomId, event, userId, content, timestamp } = message
    return { roomId, event, userId, content, timestamp, position, key, state: 'sent', id: sent?.id ?? position ?? nextId() }
  }

  function know (message: ListedMessage): void {
    if (message.position !== undefined) known.set(message.position, message)
  }

  function forget (message: ListedMessage): void {
    known.delete(keyOf(message))
    guessed.delete(keyOf(message))
  }

  function trim (): void {
    const excess = log.length - (pinned ? MAX_MESSAGES : Math.min(limit + loaded, MAX_MESSAGES))
    if (excess <= 0) return
    for (const message of log.splice(0, excess)) forget(message)
    if (seam !== undefined) seam.at = Math.max(0, seam.at - excess)
    trimmed = true
  }

  /** Marks the first message behind the seam. */
  function mark (): void {
    if (seam === undefined || seam.connected || seam.at === 0) return
    const behind = log[seam.at]
    if (behind === undefined || behind.gap !== undefined) return
    const marked = { ...behind, gap: seam.gap }
    log[seam.at] = marked
    know(marked)
  }

  /** The log does continue behind the seam. */
  function connect (): void {
    if (seam === undefined || seam.connected) return
    const { gap } = seam
    seam.connected = true
    log = log.map((message) => message.gap === gap ? unmarked(message) : message)
    log.forEach(know)
  }

  function receive (message: ClientMessage): void {
    const { position } = message
    const before = position === undefined ? undefined : known.get(position)
    if (before !== undefined) {
      if (seam !== undefined && log[seam.at - 1] === before) connect()
      if (!guessed.has(keyOf(before))) return
      // It has an echo after all, which knows its place.
      log = log.filter((other) => other !== before)
      forget(before)
    }
    const listed = before === undefined ? list(message) : { ...list(message), id: before.id }
    log.push(listed)
    know(listed)
    mark()
    settle()
    trim()
    changed()
  }

  /**
   * Messages that were acknowledged wait for their echo, which knows their place in the log. None comes for one that was published
   * before (`duplicate`) or in a gap: when the log has gone past their time, they are put where that belongs, or left to `older`.
   */
  function settle (): void {
    const last = log.at(-1)
    if (last === undefined) return
    for (const { key, item } of outgoing.values()) {
      if (item.state !== 'sent' || item.position === undefined) continue
      const there = known.has(item.position)
      if (!there && last.timestamp <= item.timestamp) continue
      outgoing.delete(key)
      const at = log.findIndex(({ timestamp }) => timestamp > item.timestamp)
      if (there || at <= 0) continue
      // In a gap there is one before it too.
      const placed = { ...item, gap: log[at]?.gap }
      log.splice(at, 0, placed)
      if (seam !== undefined && at < seam.at) seam.at++
      know(placed)
      guessed.add(item.position)
    }
  }

  function update (sent: Outgoing, change: Partial<ListedMessage>, key = sent.key): Outgoing {
    const updated = { ...sent, key, item: { ...sent.item, key, ...change } }
    if (key !== sent.key) outgoing.delete(sent.key)
    outgoing.set(key, updated)
    changed()
    return updated
  }

  function build (): readonly ListedMessage[] {
    const own = [...outgoing.values()].map(({ item }) => item)
    return [...log, ...own.filter(({ state }) => state === 'sent'), ...own.filter(({ state }) => state !== 'sent')]
  }

  return {
    get messages () {
      cached ??= build()
      return cached
    },
    get size () { return log.length },
    get first () { return log[0] },
    get trimmed () { return trimmed },
    get full () { return log.length >= MAX_MESSAGES },
    get gap () { return seam !== undefined && !seam.connected ? seam.gap : gap },
    get limit () { return limit },
    set limit (given) {
      limit = given
      trim()
      changed()
    },
    get pinned () { return pinned },
    set pinned (given) {
      pinned = given
      trim()
      changed()
    },
    receive,
    broken (next) {
      // Where nothing came since the last one, this is the same gap.
      if (seam !== undefined && !seam.connected && seam.at < log.length) gap = seam.gap
      seam = { gap: next, at: log.length, connected: false }
    },
    newest (page) {
      const at = seam?.at ?? 0
      const last = log[at - 1]
      const positions = new Set(page.map(keyOf))
      const shared = log.findIndex((message) => positions.has(keyOf(message)))
      // A page has no holes. Where the list has messages in between that the page does not have, the log was replaced.
      const replaced = shared >= 0 && log.slice(shared, at).some((message) => !positions.has(keyOf(message)))
      const from = replaced || shared < 0 ? at : shared
      const before = log.slice(0, from)
      const shown = new Set(before.map(keyOf))
      const fresh = page
        .filter((message) => !shown.has(keyOf(message)))
        .map((message) => known.get(keyOf(message)) ?? list(message))
      const behind = log.slice(from).filter((message) => !positions.has(keyOf(message)))
      // The page may begin in an earlier gap.
      const earlier = from < at ? log[from]?.gap : undefined
      const closed = gap !== undefined && log.some((message) => message.gap === gap)
      const [first, ...further] = [...fresh, ...behind].map(unmarked)
      if (first !== undefined) log = [...before, earlier === undefined ? first : { ...first, gap: earlier }, ...further]
      log.forEach(know)
      // The page says where they are.
      for (const message of fresh) guessed.delete(keyOf(message))
      if (last !== undefined && positions.has(keyOf(last))) connect()
      if (closed && !log.some((message) => message.gap === gap)) gap = log.filter((message) => message.gap !== undefined).at(-1)?.gap
      mark()
      settle()
      trim()
      changed()
    },
    older (page) {
      const fresh = page.filter((message) => !known.has(keyOf(message))).map(list)
      fresh.forEach(know)
      log = [...fresh, ...log]
      // What came while it was read does not push any of it out again.
      if (fresh.length > 0) loaded = Math.max(loaded + fresh.length, log.length - limit)
      if (seam !== undefined) seam.at += fresh.length
      trimmed = false
      changed()
      return fresh.length
    },
    add ({ key, roomId, event, content, timestamp, userId }) {
      const id = nextId()
      const item: ListedMessage = { roomId, event, userId, content, timestamp, key, state: 'pending', id }
      const added = { id, key, event, content, item }
      outgoing.set(key, added)
      changed()
      return added
    },
    find: (key) => outgoing.get(key),
    shows: (key) => log.some((message) => message.key === key && isMine(message)),
    claim (userId) {
      for (const sent of outgoing.values()) if (sent.item.userId === '') update(sent, { userId })
    },
    failure: (id) => [...outgoing.values()].find(({ id: other, item }) => other === id && item.state === 'failed'),
    retried: (sent, key) => update(sent, { state: 'pending', error: undefined }, key),
    acknowledged (key, published) {
      const sent = outgoing.get(key)
      if (sent === undefined) return
      const { timestamp, position } = published
      update(sent, { state: 'sent', error: undefined, timestamp, position })
      settle()
    },
    failed (key, error) {
      const sent = outgoing.get(key)
      if (sent !== undefined) update(sent, { state: 'failed', error })
    },
    discard (key) {
      outgoing.delete(key)
      changed()
    },
    adopt (given) {
      for (const sent of given) {
        const id = nextId()
        outgoing.set(sent.key, { ...sent, id, item: { ...sent.item, id } })
      }
      changed()
    },
    waiting: () => [...outgoing.values()].filter(({ item }) => item.state === 'pending'),
    failures: () => [...outgoing.values()].filter(({ item }) => item.state === 'failed'),
    forsake () {
      for (const { key, item } of outgoing.values()) {
        if (item.state !== 'sent') continue
        outgoing.delete(key)
        log.push(item)
      }
      trim()
      changed()
    }
  }
}

function unmarked (message: ListedMessage): ListedMessage {
  if (message.gap === undefined) return message
  const { gap, ...bare } = message
  return bare
}
