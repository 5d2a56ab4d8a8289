import { useCallback, useEffect, useState } from 'react'

export type Drawer = 'sidebar' | 'people'

export interface Drawers {
  readonly open: Drawer | undefined
  toggle (drawer: Drawer): void
  close (): void
}

/** Where there is room for it beside the conversation; as in style.css. */
const ROOMY = { sidebar: matchMedia('(min-width: 701px)'), people: matchMedia('(min-width: 961px)') }

/**
 * The panels at the sides, which slide in where there is no room for them: one at a time, by id. Its button to close it has the focus
 * while one is open, as all behind it is inert; afterwards the button that opened it has.
 */
export function useDrawer (): Drawers {
  const [open, setOpen] = useState<Drawer>()
  const close = useCallback(() => setOpen(undefined), [])

  useEffect(() => {
    if (open === undefined) return
    const roomy = ROOMY[open]
    const onKeyDown = ({ key }: KeyboardEvent): void => { if (key === 'Escape') close() }
    document.addEventListener('keydown', onKeyDown)
    roomy.addEventListener('change', close)
    focus(`#${open} .closer`)
    return () => {
      document.removeEventListener('keydown', onKeyDown)
      roomy.removeEventListener('change', close)
      // By what it controls: it may be another one by now, and not every browser focuses what is tapped.
      focus(`[aria-controls="${open}"]`)
    }
  }, [open, close])

  return { open, close, toggle: (drawer) => setOpen((open) => open === drawer ? undefined : drawer) }
}

function focus (selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus()
}
