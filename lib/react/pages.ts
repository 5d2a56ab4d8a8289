import type { Room } from '../../types/client.js'
import type { AnyEvents } from '../../types/events.js'
import { createBackoff } from '../client/backoff.js'
import { systemClock } from '../client/environment.js'
import type { RealtimeError } from '../client/errors.js'
import { createTurn } from '../client/turn.js'
import type { Timeline } from './timeline.js'

/** Messages of a page of older ones. */
const OLDER = 50

/** Reads a room's log into a timeline: the newest page where no answer to a join brings it, and older ones on demand. */
export interface Pages {
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
  /** The newest page is asked for, or will be. */
  readonly stale: boolean
  /** Why a page could not be read. */
  readonly error: unknown
  /** The newest page has to be read. */
  outdated (): void
  /** The room is joined; asks for what is missing. */
  joined (): void
  /** The membership is over: answers that are under way are of no use. */
  ended (): void
  loadOlder (): Promise<boolean>
}

export interface PagesOwner {
  room (): Room<AnyEvents> | undefined
  /** How many messages the list begins with; undefined as long as nobody wants any. */
  history (): number | undefined
  changed (): void
}

export function createPages (timeline: Timeline, { room, history, changed }: PagesOwner): Pages {
  const backoff = createBackoff(systemClock.random)
  const { next, guard } = createTurn()
  let stale = false
  /** There are messages before the first one of the list, as far as the log was asked. */
  let more = false
  /** The log was asked about that. */
  let known = false
  let older: Promise<boolean> | undefined
  let error: unknown

  function loadNewest (): void {
    const limit = history()
    next()
    known = true
    const { first } = timeline
    room()?.history({ limit }).then(guard((page) => {
      stale = false
      backoff.count = 0
      timeline.newest(page.messages)
      // Otherwise it does not reach beyond the beginning of the list.
      if (first === undefined || timeline.first?.position !== first.position) more = page.more === true
      changed()
    }), guard((reason: RealtimeError) => {
      // Asked again when the room is joined on the next connection.
      if (reason.code === 'disconnected') return
      if (reason.retryable) systemClock.timeout(guard(loadNewest), backoff.next(reason.retryAfter))
      else {
        stale = false
        error = reason
        changed()
      }
    }))
  }

  /** Are there messages before these? They are fewer than asked for, but an answer that grew too large is cut. */
  function probe (): void {
    room()?.history({ before: timeline.first?.position, limit: 1 }).then(guard(({ messages }) => {
      more = messages.length > 0
      changed()
    }), guard(() => { known = false }))
  }

  /** What a volatile room dropped is nowhere. */
  const hasOlder = (): boolean => (more || (timeline.trimmed && timeline.first?.position !== undefined)) && !timeline.full

  function load (room: Room<AnyEvents>): Promise<boolean> {
    const before = timeline.first?.position
    return room.history({ before, limit: OLDER }).then(guard((page) => {
      // The list begins elsewhere by now.
      if (timeline.first?.position !== before) return
      // A page with nothing new, as of a log that was replaced, is the last one.
      more = timeline.older(page.messages) > 0 && page.more === true
      error = undefined
    }), guard((reason: unknown) => { error = reason })).then(hasOlder)
  }

  return {
    get hasOlder () { return hasOlder() },
    get loadingOlder () { return older !== undefined },
    get stale () { return stale },
    get error () { return error },
    outdated () {
      stale = true
    },
    joined () {
      error = undefined
      if (history() === undefined) return
      if (room()?.position === undefined) stale = false
      else if (stale) {
        if (history() === 0) stale = false
        else loadNewest()
      } else if (!known) {
        known = true
        if (timeline.size > 0 && timeline.size >= (history() ?? 0)) more = true
        else probe()
      }
    },
    ended: next,
    loadOlder () {
      const from = room()
      if (from === undefined || !hasOlder()) return Promise.resolve(false)
      if (older === undefined) {
        timeline.pinned = true
        older = load(from).finally(() => {
          older = undefined
          timeline.pinned = false
          changed()
        })
      }
      changed()
      return older
    }
  }
}
