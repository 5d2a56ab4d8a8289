import { useState } from 'react'
import type { RoomView } from 'fastify-realtime/react'

/** Whether messages may be missing that nobody has written behind yet: the list marks a gap only at the message after it. */
export function useGapAtEnd<Events> ({ gap, messages }: RoomView<Events>): boolean {
  const last = messages.findLast(({ state }) => state === 'sent')?.id
  const [cut, setCut] = useState({ gap, last })
  if (cut.gap !== gap) setCut({ gap, last })
  return gap !== undefined && cut.gap === gap && cut.last === last && messages.every((message) => message.gap !== gap)
}
