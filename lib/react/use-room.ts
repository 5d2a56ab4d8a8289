import { useEffect, useMemo } from 'react'
import type { AnyEvents } from '../../types/events.js'
import type { RoomView, UseRoomOptions } from '../../types/react.js'
import { check } from './check.js'
import type { RoomSnapshot } from './room-store.js'
import { useStore } from './use-store.js'

const whole = (snapshot: RoomSnapshot): RoomSnapshot => snapshot

/**
 * Joins a room for as long as a component is in it, and shows its messages, members and who types. All components in a room, of
 * whatever tree, share one membership and one list; a room that the application joined itself by `client.room` is not left by them.
 *
 * @param roomId - `null`: no room
 * @throws {RangeError} when an option is out of its bounds
 * @example
 * ```tsx
 * const { messages, send, retry } = useRoom('chat:42')
 * return <>
 *   {messages.map(({ id, content, state }) => <Message key={id} text={content.text} state={state} onRetry={() => retry(id)} />)}
 *   <Composer onSend={(text) => send({ text })} />
 * </>
 * ```
 */
export function useRoom (roomId: string | null, { history = 50, limit = 500 }: UseRoomOptions = {}): RoomView<AnyEvents> {
  check('history', history, 0, 100)
  check('limit', limit, 1, 10_000)
  const { part, store, open } = useStore(roomId, history, limit, whole)
  const actions = useMemo(() => {
    const typist = {}
    return {
      send: async (content?: unknown) => open()?.publish('message', content),
      publish: async (event: string, content?: unknown) => open()?.publish(event, content),
      retry: (id: string) => store()?.retry(id),
      discard: (id: string) => store()?.discard(id),
      loadOlder: async () => await store()?.loadOlder() ?? false,
      rejoin: () => store()?.rejoin(),
      setTyping: (typing: boolean) => store()?.setTyping(typist, typing)
    }
  }, [store, open])
  useEffect(() => () => actions.setTyping(false), [actions])
  return useMemo(() => ({ ...part, ...actions }), [part, actions])
}
