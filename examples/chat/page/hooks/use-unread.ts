import { useEffect } from 'react'
import { isPerson } from '../conversations.js'
import type { ConversationKey } from '../conversations.js'
import type { Reads } from './use-reads.js'
import { useVisible } from './use-visible.js'

export interface UnreadOptions {
  readonly me: string
  readonly reads: Reads
  /** This conversation is the one on the screen. */
  readonly open: boolean
}

interface Conversation {
  readonly messages: ReadonlyArray<{ readonly userId: string | null, readonly timestamp: number }>
  /** What was said in it before is among the messages. */
  readonly loaded: boolean
}

/** Counts the messages of others since somebody last looked; looking is reading. */
export function useUnread (key: ConversationKey, { messages, loaded }: Conversation, { me, reads, open }: UnreadOptions): number {
  const { readAt, mark, report } = reads
  const looking = useVisible() && open
  // What was said in a room before somebody came is no news to them; what was written to them is.
  const since = readAt(key) ?? (isPerson(key) ? 0 : undefined)
  const last = messages.findLast(({ userId }) => userId !== me)?.timestamp ?? 0
  const count = looking ? 0 : messages.filter(({ userId, timestamp }) => userId !== me && timestamp > (since ?? Infinity)).length

  useEffect(() => {
    // Never the time it is here: messages have the server's.
    if ((loaded || last > 0) && (looking || since === undefined)) mark(key, last)
  }, [key, looking, loaded, last, since, mark])

  useEffect(() => { report(key, count) }, [key, count, report])
  useEffect(() => () => report(key, 0), [key, report])

  return count
}
