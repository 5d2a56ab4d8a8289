import type { Client } from '../../types/client.js'
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
    offs = [
      client.on('message', (message) => stores.get(message.roomId)?.receive(message)),
      client.on('failed', (message) => stores.get(message.roomId)?.failed(message)),
      client.on('status', () => stores.forEach((store) => store.sync()))
    ]
  }

  return {
    get: (roomId) => stores.get(roomId),
    open (roomId) {
      const open = stores.get(roomId)
      if (open !== undefined) return open
      if (stores.size === 0) listen()
      const store = createRoomStore(client, roomId, {
        failures: failures.get(roomId) ?? [],
        disposed (left) {
          stores.delete(roomId)
          if (left.length > 0) failures.set(roomId, left)
          else failures.delete(roomId)
          if (stores.size === 0) for (const off of offs) off()
        }
      })
      stores.set(roomId, store)
      return store
    }
  }
}
