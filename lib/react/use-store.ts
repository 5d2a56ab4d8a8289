import { useCallback, useSyncExternalStore } from 'react'
import { ignore } from '../client/errors.js'
import { useClient } from './provider.js'
import { JOINING, NOWHERE } from './room-store.js'
import type { RoomSnapshot, RoomStore } from './room-store.js'
import { roomStoresOf } from './room-stores.js'

export interface StoreUse<Part> {
  readonly part: Part
  /** The room's store, if there is one: from the moment on when the component is mounted. */
  readonly store: () => RoomStore | undefined
  /** The room's store, made where there is none: for what is sent before that moment, or when the component is gone. */
  readonly open: () => RoomStore | undefined
}

/** Keeps the component in a room, and shows it a part of what is there. */
export function useStore<Part> (
  roomId: string | null, history: number | undefined, limit: number | undefined, partOf: (snapshot: RoomSnapshot) => Part
): StoreUse<Part> {
  const client = useClient()
  const store = useCallback(() => roomId === null ? undefined : roomStoresOf(client).get(roomId), [client, roomId])
  const open = useCallback(() => roomId === null ? undefined : roomStoresOf(client).open(roomId), [client, roomId])
  const subscribe = useCallback((listener: () => void) => open()?.use({ history, limit }, listener) ?? ignore, [open, history, limit])
  const before = (): Part => partOf(roomId === null ? NOWHERE : JOINING)
  const part = useSyncExternalStore(subscribe, () => {
    const snapshot = store()?.snapshot
    return snapshot === undefined ? before() : partOf(snapshot)
  }, before)
  return { part, store, open }
}
