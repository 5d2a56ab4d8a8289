import type { MessageId, QueueStorage, QueueStorageOptions, StoredMessage } from '../../../types/client.js'
import { brokenItem, checkName, createReport, inOrder, isStored } from './stored.js'

/* What is used of IndexedDB, since the types of the DOM would have to be there for whoever loads ours. */

interface Request<Result> {
  readonly result: Result
  readonly error: unknown
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}

interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null
  onblocked: (() => void) | null
}

interface Store {
  put (value: StoredMessage): unknown
  delete (key: readonly unknown[]): unknown
  get (key: readonly unknown[]): Request<StoredMessage | undefined>
  getAll (): Request<readonly unknown[]>
}

interface Transaction {
  readonly error: unknown
  onabort: (() => void) | null
  objectStore (name: string): Store
  commit? (): void
}

interface Database {
  onversionchange: (() => void) | null
  onclose: (() => void) | null
  createObjectStore (name: string, options: { keyPath: string[] }): unknown
  transaction (names: string, mode: 'readwrite'): Transaction
  close (): void
}

interface Factory {
  open (name: string, version: number): OpenRequest
}

/** Something to do with the store. */
interface Task {
  /** @param commit - there is nothing more to do, so that it is done even if the page goes away now */
  run (store: Store, commit: () => void): void
  /** It was not done, and why has been told. */
  fail? (): void
}

const STORE = 'messages'

/** Not by its literal, whose type would be that of the DOM wherever the DOM's types are loaded. */
const GLOBAL: string = 'indexedDB'

/** Tasks that may wait for the database to open; beyond it there is something wrong with it. */
const MAX_WAITING = 10_000

/**
 * Keeps waiting messages in IndexedDB, so that a reload of the page loses none, nor the end of a worker.
 *
 * Each message is a record of its own, in a database of its own for every name. One that is no message (broken, foreign, of another
 * version) is removed and reported. Where there is no store, it is full, or it cannot be opened, that is reported and the queue goes
 * on in memory. Everything stored is loaded, also beyond `queue.size`: further messages are then refused with `queue_full` until
 * enough of it is sent. Writes begin at once and in order, so that one made before `pagehide` has its best chance.
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
 * const client = createClient<Api>({ url: '/realtime', getToken, queue: { storage: indexedDbQueue(user.id) } })
 * ```
 */
export function indexedDbQueue (name: string, { onError }: QueueStorageOptions = {}): QueueStorage {
  checkName(name)
  const report = createReport(onError)
  /** Until the database is open, the latest task for each message: it is all that matters of them. */
  const waiting = new Map<unknown, Task>()
  let database: Database | undefined
  let opening = false
  /** There will be no database for this page. */
  let broken = false

  function giveUp (error: unknown): void {
    broken = true
    report(error)
    for (const { fail } of waiting.values()) fail?.()
    waiting.clear()
  }

  function open (): void {
    if (opening) return
    opening = true
    try {
      const factory: Factory | undefined = Reflect.get(globalThis, GLOBAL)
      if (factory === undefined) throw new Error('There is no IndexedDB')
      const request = factory.open(`fastify-realtime ${name}`, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: ['roomId', 'key'] })
      request.onblocked = () => report(new Error(`Another page keeps the stored queue "${name}" from being opened`))
      request.onerror = () => {
        opening = false
        giveUp(request.error)
      }
      request.onsuccess = () => {
        opening = false
        opened(request.result)
      }
    } catch (error) {
      opening = false
      giveUp(error)
    }
  }

  function opened (opened: Database): void {
    if (broken) return opened.close()
    database = opened
    // Whoever wants to delete or to upgrade it must not wait for this page; it is opened again when it is needed.
    database.onversionchange = () => {
      opened.close()
      database = undefined
    }
    database.onclose = () => { database = undefined }
    try {
      for (const [id, task] of waiting) {
        begin(opened, task)
        waiting.delete(id)
      }
    } catch (error) {
      giveUp(error)
    }
  }

  /**
   * One transaction for each task: the store runs them one after the other, in this order.
   *
   * @throws the database is not open any more, or not ours
   */
  function begin (database: Database, { run, fail }: Task): void {
    const transaction = database.transaction(STORE, 'readwrite')
    transaction.onabort = () => {
      report(transaction.error)
      fail?.()
    }
    const store = transaction.objectStore(STORE)
    try {
      run(store, () => transaction.commit?.())
    } catch (error) {
      // It cannot be stored, for example under a key that is no text.
      report(error)
    }
  }

  /** Begins in this turn where it can: the page may be gone in the next one. */
  function perform (id: unknown, task: Task): void {
    if (broken) return task.fail?.()
    try {
      if (database) return begin(database, task)
    } catch {
      // The browser closed it and has not said so yet.
      database = undefined
    }
    waiting.set(id, task)
    if (waiting.size > MAX_WAITING) giveUp(new Error(`The stored queue "${name}" does not open`))
    else open()
  }

  function idOf ({ roomId, key }: MessageId): string {
    return JSON.stringify([roomId, key])
  }

  /** What stands there may say that the message was never sent, and would be believed after the time of keys. */
  function distrust (message: StoredMessage): void {
    const id = [message.roomId, message.key]
    perform({}, {
      run (store) {
        const request = store.get(id)
        request.onsuccess = () => { if (request.result?.sentAt === undefined) store.delete(id) }
      }
    })
  }

  return {
    load: () => new Promise((resolve) => {
      perform({}, {
        run (store) {
          const request = store.getAll()
          request.onsuccess = () => {
            const messages: StoredMessage[] = []
            for (const value of request.result) {
              if (isStored(value)) messages.push(value)
              else {
                // The path of its key was fit for a key, or it would not be here.
                const { roomId, key } = Object(value)
                store.delete([roomId, key])
                report(brokenItem(name))
              }
            }
            resolve(inOrder(messages))
          }
        },
        fail: () => resolve([])
      })
    }),
    put (message) {
      // As it is now: it may wait for the database, and is marked when it is sent.
      const record = { ...message }
      perform(idOf(message), {
        run (store, commit) {
          store.put(record)
          commit()
        },
        fail: () => { if (record.sentAt !== undefined) distrust(record) }
      })
    },
    delete (message) {
      const { roomId, key } = message
      perform(idOf(message), {
        run (store, commit) {
          store.delete([roomId, key])
          commit()
        }
      })
    }
  }
}
