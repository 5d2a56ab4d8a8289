import type { PresenceEvent, PresenceSnapshot } from '../bridge/bridge.js'
import { PRESENCE_PAGE } from '../protocol/frames.js'
import type { Member } from '../../types/presence.js'
import type { PresenceChange } from '../protocol/frames.js'
import type { PresencePage } from '../protocol/encode.js'
import type { AnswerBudget } from './catch-up.js'

/** A difference that members are told. */
export interface Announcement {
  readonly change: PresenceChange
  readonly member: Member
}

/**
 * This node's copy of who is in a room, kept in the order of the versions. Pages and snapshots come from here in the turn they
 * are queued, so every presence frame that follows them is newer.
 */
export class PresenceMirror {
  #version = 0
  #members = new Map<string, Member>()
  /** User ids in order, so that a page does not sort: a room may have tens of thousands. */
  #order: string[] = []

  get count (): number {
    return this.#members.size
  }

  has (userId: string): boolean {
    return this.#members.has(userId)
  }

  /** What to announce, if anything; an event at or below the version held here is old news. */
  apply (event: PresenceEvent): Announcement | null {
    if (event.version <= this.#version) return null
    this.#version = event.version
    const { change, member } = event
    if (change === 'left') return this.#remove(member.userId) ? { change, member } : null
    const known = this.#members.get(member.userId)
    this.#put(member)
    // Nobody is told of devices, but after a loss the event may be the first to show more than that.
    return change === 'devices' ? difference(known, member) : { change, member }
  }

  /**
   * Takes over a whole state, whatever is known here: where it belongs among the events is the bridge's knowledge, and a store
   * that lost its data counts versions from the beginning. Returns the differences.
   */
  replace (snapshot: PresenceSnapshot): Announcement[] {
    const before = this.#members
    const differences: Announcement[] = []
    const present = new Map<string, Member>()
    for (const member of snapshot.members) {
      present.set(member.userId, member)
      const told = difference(before.get(member.userId), member)
      if (told !== null) differences.push(told)
    }
    for (const member of before.values()) {
      if (!present.has(member.userId)) differences.push({ change: 'left', member })
    }
    this.#version = snapshot.version
    this.#members = present
    this.#order = [...present.keys()].sort()
    return differences
  }

  /** Members in order of user id, those after `after` only, as many as the page and the budget hold. */
  page (after: string | undefined, budget: AnswerBudget, limit = PRESENCE_PAGE): PresencePage {
    const from = after === undefined ? 0 : this.#indexAfter(after)
    const members: Member[] = []
    for (let i = from; i < this.#order.length && members.length < limit; i++) {
      const member = this.#members.get(this.#order[i] ?? '')
      if (member === undefined) continue
      budget.memberBytes -= atMostBytes(member)
      if (budget.memberBytes < 0) break
      members.push(member)
    }
    const page = { members, count: this.count }
    return from + members.length < this.#order.length ? { ...page, more: true } : page
  }

  #put (member: Member): void {
    if (!this.#members.has(member.userId)) this.#order.splice(this.#indexAfter(member.userId), 0, member.userId)
    this.#members.set(member.userId, member)
  }

  #remove (userId: string): boolean {
    if (!this.#members.delete(userId)) return false
    this.#order.splice(this.#indexAfter(userId) - 1, 1)
    return true
  }

  /** Index of the first user id greater than `userId`. */
  #indexAfter (userId: string): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#order[middle] ?? '') <= userId) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** An upper bound of a member's JSON: names hold no controls, and a quote escaped is two bytes. */
function atMostBytes ({ userId, status, meta }: Member): number {
  return 80 + 3 * (userId.length + status.length) + (meta === undefined ? 0 : 3 * JSON.stringify(meta).length)
}

/** What is to be told when `member` takes the place of what was known. */
function difference (known: Member | undefined, member: Member): Announcement | null {
  if (known === undefined) return { change: 'joined', member }
  const same = known.status === member.status && JSON.stringify(known.meta) === JSON.stringify(member.meta)
  return same ? null : { change: 'updated', member }
}
