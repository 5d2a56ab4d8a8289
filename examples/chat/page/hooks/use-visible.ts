import { useSyncExternalStore } from 'react'

function subscribe (changed: () => void): () => void {
  document.addEventListener('visibilitychange', changed)
  return () => document.removeEventListener('visibilitychange', changed)
}

/** Whether somebody can be looking at this tab. */
export function useVisible (): boolean {
  return useSyncExternalStore(subscribe, () => document.visibilityState === 'visible')
}
