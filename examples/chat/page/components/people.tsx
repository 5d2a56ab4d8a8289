import type { ReactNode } from 'react'
import type { RoomId } from '../conversations.js'
import { usePresence } from '../realtime.js'
import { Avatar } from './avatar.js'
import { Closer } from './closer.js'

interface PeopleProps {
  readonly me: string
  readonly roomId: RoomId
  onChoose (person: string): void
  onClose (): void
}

/** Who is in a room, live. */
export function People ({ me, roomId, onChoose, onClose }: PeopleProps): ReactNode {
  const members = usePresence(roomId).members.toSorted((a, b) => a.userId.localeCompare(b.userId))
  return (
    <aside id='people' className='people drawer' aria-labelledby='people-title'>
      <header>
        <h2 id='people-title'>People</h2>
        <Closer label='Close people' onClose={onClose} />
      </header>
      <ul>
        {members.map(({ userId, status }) => (
          <li key={userId}>
            {userId === me
              ? <span className='person'><Person name={`${userId} (you)`} id={userId} status={status} /></span>
              : (
                <button className='person' title={`Write to ${userId}`} onClick={() => onChoose(userId)}>
                  <Person name={userId} id={userId} status={status} />
                </button>
                )}
          </li>
        ))}
      </ul>
      <p className='hint'>{members.length < 2 ? 'Open a second window to meet somebody.' : 'Choose somebody to write to them directly.'}</p>
    </aside>
  )
}

function Person ({ name, id, status }: { name: string, id: string, status: string }): ReactNode {
  return <><Avatar name={id} status={status} /><span className='label'>{name}</span> <span className='note'>{status}</span></>
}
