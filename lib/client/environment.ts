import type { ClientClock, Fetch, SocketClass } from '../../types/client.js'

/** A target of browser events. */
interface Target {
  addEventListener? (type: string, listener: () => void): void
  removeEventListener? (type: string, listener: () => void): void
}

/** What a host may have. Nothing of it is certain: the client runs in pages, workers and Node. */
interface Host extends Target {
  readonly WebSocket?: SocketClass
  readonly fetch?: Fetch
  readonly location?: { readonly href: string }
  readonly document?: Target
  readonly reportError?: (error: unknown) => void
  readonly setTimeout: (fn: () => void, ms: number) => unknown
}

export const host: Host = globalThis

export const systemClock: ClientClock = {
  wall: () => Date.now(),
  timeout (fn, ms) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
  // Not randomUUID, which pages without TLS do not have.
  id: () => crypto.getRandomValues(new Uint32Array(4)).join('-')
}

/** Lateness of a timer beyond which the machine slept or stalled, in ms. */
const LATE = 1_000

/** Is it later than it should be by more than a busy moment? */
export function isLate ({ wall }: ClientClock, due: number): boolean {
  return wall() - due > LATE
}

/**
 * A timeout that gives what already waits in the socket precedence: after sleep or a stall the overdue timer fires before the data
 * that would have kept it from firing.
 */
export function deadline (clock: ClientClock, fn: () => void, ms: number): () => void {
  const due = clock.wall() + ms
  let cancel = clock.timeout(() => {
    if (isLate(clock, due)) cancel = clock.timeout(fn, LATE)
    else fn()
  }, ms)
  return () => cancel()
}

const SIGNS = ['online', 'offline', 'pageshow', 'visibilitychange']

/** Calls `fn` when the host shows signs that connections may have come or gone. Returns what ends it. */
export function onSigns (fn: () => void): () => void {
  const each = (method: 'addEventListener' | 'removeEventListener'): void => {
    for (const target of [host, host.document]) for (const sign of SIGNS) target?.[method]?.(sign, fn)
  }
  each('addEventListener')
  return () => each('removeEventListener')
}
