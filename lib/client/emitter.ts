/** A handler of any event. As a method's type, so that handlers of narrower values fit. */
export type Handler = { handle (value: unknown): unknown }['handle']

/** Handlers by event. */
export interface Emitter {
  on (event: string, handler: Handler): () => void
  off (event: string, handler: Handler): void
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

  async function call (handler: Handler, value: unknown): Promise<boolean> {
    try {
      await handler(value)
      return true
    } catch (error) {
      report(error)
      return false
    }
  }

  function off (event: string, handler: Handler): void {
    all.get(event)?.delete(handler)
  }

  return {
    off,
    on (event, handler) {
      const handlers = all.get(event) ?? new Set()
      all.set(event, handlers.add(handler))
      return () => off(event, handler)
    },
    emit (event, value, handled) {
      const calls: Array<Promise<boolean>> = []
      for (const handler of [...all.get(event) ?? []]) if (live()) calls.push(call(handler, value))
      if (handled !== undefined && calls.length > 0) void Promise.all(calls).then((went) => { if (!went.includes(false)) handled() })
      return calls.length
    }
  }
}
