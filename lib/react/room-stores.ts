import type { Client, MessageId } from '../../types/client.js'
import { createRoomStore } from './room-store.js'
import type { RoomStore } from './room-store.js'
import type { Outgoing } from './timeline.js'

/** The rooms of one client that components are in. */
export interface RoomStores {
  get (roomId: string): RoomStore | undefined
  /** Made where there is none. A side effect: never while rendering. */
  open (roomId: string): RoomStore
}

const all = new WeakMap<Client, RoomStores>()

/** Those of a client: the same for all components, in whatever tree. */
export function roomStoresOf (client: Client): RoomStores {
  const stores = all.get(client) ?? createRoomStores(client)
  all.set(client, stores)
  return stores
}

function createRoomStores (client: Client): RoomStores {
  const stores = new Map<string, RoomStore>()
  /** Messages that failed, of rooms that nobody looks at: they are shown again when somebody does. */
  const failures = new Map<string, readonly Outgoing[]>()
  let offs: Array<() => void> = []

  /** One handler for each event, however many rooms there are. */
  function listen (): void {
    if (offs.length > 0) return
    offs = [
      client.on('message', (message) => stores.get(message.roomId)?.receive(message)),
      client.on('sent', (message) => {
        const store = stores.get(message.roomId)
        if (store === undefined) forget(message)
        else store.sent(message)
      }),
      client.on('failed', (message) => {
        const store = stores.get(message.roomId)
        if (store === undefined && message.error.code === 'discarded') forget(message)
        else store?.failed(message)
      }),
      client.on('status', () => stores.forEach((store) => store.sync()))
    ]
  }

  function keep (roomId: string, left: readonly Outgoing[]): void {
    if (left.length > 0) failures.set(roomId, left)
    else failures.delete(roomId)
    if (stores.size > 0 || failures.size > 0) return
    for (const off of offs) off()
    offs = []
  }

  /** A message that the client had kept was sent after all, or discarded. */
  function forget ({ roomId, key }: MessageId): void {
    keep(roomId, (failures.get(roomId) ?? []).filter((sent) => sent.key !== key))
  }

  return {
    get: (roomId) => stores.get(roomId),
    open (roomId) {
      const open = stores.get(roomId)
      if (open !== undefined) return open
      listen()
      const store = createRoomStore(client, roomId, {
        failures: failures.get(roomId) ?? [],
        disposed (left) {
          stores.delete(roomId)
          keep(roomId, left)
        }
      })
      stores.set(roomId, store)
      failures.delete(roomId)
      return store
    }
  }
}
