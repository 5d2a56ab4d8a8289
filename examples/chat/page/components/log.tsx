import type { ReactNode } from 'react'
import { useScroll } from '../hooks/use-scroll.js'
import type { ScrollOptions } from '../hooks/use-scroll.js'

interface LogProps extends Omit<ScrollOptions, 'onBeginning'> {
  /** The way to older messages, while there are some. */
  readonly older?: { readonly loading: boolean, load (): unknown } | undefined
  /** Shown instead of no rows. */
  readonly empty: string
  readonly children: readonly ReactNode[]
}

/** Rows that grow at the end, and where somebody scrolls there, at the beginning. */
export function Log ({ last, own, older, empty, children }: LogProps): ReactNode {
  const { scroller, list, onScroll, behind, toEnd } = useScroll({ last, own, onBeginning: older?.load })
  return (
    <div className='log'>
      <div
        ref={scroller} className='scroller' role='log' aria-label='Messages' aria-live='polite' aria-busy={older?.loading} tabIndex={0}
        onScroll={onScroll}
      >
        {older !== undefined && (
          <button className='quiet older' disabled={older.loading} onClick={() => older.load()}>
            {older.loading ? 'Loading…' : 'Earlier messages'}
          </button>
        )}
        {children.length === 0 && <p className='empty'>{empty}</p>}
        <ol ref={list}>{children}</ol>
      </div>
      {behind && <button className='newest' onClick={() => toEnd()}>New messages</button>}
    </div>
  )
}
