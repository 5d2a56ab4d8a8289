import type { Client, ClientOptions } from '../../types/client.js'
import { buildClient } from './client.js'

export type * from '../../types/client.js'
export { RealtimeError } from './errors.js'
export { shareTabs } from './tabs/share-tabs.js'
export { indexedDbQueue } from './storage/indexed-db-queue.js'
export { localStorageQueue } from './storage/local-storage-queue.js'

/**
 * A client of a fastify-realtime server, for pages, workers and Node. With an Api everything is typed by it; without, nothing is.
 *
 * @example
 * ```ts
 * const client = createClient<Api>({ url: '/realtime', getToken: async () => (await fetch('/token')).text() })
 * const room = client.room('chat:42')
 * room.on('message', ({ userId, content }) => show(userId, content.text))
 * await room.send({ text: 'hi' })
 * ```
 */
export function createClient<Api = unknown> (options: ClientOptions): Client<Api>
export function createClient (options: ClientOptions): object {
  return buildClient(options)
}
