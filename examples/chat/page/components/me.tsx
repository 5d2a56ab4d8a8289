import type { ReactNode } from 'react'
import { Avatar } from './avatar.js'
import { Icon } from './icons.js'

const STATUSES = { online: 'Online', away: 'Away', busy: 'Busy' }

interface MeProps {
  readonly me: string
  readonly status: string
  onStatus (status: string): void
  onSignOut (): void
}

/** This user: who they are and how they want to be seen. */
export function Me ({ me, status, onStatus, onSignOut }: MeProps): ReactNode {
  return (
    <section className='me' aria-label='You'>
      <Avatar name={me} />
      <div className='who'>
        <strong>{me}</strong>
        <label className='hidden' htmlFor='status'>Your status</label>
        <span className='dot' data-status={status} aria-hidden='true' />
        <select id='status' value={status} onChange={({ target }) => onStatus(target.value)}>
          {Object.entries(STATUSES).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
        </select>
      </div>
      <button className='icon' aria-label='Sign out' title='Sign out' onClick={onSignOut}><Icon name='signOut' /></button>
    </section>
  )
}
