import { useCallback, useMemo, useState } from 'react'
import type { ConversationKey } from '../conversations.js'
import { useStored } from './use-stored.js'

/** What can be looked at. `toasts`: what was shown as one. */
type Topic = ConversationKey | 'notices' | 'toasts'

/** What was looked at, by the server's clock, and how much was not. */
export interface Reads {
  /** The time up to which somebody has seen a conversation, epoch ms. */
  readAt (topic: Topic): number | undefined
  /** Everything up to then is seen. */
  mark (topic: Topic, timestamp: number): void
  /** Unread messages by conversation. */
  readonly counts: Readonly<Record<string, number>>
  report (key: ConversationKey, count: number): void
}

export function useReads (me: string): Reads {
  const [marks, setMarks] = useStored<Readonly<Record<string, number>>>(localStorage, `chat:read:${me}`, {})
  const [counts, setCounts] = useState<Readonly<Record<string, number>>>({})

  const mark = useCallback((topic: Topic, timestamp: number) => {
    setMarks((marks) => timestamp > (marks[topic] ?? -1) ? { ...marks, [topic]: timestamp } : marks)
  }, [setMarks])

  const report = useCallback((key: ConversationKey, count: number) => {
    setCounts((counts) => (counts[key] ?? 0) === count ? counts : { ...counts, [key]: count })
  }, [])

  return useMemo(() => ({ readAt: (topic) => marks[topic], mark, counts, report }), [marks, mark, counts, report])
}
