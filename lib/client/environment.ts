import type { ClientClock, Fetch, SocketClass } from '../../types/client.js'

/** What a host may have: the client runs in pages, workers and Node. Where one of the first two is missing, its use fails. */
interface Host {
  readonly WebSocket: SocketClass
  readonly fetch: Fetch
  readonly addEventListener?: (type: string, listener: () => void) => void
  readonly removeEventListener?: (type: string, listener: () => void) => void
  readonly location?: { readonly href: string }
  readonly reportError?: (error: unknown) => void
  readonly setTimeout: (fn: () => void, ms: number) => unknown
}

export const host: Host = globalThis

export const systemClock: ClientClock = {
  wall: Date.now,
  timeout (fn, ms) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
  random: Math.random,
  // Not randomUUID, which pages without TLS do not have.
  id: () => crypto.getRandomValues(new Uint32Array(4)).join('-')
}

/** @throws TypeError - it is no address, or a relative one where there is no page */
export function absolute (url: string, page: string | undefined = host.location?.href): string {
  return new URL(url, page).href
}

/** Lateness of a timer beyond which the machine slept or stalled, in ms. */
const LATE = 1_000

/** Is it later than it should be by more than a busy moment? */
export function isLate (clock: ClientClock, due: number): boolean {
  return clock.wall() - due > LATE
}

/**
 * A timeout that gives what already waits in the socket precedence: after sleep or a stall the overdue timer fires before the data
 * that would have kept it from firing.
 */
export function deadline (clock: ClientClock, fn: () => void, ms: number): () => void {
  const due = clock.wall() + ms
  return clock.timeout(() => {
    if (isLate(clock, due)) clock.timeout(fn, LATE)
    else fn()
  }, ms)
}

/** Bytes of a text as UTF-8. */
export function bytesOf (text: string): number {
  return new Blob([text]).size
}

/** Calls `fn` when a page shows signs that connections may have come or gone. Returns what ends it. */
export function onSigns (fn: () => void): () => void {
  const signs = ['online', 'offline', 'visibilitychange']
  signs.forEach((sign) => host.addEventListener?.(sign, fn))
  return () => signs.forEach((sign) => host.removeEventListener?.(sign, fn))
}
