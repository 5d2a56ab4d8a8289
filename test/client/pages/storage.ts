// The page of storage-browser.test.ts: a client whose queue is stored, in the hands of the test.
import { createClient, indexedDbQueue, localStorageQueue } from '../../../lib/client/index.js'
import type { Client, QueueStorage } from '../../../lib/client/index.js'

export type Kind = 'localStorage' | 'IndexedDB'

export interface StoragePage {
  readonly client: Client
  readonly room: ReturnType<Client['room']>
  readonly storage: QueueStorage
  /** Names and messages of what the adapter reported. */
  readonly storageErrors: string[]
  /** Those of what the client reported. */
  readonly errors: string[]
}

export interface Start {
  readonly kind: Kind
  readonly token: string
  readonly name?: string
  readonly url?: string
  readonly connect?: boolean
  readonly timeout?: number
}

declare global {
  // The way from a test into its page.
  var storagePage: StoragePage
  var startStorage: (start: Start) => Promise<void>
}

globalThis.startStorage = async ({ kind, token, name = 'ann', url = '/realtime', connect = true, timeout }) => {
  const storageErrors: string[] = []
  const errors: string[] = []
  const options = { onError: (error: unknown) => storageErrors.push(String(error)) }
  const storage = kind === 'localStorage' ? localStorageQueue(name, options) : indexedDbQueue(name, options)
  const client = createClient({
    url,
    getToken: () => token,
    queue: { storage },
    backoff: { min: 10, max: 20 },
    timeout,
    autoConnect: false,
    onError: (error) => errors.push(String(error))
  })
  globalThis.storagePage = { client, room: client.room('chat:1'), storage, storageErrors, errors }
  if (connect) await client.connect()
}
