import { useCallback, useState } from 'react'
import type { ConversationKey } from '../conversations.js'

/** How many are shown at a time; more would be in the way. */
const LIMIT = 3

export interface Toast {
  readonly id: number
  /** Who it is from; `null`: the server. */
  readonly from: string | null
  readonly title: string
  readonly text: string
  /** What it is about: whoever looks at that needs no toast any more. */
  readonly topic: ConversationKey | 'notices' | 'inbox'
}

export interface Toasts {
  readonly toasts: readonly Toast[]
  show (toast: Omit<Toast, 'id'>): void
  dismiss (which: (toast: Toast) => boolean): void
}

let lastId = 0

/** Short notices of what happens elsewhere. */
export function useToasts (): Toasts {
  const [toasts, setToasts] = useState<readonly Toast[]>([])
  return {
    toasts,
    show: useCallback((toast) => setToasts((toasts) => [...toasts, { id: ++lastId, ...toast }].slice(-LIMIT)), []),
    dismiss: useCallback((which) => setToasts((toasts) => toasts.some(which) ? toasts.filter((toast) => !which(toast)) : toasts), [])
  }
}
