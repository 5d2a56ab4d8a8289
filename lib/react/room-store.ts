import type { Client, ClientMessage, FailedMessage, Gap, Member, Published, Room, RoomState } from '../../types/client.js'
import type { AnyEvents } from '../../types/events.js'
import type { ListedMessage } from '../../types/react.js'
import { createBackoff } from '../client/backoff.js'
import { systemClock } from '../client/environment.js'
import { RealtimeError } from '../client/errors.js'
import { createTurn } from '../client/turn.js'
import { createTimeline } from './timeline.js'
import type { Outgoing } from './timeline.js'

/** How long after the last sign of it somebody counts as typing, in ms. */
const TYPING_ENDS = 5_000

/** Messages of a page of `loadOlder`. */
const PAGE = 50

/** What a component wants of a room. */
export interface Use {
  /** Absent: it shows no messages. */
  readonly history?: number
  readonly limit?: number
}

/** What components see of a room; the same object until something is different. */
export interface RoomSnapshot {
  readonly messages: ReadonlyArray<ListedMessage>
  readonly members: readonly Member[]
  readonly typing: readonly string[]
  readonly status: RoomState
  readonly error: unknown
  readonly gap: Gap | undefined
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
}

const NONE: readonly never[] = []

/** Of a room before anything is known of it: what servers render. */
export const JOINING: RoomSnapshot = {
  messages: NONE, members: NONE, typing: NONE, status: 'joining', error: undefined, gap: undefined, hasOlder: false, loadingOlder: false
}

/** Of no room. */
export const NOWHERE: RoomSnapshot = { ...JOINING, status: 'left' }

/** One room of one client, for as long as a component is in it. */
export interface RoomStore {
  readonly snapshot: RoomSnapshot
  /** A component comes. Returns what takes it away again. */
  use (use: Use, listener: () => void): () => void
  publish (event: string, content: unknown): Promise<Published | undefined>
  retry (id: string): void
  discard (id: string): void
  loadOlder (): Promise<boolean>
  rejoin (): void
  setPresence (presence: { status?: string, meta?: unknown }): void
  /** @param typist - the component that tells it */
  setTyping (typist: object, typing: boolean): void

  /** A message of the room. */
  receive (message: ClientMessage): void
  /** A message of the room was given up. */
  failed (message: FailedMessage): void
  /** The client's status changed: other messages may wait than before. */
  sync (): void
}

export interface RoomStoreOwner {
  /** Messages that failed while the room was shown before. */
  readonly failures: readonly Outgoing[]
  /** No component needs it any more, and nothing of it waits. */
  disposed (failures: readonly Outgoing[]): void
}

