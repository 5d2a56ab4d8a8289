import type { TabChannelClass, TabLocks } from '../../../types/client.js'

/** What a host may have of what tabs need. */
interface Host {
  readonly BroadcastChannel?: TabChannelClass
  readonly navigator?: { readonly locks?: TabLocks }
  readonly addEventListener?: (type: string, listener: () => void, options: { signal: AbortSignal, capture: true }) => void
}

export const host: Host = globalThis

/** Signs that a page is put away with all it holds, and that it is taken out again. Half of them are the document's and do not bubble. */
const AWAY = [['pagehide', 'pageshow'], ['freeze', 'resume']] as const

/** Calls `away` once when the page is put away, unless `signal` ends that, and `back` once when it is back. */
export function onAway (signal: AbortSignal, away: () => void, back: () => void): void {
  for (const [going, coming] of AWAY) {
    host.addEventListener?.(going, () => {
      away()
      const waiting = new AbortController()
      host.addEventListener?.(coming, () => {
        waiting.abort()
        back()
      }, { signal: waiting.signal, capture: true })
    }, { signal, capture: true })
  }
}
