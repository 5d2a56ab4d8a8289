import { useCallback, useEffect, useState } from 'react'

export type Drawer = 'sidebar' | 'people'

export interface Drawers {
  readonly open: Drawer | undefined
  toggle (drawer: Drawer): void
  close (): void
}

/** The panels at the sides, which slide in where there is no room for them: one at a time, Escape closes it. */
export function useDrawer (): Drawers {
  const [open, setOpen] = useState<Drawer>()
  const close = useCallback(() => setOpen(undefined), [])

  useEffect(() => {
    if (open === undefined) return
    const opener = document.activeElement
    document.querySelector<HTMLElement>(`#${open} :is(button, input)`)?.focus()
    const onKeyDown = ({ key }: KeyboardEvent): void => {
      if (key !== 'Escape') return
      close()
      if (opener instanceof HTMLElement) opener.focus()
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [open, close])

  return { open, close, toggle: (drawer) => setOpen((open) => open === drawer ? undefined : drawer) }
}
