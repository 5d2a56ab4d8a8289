import type { Member, PresenceChange } from '../../types/client.js'
import type { PresencePage } from './frames.js'

type Change = Member & { readonly change?: PresenceChange }

/** Who is in a room: a snapshot, page by page, and what follows it. */
export interface Members {
  readonly map: Map<string, Member>
  /** A change the server tells of. False, or else what is true: of somebody who was not here anyway. */
  apply (change: Change): unknown
  /** A page of a snapshot; the first one starts it anew. Returns behind whom the next one begins. */
  page (page: PresencePage, first?: boolean): string | undefined
}

export function createMembers (): Members {
  const map = new Map<string, Member>()
  /** Those of before that no page has shown yet. */
  let stale = new Set<string>()

  function apply ({ userId, change, status, meta, devices }: Change): unknown {
    stale.delete(userId)
    return change === 'left' ? map.delete(userId) : map.set(userId, { userId, status, meta, devices })
  }

  return {
    map,
    apply,
    page (page, first) {
      if (first) stale = new Set(map.keys())
      page.members.forEach(apply)
      if (page.more) return page.members.at(-1)?.userId
      stale.forEach((userId) => map.delete(userId))
    }
  }
}
