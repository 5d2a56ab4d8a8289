import type { Bridge, ChannelEvent, ChannelName, PresenceSnapshot } from '../../lib/bridge/bridge.js'
import type { Member } from '../../types/presence.js'

/** What a follower knows of a room, as a node's mirror does, and what it was told. */
export interface PresenceMirror {
  readonly events: readonly ChannelEvent[]
  /** Versions that did not follow the one before. */
  readonly holes: readonly string[]
  version (): number
  /** By id. */
  members (): Member[]
  changes (change: string): string[]
  until (condition: () => boolean): Promise<void>
}

export async function mirror (bridge: Bridge, channel: ChannelName): Promise<PresenceMirror> {
  const events: ChannelEvent[] = []
  const holes: string[] = []
  const waiting = new Set<() => void>()
  const members = new Map<string, Member>()
  let version = -1
  const replace = (snapshot: PresenceSnapshot): void => {
    version = snapshot.version
    members.clear()
    for (const member of snapshot.members) members.set(member.userId, member)
  }
  const { presence } = await bridge.subscribe(channel, { presence: true }, (event) => {
    events.push(event)
    if (event.type === 'presence-snapshot') replace(event.snapshot)
    if (event.type === 'presence') {
      if (event.version !== version + 1) holes.push(`${version} ${event.version}`)
      version = event.version
      if (event.change === 'left') members.delete(event.member.userId)
      else members.set(event.member.userId, event.member)
    }
    for (const check of waiting) check()
  })
  if (presence === undefined) throw new Error('no presence')
  replace(presence)
  return {
    events,
    holes,
    version: () => version,
    members: () => sorted(members.values()),
    changes: (change) => events.flatMap((event) => event.type === 'presence' && event.change === change ? [event.member.userId] : []),
    until: (condition) => new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  }
}

export function sorted (members: Iterable<Member>): Member[] {
  return [...members].sort((a, b) => a.userId < b.userId ? -1 : 1)
}
