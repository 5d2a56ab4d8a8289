import type { Core } from './core.js'
import type { Welcome } from './frames.js'

/** What a room takes at most, with its share of what is around the rooms, in bytes. The smallest limit has place for one. */
const ROOM = 800

/**
 * Brings back the inbox and every room with one frame, or as few as the server's limit on their size allows. Rooms with more than
 * one answer holds read on by themselves, the inbox does here.
 */
export async function resume (core: Core, { userId, inbox, limits }: Welcome): Promise<void> {
  const rooms = [...core.rooms.values()].filter(({ wanted }) => wanted)
  let since: string | undefined = core.inbox ??= inbox
  core.userId = userId
  do {
    const parts = rooms.splice(0, limits.maxPayload / ROOM).map((room) => room.resuming())
    await core.request({ type: 'resume', inbox: since, rooms: parts.map(([request]) => request) }, ({ inbox, rooms }) => {
      core.replay(inbox)
      rooms.forEach((part, index) => parts[index]?.[1](part))
      since = inbox.more ? core.inbox : undefined
    })
  } while (rooms.length || since)
}
