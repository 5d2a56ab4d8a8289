import type { Member, PresenceEvent } from '../../types/client.js'
import type { PresencePage } from './frames.js'

type Change = Omit<PresenceEvent, 'roomId'>

/** Who is in a room: a snapshot, page by page, and what follows it. */
export interface Members {
  readonly map: Map<string, Member>
  /** A change the server tells of. */
  apply (change: Change): void
  /** A page of a snapshot; the first one starts it anew. Returns behind whom the next one begins. */
  page (page: PresencePage, first: boolean): string | undefined
  clear (): void
}

export function createMembers (tell: (change: Change) => void): Members {
  const map = new Map<string, Member>()
  /** Those of before that no page has shown yet. */
  let stale = new Set<string>()
  /** There was a whole snapshot. */
  let known = false

  function apply ({ userId, change, status, meta, devices }: Change): void {
    const member = { userId, status, meta, devices }
    stale.delete(userId)
    if (change !== 'left') map.set(userId, member)
    else if (!map.delete(userId)) return
    // Who is there when one comes is no news; who came while one was away is.
    if (known) tell({ change, ...member })
  }

  return {
    map,
    apply,
    page ({ members, more }, first) {
      if (first) stale = new Set(map.keys())
      for (const member of members) {
        const before = map.get(member.userId)
        stale.delete(member.userId)
        if (before === undefined) apply({ ...member, change: 'joined' })
        else if (textOf(before) !== textOf(member)) apply({ ...member, change: 'updated' })
        else map.set(member.userId, member)
      }
      if (more === true) return members.at(-1)?.userId
      for (const userId of stale) apply({ status: '', devices: 0, ...map.get(userId), userId, change: 'left' })
      known = true
    },
    clear () {
      map.clear()
      known = false
    }
  }
}

/** What others are told of. */
function textOf ({ status, meta }: Member): string {
  return JSON.stringify([status, meta])
}
