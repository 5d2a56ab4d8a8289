import { utf8Length } from '../protocol/names.js'
import type { Core } from './core.js'
import type { DirectFrame, JoinAnswer, Recovery, Welcome } from './frames.js'

/** Rooms in one frame, and bytes beside them. */
const MAX_ROOMS = 1_000
const HEAD = 300

/** The inbox's side of a resume. */
export interface Inbox {
  readonly position: string | undefined
  answer (answer: Recovery<DirectFrame>): void
}

/**
 * Brings back the inbox and every room with one frame, or as few as the server's limit on their size allows. Rooms with more than
 * one answer holds read on by themselves, the inbox does here.
 */
export async function resume (core: Core, inbox: Inbox, { limits }: Welcome): Promise<void> {
  const rooms = [...core.rooms.values()].filter(({ wanted }) => wanted)
  let since = inbox.position
  do {
    const requests: object[] = []
    const takers: Array<(answer: JoinAnswer) => void> = []
    for (let size = HEAD, room = rooms[0]; room !== undefined; room = rooms[0]) {
      size += utf8Length(JSON.stringify(room.request)) + 1
      if (requests.length > 0 && (size > limits.maxPayload || requests.length >= MAX_ROOMS)) break
      requests.push(room.request)
      takers.push(room.resuming())
      rooms.shift()
    }
    const answer = await core.request({ type: 'resume', inbox: since, rooms: requests }, {}, true)
    inbox.answer(answer.inbox ?? {})
    answer.rooms?.forEach((part, index) => takers[index]?.(part))
    since = answer.inbox?.more === true ? inbox.position : undefined
  } while (rooms.length > 0 || since !== undefined)
}
