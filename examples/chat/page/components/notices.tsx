import type { ReactNode } from 'react'
import type { Notice } from '../hooks/use-directs.js'
import { Icon } from './icons.js'
import { Time } from './rows.js'

interface NoticesProps {
  readonly notices: readonly Notice[]
  readonly unseen: number
  onLook (): void
}

/** What the server said to this user alone. */
export function Notices ({ notices, unseen, onLook }: NoticesProps): ReactNode {
  return (
    <>
      <button className='icon' popoverTarget='notices'>
        <span className='hidden'>Notifications</span><Icon name='bell' />
        {unseen > 0 && <span className='badge'>{unseen}<span className='hidden'> new</span></span>}
      </button>
      <section id='notices' className='notices' popover='auto' aria-label='Notifications' onToggle={onLook}>
        <h2>Notifications</h2>
        <ol>
          {notices.map(({ id, text, timestamp }) => (
            <li key={id}><strong>Your order</strong><span className='text'>{text}</span><Time timestamp={timestamp} /></li>
          ))}
        </ol>
        {notices.length === 0 && <p className='hint'>What the server sends to you alone shows up here.</p>}
      </section>
    </>
  )
}
