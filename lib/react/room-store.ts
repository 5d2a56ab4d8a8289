import type { Client, ClientMessage, FailedMessage, Gap, Member, Published, Room, RoomState } from '../../types/client.js'
import type { AnyEvents } from '../../types/events.js'
import type { ListedMessage } from '../../types/react.js'
import { createPages } from './pages.js'
import { createSends } from './sends.js'
import { createTimeline } from './timeline.js'
import type { Outgoing } from './timeline.js'
import { createTypists } from './typists.js'

/** What a component wants of a room. */
export interface Use {
  /** Absent: it shows no messages. */
  readonly history?: number
  readonly limit?: number
}

/** What components see of a room; the same object until something is different. */
export interface RoomSnapshot {
  readonly messages: readonly ListedMessage[]
  readonly members: readonly Member[]
  readonly typing: readonly string[]
  readonly status: RoomState
  readonly error: unknown
  readonly gap: Gap | undefined
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
}

/** How long a room is kept for a component that says something before the effects of its hooks run, in ms. */
const EARLY = 1_000

const NONE: readonly never[] = []

/** Of a room before anything is known of it: what servers render. */
export const JOINING: RoomSnapshot = {
  messages: NONE, members: NONE, typing: NONE, status: 'joining', error: undefined, gap: undefined, hasOlder: false, loadingOlder: false
}

/** Of no room. */
export const NOWHERE: RoomSnapshot = { ...JOINING, status: 'left' }

/** One room of one client, for as long as a component is in it or something it sent is on its way. */
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
  /** A message of the room was acknowledged. */
  sent (published: Published): void
  /** A message of the room was given up. */
  failed (message: FailedMessage): void
  /** The client's status changed: other messages may wait than before. */
  sync (): void
}

export interface RoomStoreOwner {
  /** Messages that failed while the room was shown before. */
  readonly failures: readonly Outgoing[]
  /** Nobody needs it any more. */
  disposed (failures: readonly Outgoing[]): void
}

