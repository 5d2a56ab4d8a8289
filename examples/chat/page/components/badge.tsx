import type { ReactNode } from 'react'

/** How many messages nobody has looked at; nothing for none. */
export function Badge ({ count }: { count: number }): ReactNode {
  if (count === 0) return null
  return (
    <span className='badge'>
      {' '}<span aria-hidden='true'>{count > 99 ? '99+' : count}</span><span className='hidden'>{count} unread</span>
    </span>
  )
}
