import type { LocalStorageQueueOptions, QueueStorage, StoredMessage, WebStorage } from '../../../types/client.js'
import { brokenItem, checkName, createReport, inOrder, isStored } from './stored.js'

/**
 * Keeps waiting messages in `localStorage`, so that a reload of the page loses none: for few and small messages, since all that a site
 * keeps there may be about 5 MB and is written at once. {@link indexedDbQueue} takes more.
 *
 * Each message is an item of its own. One that is no message (broken, foreign, of another version) is removed and reported. Where
 * there is no store, or it is full, that is reported and the queue goes on in memory. Everything stored is loaded, also beyond
 * `queue.size`: further messages are then refused with `queue_full` until enough of it is sent.
 *
 * Two tabs with one name both send what is stored, under the same key, so that it arrives once; not so in volatile rooms, which
 * remember no keys.
 *
 * @param name - whose queue it is, 1 to 256 characters: name it by the user who is signed in. What was queued before the first
 * connection says nothing else about who wrote it, and another user of this browser would send it as their own.
 * @throws TypeError - the name is no such text
 *
 * @example
 * ```ts
 * const client = createClient<Api>({ url: '/realtime', getToken, queue: { storage: localStorageQueue(user.id) } })
 * ```
 */
export function localStorageQueue (name: string, { storage, onError }: LocalStorageQueueOptions = {}): QueueStorage {
  checkName(name)
  const report = createReport(onError)
  // JSON ends each part by itself, so that no name begins another one.
  const prefix = JSON.stringify(['fastify-realtime', name]).slice(0, -1) + ','
  let store: WebStorage | null | undefined

  function keyOf ({ roomId, key }: StoredMessage): string {
    return prefix + JSON.stringify([roomId, key]).slice(1)
  }

  /** The store; `null`: there is none, which is told once. */
  function open (): WebStorage | null {
    if (store === undefined) {
      try {
        // The very look at it throws where the browser keeps nothing for this page.
        const found: WebStorage | undefined = storage ?? Reflect.get(globalThis, 'localStorage')
        if (found === undefined) throw new Error('There is no localStorage')
        store = found
      } catch (error) {
        store = null
        report(error)
      }
    }
    return store
  }

  function remove (message: StoredMessage): void {
    try {
      open()?.removeItem(keyOf(message))
    } catch (error) {
      report(error)
    }
  }

  function read (item: string | null): unknown {
    try {
      return JSON.parse(item ?? '')
    } catch {
      return undefined
    }
  }

  return {
    load () {
      const messages: StoredMessage[] = []
      try {
        const store = open()
        const keys = Array.from({ length: store?.length ?? 0 }, (_, index) => store?.key(index) ?? '').filter((key) => key.startsWith(prefix))
        for (const key of keys) {
          const message = read(store?.getItem(key) ?? null)
          if (isStored(message) && keyOf(message) === key) messages.push(message)
          else {
            store?.removeItem(key)
            report(brokenItem(name))
          }
        }
      } catch (error) {
        report(error)
      }
      return inOrder(messages)
    },
    put (message) {
      const store = open()
      const key = keyOf(message)
      try {
        store?.setItem(key, JSON.stringify(message))
      } catch (error) {
        // What stands there says that it was never sent, and would be believed after the time of keys.
        if (message.sentAt !== undefined) remove(message)
        report(error)
      }
    },
    delete: remove
  }
}
