import { useMemo, useState } from 'react'
import type { DirectMessage, Gap } from 'fastify-realtime/client'
import type { Line } from '../line.js'
import { useDirect } from '../realtime.js'
import { useOutbox } from './use-outbox.js'

/** How many of the inbox the page holds. */
const LIMIT = 1_000

export interface Notice {
  readonly id: string
  readonly text: string
  readonly timestamp: number
}

export interface Directs {
  /** What was said with whom, the latest last. */
  readonly lines: ReadonlyMap<string, readonly Line[]>
  /** People behind whose last line messages may be missing. */
  readonly broken: ReadonlySet<string>
  /** What the server itself said, the newest first. */
  readonly notices: readonly Notice[]
  /** The inbox could not be continued: what is missing is only had by reading it from its start, as a reload does. */
  readonly gap: Gap | undefined
  /** Letters that wait for a connection. */
  readonly waiting: number
  send (to: string, text: string): void
  /** Of a line that failed. */
  retry (id: string): void
  discard (id: string): void
}

type News = NonNullable<Parameters<typeof useDirect>[0]>['onMessage']

/** Everything that is for this user alone, and what they write to others. */
export function useDirects (me: string, onMessage: News): Directs {
  const { messages, gap } = useDirect({ limit: LIMIT, onMessage })
  const [known, setKnown] = useState({ messages, gap, cut: messages.at(-1) })
  if (known.messages !== messages || known.gap !== gap) {
    // A gap comes with what follows it: it is behind what was known before.
    setKnown({ messages, gap, cut: known.gap === gap ? known.cut : known.messages.at(-1) })
  }
  const { cut } = known

  const arrived = useMemo(() => new Set(messages.flatMap((message) => {
    return message.event === 'message' && message.userId === me ? message.content.key : []
  })), [messages, me])
  const { letters, send, retry, discard } = useOutbox(me, arrived)

  const { lines, broken } = useMemo(() => {
    const lines = new Map<string, Line[]>()
    // People whose conversation has no line behind the gap yet.
    let broken = new Set<string>()

    function add (person: string, sender: string, key: string, line: Omit<Line, 'id' | 'userId' | 'gap'>): void {
      const conversation = lines.get(person) ?? []
      lines.set(person, conversation)
      conversation.push({ id: idOf(sender, key), userId: sender, gap: broken.delete(person), ...line })
    }

    for (const message of messages) {
      if (message.event === 'message' && message.userId !== null) {
        const { userId, content: { to, text, key }, timestamp } = message
        add(userId === me ? to : userId, userId, key, { text, timestamp, state: 'sent' })
      }
      if (gap !== undefined && message === cut) broken = new Set(lines.keys())
    }
    for (const { key, to, text, timestamp, state, problem } of letters) {
      if (!arrived.has(key)) add(to, me, key, { text, timestamp, state, problem })
    }
    return { lines, broken }
  }, [messages, letters, arrived, gap, cut, me])

  const notices = useMemo(() => {
    return messages.flatMap((message) => message.event === 'order-placed' ? noticeOf(message) : []).reverse()
  }, [messages])

  return {
    lines,
    broken,
    notices,
    gap,
    waiting: letters.filter(({ state }) => state === 'pending').length,
    send,
    retry: (id) => retry(keyOf(id)),
    discard: (id) => discard(keyOf(id))
  }
}

// Keys are unique for a sender only.
const idOf = (sender: string, key: string): string => `${sender}:${key}`
const keyOf = (id: string): string => id.slice(id.indexOf(':') + 1)

export function noticeOf ({ content: { id, item }, timestamp }: DirectMessage<'order-placed', { id: string, item: string }>): Notice {
  return { id, text: `${item} is on its way · order ${id}`, timestamp }
}
