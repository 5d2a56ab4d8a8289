import { useCallback, useEffect, useState } from 'react'

export type Drawer = 'sidebar' | 'people'

export interface Drawers {
  readonly open: Drawer | undefined
  toggle (drawer: Drawer): void
  close (): void
}

/** Where nothing has to slide in; as in style.css. */
const WIDE = matchMedia('(min-width: 961px)')

/** The panels at the sides, which slide in where there is no room for them: one at a time, Escape closes it. */
export function useDrawer (): Drawers {
  const [open, setOpen] = useState<Drawer>()
  const close = useCallback(() => setOpen(undefined), [])

  useEffect(() => {
    if (open === undefined) return
    const opener = document.activeElement
    document.querySelector<HTMLElement>(`#${open} :is(button, input)`)?.focus()
    const onKeyDown = ({ key }: KeyboardEvent): void => { if (key === 'Escape') close() }
    document.addEventListener('keydown', onKeyDown)
    WIDE.addEventListener('change', close)
    return () => {
      document.removeEventListener('keydown', onKeyDown)
      WIDE.removeEventListener('change', close)
      if (opener instanceof HTMLElement) opener.focus()
    }
  }, [open, close])

  return { open, close, toggle: (drawer) => setOpen((open) => open === drawer ? undefined : drawer) }
}
