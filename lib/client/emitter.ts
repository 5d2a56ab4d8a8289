import { ignore } from './errors.js'

/** A handler of any event. As a method's type, so that handlers of narrower values fit. */
export type Handler = { handle (value: unknown): unknown }['handle']

/** How many handlers are left, told by whatever took one away; of one that was not there, nothing is. */
export type Left = number | false | undefined

/** Handlers by event. */
export interface Emitter {
  /** Returns what takes it away again. */
  on (event: string, handler: Handler): () => Left
  off (event: string, handler: Handler): Left
  /**
   * Calls the handlers at once. Returns how many there are.
   *
   * @param handled - called when all of them, the asynchronous ones too, went well
   */
  emit (event: string, value?: unknown, handled?: () => void): number
}

/**
 * A handler that throws is reported, and keeps nothing from the others.
 *
 * @param live - asked before every single handler: the one before may have closed the client
 */
export function createEmitter (live: () => boolean, report: (error: unknown) => void): Emitter {
  const all = new Map<string, Set<Handler>>()

  function off (event: string, handler: Handler): Left {
    const handlers = all.get(event)
    return handlers?.delete(handler) && handlers.size
  }

  return {
    off,
    on (event, handler) {
      all.set(event, (all.get(event) ?? new Set()).add(handler))
      return () => off(event, handler)
    },
    emit (event, value, handled) {
      const handlers = [...all.get(event) ?? []]
      let left = handlers.length
      for (const handler of handlers) {
        // An async function calls at once, and catches what handlers throw at once as well as later.
        const call = async (): Promise<void> => {
          await handler(value)
          if (!--left) handled?.()
        }
        // A handler of errors that fails is the end of it.
        if (live()) call().catch(event === 'error' ? ignore : report)
      }
      return handlers.length
    }
  }
}
