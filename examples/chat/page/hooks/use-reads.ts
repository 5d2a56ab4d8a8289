import { useCallback, useEffect, useMemo, useState } from 'react'
import type { ConversationKey } from '../conversations.js'
import { useStored } from './use-stored.js'

/** What can be looked at. `toasts`: what was shown as one. */
type Topic = ConversationKey | 'notices' | 'toasts'

type Marks = Readonly<Record<string, number>>

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
  const stored = `chat:read:${me}`
  const [marks, setMarks] = useStored<Marks>(localStorage, stored, {})
  const [counts, setCounts] = useState<Readonly<Record<string, number>>>({})

  const mark = useCallback((topic: Topic, timestamp: number) => {
    setMarks((marks) => latest(marks, { [topic]: timestamp }))
  }, [setMarks])

  // What was read in another tab is read. Without it each tab would write its own marks over those of the others, too.
  useEffect(() => {
    const onStorage = ({ key, newValue }: StorageEvent): void => {
      if (key !== stored || newValue === null) return
      // Each tab shows its own: nobody sees those of a tab in the background.
      const { toasts: _, ...read }: Marks = JSON.parse(newValue)
      setMarks((marks) => latest(marks, read))
    }
    addEventListener('storage', onStorage)
    return () => removeEventListener('storage', onStorage)
  }, [stored, setMarks])

  const report = useCallback((key: ConversationKey, count: number) => {
    setCounts((counts) => (counts[key] ?? 0) === count ? counts : { ...counts, [key]: count })
  }, [])

  return useMemo(() => ({ readAt: (topic) => marks[topic], mark, counts, report }), [marks, mark, counts, report])
}

/** The later mark of each; the same object if none of the others is later, so that tabs come to rest. */
function latest (marks: Marks, others: Marks): Marks {
  const later = Object.entries(others).filter(([topic, timestamp]) => timestamp > (marks[topic] ?? -1))
  return later.length === 0 ? marks : { ...marks, ...Object.fromEntries(later) }
}
