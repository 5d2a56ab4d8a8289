import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { RefObject } from 'react'

/** This close to either end counts as being there, in px. */
const NEAR = 60

/** What stays where it is while the list changes: its end, or the first row in sight and how far below the upper edge it is. */
type Anchor = 'end' | { readonly row: HTMLElement, readonly below: number }

export interface ScrollOptions {
  /** The id of the last row. */
  readonly last: string | undefined
  /** The last row is one's own: whoever writes wants to see it. */
  readonly own: boolean
  /** Called near the beginning. */
  readonly onBeginning?: (() => unknown) | undefined
}

export interface Scroll {
  readonly scroller: RefObject<HTMLDivElement | null>
  readonly list: RefObject<HTMLOListElement | null>
  onScroll (): void
  /** Rows were added below what is in sight. */
  readonly behind: boolean
  toEnd (): void
}

/** Follows the end of a list, unless somebody scrolled away from it: then what they look at does not move, whatever comes or goes. */
export function useScroll ({ last, own, onBeginning }: ScrollOptions): Scroll {
  const scroller = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLOListElement>(null)
  const anchor = useRef<Anchor>('end')
  const [seen, setSeen] = useState(last)

  function restore (): void {
    const element = scroller.current
    if (element === null) return
    if (anchor.current === 'end') element.scrollTop = element.scrollHeight
    else if (anchor.current.row.isConnected) element.scrollTop = anchor.current.row.offsetTop - anchor.current.below
  }

  function onScroll (): void {
    const element = scroller.current
    if (element === null) return
    const { scrollTop, scrollHeight, clientHeight } = element
    if (scrollHeight - scrollTop - clientHeight < NEAR) {
      anchor.current = 'end'
      setSeen(last)
    } else {
      // Rules between messages come and go with what is above them.
      const rows = list.current?.querySelectorAll<HTMLElement>(':scope > :not(.rule)') ?? []
      const row = [...rows].find(({ offsetTop, offsetHeight }) => offsetTop + offsetHeight > scrollTop)
      if (row !== undefined) anchor.current = { row, below: row.offsetTop - scrollTop }
      if (scrollTop < NEAR) onBeginning?.()
    }
  }

  // Whenever the rows may be others, before anybody sees them.
  useLayoutEffect(restore)

  useLayoutEffect(() => {
    if (own) anchor.current = 'end'
    if (anchor.current === 'end') setSeen(last)
    restore()
  }, [last, own])

  // A keyboard that slides in, a window that is made smaller.
  useEffect(() => {
    const observer = new ResizeObserver(restore)
    if (scroller.current !== null) observer.observe(scroller.current)
    return () => observer.disconnect()
  }, [])

  return {
    scroller,
    list,
    onScroll,
    behind: last !== seen,
    toEnd () {
      anchor.current = 'end'
      setSeen(last)
      restore()
      scroller.current?.focus()
    }
  }
}
