import { useCallback, useMemo } from 'react'
import type { Member } from '../../types/client.js'
import type { PresenceView } from '../../types/react.js'
import type { RoomSnapshot } from './room-store.js'
import { useStore } from './use-store.js'

const membersOf = ({ members }: RoomSnapshot): readonly Member[] => members

/**
 * Who is in a room, live. Joins it as `useRoom` does, and shares its membership; messages do not rerender the component.
 *
 * @param roomId - `null`: no room
 * @example
 * ```tsx
 * const { members, setPresence } = usePresence('chat:42')
 * return <>
 *   <ul>{members.map(({ userId, status }) => <li key={userId}>{userId}: {status}</li>)}</ul>
 *   <button onClick={() => setPresence({ status: 'away' })}>I am away</button>
 * </>
 * ```
 */
export function usePresence (roomId: string | null): PresenceView {
  const { part: members, open } = useStore(roomId, undefined, undefined, membersOf)
  const setPresence = useCallback((presence: { status?: string, meta?: unknown }) => open()?.setPresence(presence), [open])
  return useMemo(() => ({ members, setPresence }), [members, setPresence])
}