export function createRoomStore (client: Client, id: string, owner: RoomStoreOwner): RoomStore {
  const timeline = createTimeline(({ userId }) => userId !== null && userId === client.userId)
  const uses = new Map<Use, () => void>()
  const typists = new Map<object, ReturnType<typeof setTimeout>>()
  const backoff = createBackoff(systemClock.random)
  /** One for each membership and each gap: answers that belong to another one are of no use. */
  const { next, guard } = createTurn()
  let snapshot = JOINING
  let room: Room<AnyEvents> | undefined
  let offs: Array<() => void> = []
  /** It was not joined before: whoever joins it leaves it. */
  let owned = false
  let entering = false
  /** How many messages to begin with, as the first component with an opinion says. */
  let history: number | undefined
  let state: RoomState = 'joining'
  let error: unknown
  /** The newest page has to be asked for; the join does not bring it. */
  let stale = false
  let hasOlder = false
  let begun = false
  let older: Promise<boolean> | undefined
  let scheduled = false
  let disposed = false
  /** Messages of ours on their way, by key: their promises tell what becomes of them. */
  const sending = new Set<string>()

  timeline.adopt(owner.failures)

  // --- membership ---

  /** Joins, unless it is joined. A side effect: never while rendering. */
  function enter (): Room<AnyEvents> | undefined {
    if (disposed) return
    if (room !== undefined && (room.state === 'joining' || room.state === 'joined')) return room
    const since = room?.position
    let fresh = false
    entering = true
    const entered: Room<AnyEvents> = client.room(id, {
      history,
      // Read where there is no membership yet, and only there: that is how we know that it is ours.
      get since () {
        fresh = true
        return since
      }
    })
    entering = false
    if (fresh) owned = true
    // Joined by somebody else, who asked for what they needed.
    else stale = true
    if (room === undefined) {
      offs = [entered.onChange(changed), entered.on('reset', reset)]
      room = entered
    }
    changed()
    return room
  }

  function changed (): void {
    if (room === undefined) return
    const before = state
    state = room.state
    const volatile = room.position === undefined
    if (state !== before) {
      if (state === 'joined') {
        error = undefined
        backoff.count = 0
      }
      // Joined again by somebody else, from now on: what was published meanwhile is missing.
      if (ended(before) && !ended(state) && !entering && !volatile) broken({ roomId: id, reason: 'expired', position: room.position ?? '' })
      if (before === 'joined' && volatile) timeline.forsake()
      if (ended(state)) next()
      if (state === 'failed') {
        room.ready().catch((reason: unknown) => {
          error = reason
          schedule()
        })
        return
      }
    }
    if (state === 'joined') begin(volatile)
    schedule()
  }

  /** Joined: what the answer did not bring is asked for. */
  function begin (volatile: boolean): void {
    if (volatile) begun = true
    else if (stale) loadNewest()
    else if (!begun && history !== undefined) {
      begun = true
      const { first } = timeline
      if (first !== undefined && timeline.messages.length >= history) hasOlder = true
      // Fewer than asked for: there are no others, or the answer was cut because of its size. Only the log knows.
      else probe(first?.position)
    }
  }

  function probe (before?: string): void {
    room?.history({ before, limit: 1 }).then(guard(({ messages }) => {
      hasOlder = messages.length > 0
      schedule()
    }), () => {
      begun = false
    })
  }

  function reset (gap: Gap): void {
    // An answer to a join brings messages if it was asked to; a reset in the middle of it all does not.
    broken(gap, state === 'joining' && owned)
    if (room?.state === 'joined' && stale && state === 'joined') loadNewest()
    schedule()
  }

  function broken (gap: Gap, answered = false): void {
    next()
    older = undefined
    timeline.broken(gap)
    stale = !answered && (history ?? 0) > 0
  }

  function loadNewest (): void {
    if (room === undefined || !history) {
      stale = false
      return
    }
    next()
    begun = true
    const empty = timeline.first === undefined
    room.history({ limit: history }).then(guard(({ messages, more = false }) => {
      stale = false
      const first = timeline.first
      timeline.newest(messages)
      if (empty || timeline.first !== first) hasOlder = more
      schedule()
    }), guard((reason: RealtimeError) => {
      // Of another connection: asked again when the room is joined.
      if (reason.code === 'disconnected') return
      if (reason.retryable) setTimeout(guard(loadNewest), backoff.next(reason.retryAfter))
      else {
        stale = false
        error = reason
        schedule()
      }
    }))
  }

  // --- what components see ---

  function schedule (): void {
    if (scheduled) return
    scheduled = true
    queueMicrotask(flush)
  }

  /** Once for everything that happened in a turn. */
  function flush (): void {
    scheduled = false
    const fresh: RoomSnapshot = {
      messages: timeline.messages,
      members: same(snapshot.members, room === undefined ? [] : [...room.members.values()]),
      typing: same(snapshot.typing, room === undefined ? [] : [...room.typing.keys()].filter((userId) => userId !== client.userId)),
      status: state,
      error,
      gap: stale ? snapshot.gap : timeline.gap,
      hasOlder: (hasOlder || timeline.trimmed) && !timeline.full,
      loadingOlder: older !== undefined
    }
    const keys = Object.keys(fresh) as Array<keyof RoomSnapshot>
    if (keys.some((key) => fresh[key] !== snapshot[key])) {
      snapshot = fresh
      for (const listener of [...uses.values()]) listener()
    }
    if (uses.size === 0) leave()
  }

  /** Nobody is there any more, and nothing waits: what waits would be given up. */
  function leave (): void {
    if (disposed || uses.size > 0 || timeline.waiting().length > 0 || client.pending().some(({ roomId }) => roomId === id)) return
    disposed = true
    next()
    for (const off of offs) off()
    if (owned) room?.leave()
    owner.disposed(timeline.failures())
  }

  function fit (): void {
    const limits = [...uses.keys()].flatMap(({ limit }) => limit ?? [])
    if (limits.length > 0) timeline.limit = Math.max(...limits)
  }

  // --- what is sent ---

  async function transmit ({ key, event, content }: Outgoing): Promise<Published | undefined> {
    sending.add(key)
    schedule()
    try {
      const entered = enter()
      if (entered === undefined) throw new RealtimeError('left')
      const published = await entered.publish(event, content, { key })
      timeline.acknowledged(key, published)
      return published
    } catch (reason) {
      timeline.failed(key, reason)
    } finally {
      sending.delete(key)
      schedule()
    }
  }

  /** Messages that wait: those of before a reload, and those that became of interest again because somebody connected. */
  function sync (): void {
    const pending = client.pending().filter(({ roomId }) => roomId === id)
    const keys = new Set(pending.map(({ key }) => key))
    for (const { key } of timeline.waiting()) if (!keys.has(key) && !sending.has(key)) timeline.acknowledged(key)
    for (const { key, event, content, at, userId = client.userId ?? '' } of pending) {
      const sent = timeline.find(key)
      if (sent === undefined) timeline.add({ key, roomId: id, event, content, timestamp: at, userId })
      else if (sent.item.state === 'failed') timeline.retried(sent)
    }
    schedule()
  }

  function stopTyping (typist: object): void {
    clearTimeout(typists.get(typist))
    typists.delete(typist)
  }

  sync()

  return {
    get snapshot () { return snapshot },
    use (use, listener) {
      uses.set(use, listener)
      fit()
      if (history === undefined && use.history !== undefined) {
        history = use.history
        // Joined without: by a component that shows no messages.
        if (room !== undefined) {
          stale = true
          changed()
        }
      }
      // After all components that come in this turn have said what they want; StrictMode takes them away and brings them back.
      queueMicrotask(() => { if (uses.size > 0) enter() })
      return () => {
        uses.delete(use)
        fit()
        // Not at once: whoever moves in the tree, goes and comes back in one turn.
        if (uses.size === 0) setTimeout(() => { if (uses.size === 0) leave() })
      }
    },
    publish (event, content) {
      for (const typist of [...typists.keys()]) stopTyping(typist)
      const key = systemClock.id()
      return transmit(timeline.add({ key, roomId: id, event, content: jsonOf(content), timestamp: Date.now(), userId: client.userId ?? '' }))
    },
    retry (itemId) {
      const failed = timeline.failure(itemId)
      const code = codeOf(failed?.item.error)
      // Of another user, as whom it is never sent.
      if (failed === undefined || code === 'other_user') return
      void transmit(timeline.retried(failed, code === 'conflict' ? systemClock.id() : undefined))
    },
    discard (itemId) {
      const failed = timeline.failure(itemId)
      if (failed !== undefined) timeline.discard(failed)
      schedule()
    },
    loadOlder () {
      const before = timeline.first?.position
      if (room === undefined || ended(state) || !(hasOlder || timeline.trimmed) || timeline.full) return Promise.resolve(false)
      const settled = guard(() => { older = undefined })
      older ??= room.history({ before, limit: PAGE }).then(({ messages, more = false }) => {
        settled()
        // The oldest message may have been dropped, or the log have turned out to be another one.
        if (timeline.first?.position !== before) return snapshot.hasOlder
        const fresh = timeline.older(messages)
        hasOlder = more && fresh > 0
        error = undefined
        return hasOlder
      }, (reason: unknown) => {
        settled()
        error = reason
        return hasOlder
      }).finally(schedule)
      schedule()
      return older
    },
    rejoin () {
      if (room !== undefined && ended(room.state)) enter()
    },
    setPresence (presence) {
      enter()?.setPresence(presence)
    },
    setTyping (typist, typing) {
      stopTyping(typist)
      if (typing) {
        typists.set(typist, setTimeout(() => {
          stopTyping(typist)
          room?.setTyping(typists.size > 0)
        }, TYPING_ENDS))
      }
      room?.setTyping(typists.size > 0)
    },
    receive (message) {
      timeline.receive(message)
      schedule()
    },
    failed ({ key, error }) {
      timeline.failed(key, error)
      schedule()
    },
    sync
  }
}

function ended (state: RoomState): boolean {
  return state === 'failed' || state === 'left'
}

/** The list of before, if it has the same members. */
function same<Item> (before: readonly Item[], now: readonly Item[]): readonly Item[] {
  return before.length === now.length && before.every((item, index) => item === now[index]) ? before : now
}

/** What the others will see of it. */
function jsonOf (content: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(content ?? null))
  } catch {
    // It will be refused for this very reason.
    return content
  }
}

function codeOf (error: unknown): string | undefined {
  return error instanceof RealtimeError ? error.code : undefined
}