export function createRoomStore (client: Client, id: string, owner: RoomStoreOwner): RoomStore {
  const uses = new Map<Use, () => void>()
  const timeline = createTimeline(({ userId }) => userId !== null && userId === client.userId)
  const pages = createPages(timeline, { room: () => room, history: () => history, changed: schedule })
  const sends = createSends(client, id, timeline, { room: () => room ?? enter(), changed: schedule })
  const typists = createTypists((typing) => room?.setTyping(typing))
  let snapshot = JOINING
  let room: Room<AnyEvents> | undefined
  let offs: Array<() => void> = []
  /** It was joined by us, so it is left by us. */
  let owned = false
  /** How many messages the answer to a join, and every later one of that membership, brings. */
  let asked = 0
  let entering = false
  /** The messages of an answer, as long as it is being handed over. */
  let answer: ClientMessage[] | undefined
  /** How many messages to begin with, as the first component that shows any says. */
  let history: number | undefined
  let state: RoomState = 'joining'
  /** Why it could not be joined. */
  let refusal: unknown
  let peopleChanged = false
  let scheduled = false
  /** No component is there, nor about to come. */
  let abandoned = false
  let disposed = false

  // --- membership ---

  /** Joins, unless it is joined. A side effect: never while rendering. */
  function enter (): Room<AnyEvents> {
    if (room !== undefined && !isOver(room.state)) return room
    const since = room?.position
    let joins = false
    entering = true
    const entered: Room<AnyEvents> = client.room(id, {
      history,
      // Read where there is no membership yet, and only there: that is how we know that it is ours.
      get since () {
        joins = true
        return since
      }
    })
    entering = false
    asked = joins ? history ?? 0 : 0
    if (joins) owned = true
    else pages.outdated()
    // Where somebody else gave the last one up for good, the client made another one.
    if (room !== entered) {
      for (const off of offs) off()
      offs = [entered.onChange(changed), entered.on('reset', reset)]
    }
    room = entered
    changed()
    return room
  }

  function changed (): void {
    if (room === undefined) return
    if (answer !== undefined) timeline.newest(answer)
    answer = undefined
    const before = state
    state = room.state
    peopleChanged = true
    if (state !== before) moved(room, before)
    schedule()
  }

  function moved (room: Room<AnyEvents>, before: RoomState): void {
    const { position } = room
    // By somebody else, and from now on: what was published meanwhile is missing.
    if (isOver(before) && !isOver(state) && !entering) {
      asked = 0
      broken({ roomId: id, reason: 'expired', position: position ?? '' })
    }
    // Without a log there is nothing to bring an echo later.
    if (before === 'joined' && position === undefined) timeline.forsake()
    refusal = undefined
    if (state === 'joined') pages.joined()
    else if (isOver(state)) pages.ended()
    if (state === 'failed') {
      room.ready().catch((reason: unknown) => {
        if (state !== 'failed') return
        refusal = reason
        schedule()
      })
    }
  }

  function reset (gap: Gap): void {
    // What has not been seen as joined yet is just being answered, with the newest messages if they were asked for.
    if (state === 'joining' && asked > 0) {
      timeline.broken(gap)
      answer = []
    } else broken(gap)
    schedule()
  }

  function broken (gap: Gap): void {
    timeline.broken(gap)
    pages.outdated()
    if (state === 'joined' && room?.state === 'joined') pages.joined()
  }

  /** What waits would be given up, so that goes first. */
  function leave (): void {
    if (disposed || timeline.waiting().length > 0 || client.pending().some(({ roomId }) => roomId === id)) return
    disposed = true
    pages.ended()
    typists.clear()
    for (const off of offs) off()
    if (owned) room?.leave()
    owner.disposed(timeline.failures())
  }

  // --- what components see ---

  function schedule (): void {
    if (scheduled || disposed) return
    scheduled = true
    queueMicrotask(flush)
  }

  /** Once for everything that happened in a turn. */
  function flush (): void {
    scheduled = false
    const { members, typing } = peopleChanged && room !== undefined ? peopleOf(room) : snapshot
    peopleChanged = false
    const fresh: RoomSnapshot = {
      messages: same(snapshot.messages, timeline.messages),
      members: same(snapshot.members, members),
      typing: same(snapshot.typing, typing),
      status: state,
      error: refusal ?? pages.error,
      // Whether it is one is known when the newest messages are.
      gap: pages.stale ? snapshot.gap : timeline.gap,
      hasOlder: pages.hasOlder,
      loadingOlder: pages.loadingOlder
    }
    // A refusal is told together with its reason.
    const incomplete = state === 'failed' && refusal === undefined
    if (!incomplete && Object.entries(fresh).some(([name, value]) => Reflect.get(snapshot, name) !== value)) {
      snapshot = fresh
      for (const listener of [...uses.values()]) listener()
    }
    if (abandoned) leave()
  }

  function peopleOf ({ members, typing }: Room<AnyEvents>): Pick<RoomSnapshot, 'members' | 'typing'> {
    return { members: [...members.values()], typing: [...typing.keys()].filter((userId) => userId !== client.userId) }
  }

  function fit (): void {
    const limits = [...uses.keys()].flatMap(({ limit }) => limit ?? [])
    if (limits.length > 0) timeline.limit = Math.max(...limits)
    schedule()
  }

  function use (use: Use, listener: () => void): () => void {
    uses.set(use, listener)
    abandoned = false
    fit()
    if (history === undefined && use.history !== undefined) {
      // Of a page larger than the list, messages would be dropped that are still to arrive live.
      history = Math.min(use.history, timeline.limit)
      // It was joined for components that show no messages.
      if (room !== undefined) pages.outdated()
      if (state === 'joined') pages.joined()
    }
    // When all components that come in this turn have said what they want.
    queueMicrotask(() => { if (uses.size > 0) enter() })
    return () => {
      uses.delete(use)
      fit()
      // Not at once: StrictMode, and whoever moves in the tree, goes and comes back.
      if (uses.size === 0) wait(0)
    }
  }

  function wait (ms: number): void {
    setTimeout(() => {
      abandoned = uses.size === 0
      if (abandoned) leave()
    }, ms)
  }

  timeline.adopt(owner.failures)
  sends.sync()
  wait(EARLY)

  return {
    get snapshot () { return snapshot },
    use,
    publish (event, content) {
      typists.clear()
      return sends.publish(event, content)
    },
    retry: sends.retry,
    discard: sends.discard,
    loadOlder: () => isOver(state) ? Promise.resolve(false) : pages.loadOlder(),
    rejoin () {
      if (room !== undefined) enter()
    },
    setPresence (presence) {
      (room ?? enter()).setPresence(presence)
    },
    setTyping: typists.set,
    receive (message) {
      if (answer === undefined) timeline.receive(message)
      else answer.push(message)
      schedule()
    },
    sent: sends.acknowledged,
    failed: ({ key, error }) => sends.failed(key, error),
    sync: sends.sync
  }
}

/** Not a member, nor going to be. */
function isOver (state: RoomState): boolean {
  return state === 'failed' || state === 'left'
}

/** The list of before, if it has the same items. */
function same<Item> (before: readonly Item[], now: readonly Item[]): readonly Item[] {
  return before.length === now.length && before.every((item, index) => item === now[index]) ? before : now
}
