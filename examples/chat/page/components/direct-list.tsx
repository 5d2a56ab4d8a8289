import { memo } from 'react'
import type { ReactNode } from 'react'
import { GENERAL } from '../conversations.js'
import type { ConversationKey, PersonKey } from '../conversations.js'
import { useUnread } from '../hooks/use-unread.js'
import type { UnreadOptions } from '../hooks/use-unread.js'
import type { Line } from '../line.js'
import { usePresence } from '../realtime.js'
import { Avatar } from './avatar.js'
import { Badge } from './badge.js'

interface DirectListProps extends Omit<UnreadOptions, 'open'> {
  readonly people: readonly string[]
  readonly lines: ReadonlyMap<string, readonly Line[]>
  readonly current: ConversationKey
  onOpen (key: ConversationKey): void
}

const NONE: readonly Line[] = []

/** Everybody this user exchanged messages with. */
export function DirectList ({ people, lines, current, onOpen, ...rest }: DirectListProps): ReactNode {
  const { members } = usePresence(GENERAL)
  return (
    <nav aria-labelledby='directs-title'>
      <h2 id='directs-title'>Direct messages</h2>
      <ul>
        {people.map((person) => (
          <DirectItem
            key={person} person={person} lines={lines.get(person) ?? NONE} open={current === `@${person}`}
            status={members.find(({ userId }) => userId === person)?.status ?? 'gone'} onOpen={onOpen} {...rest}
          />
        ))}
      </ul>
      {people.length === 0 && <p className='hint'>Choose somebody under People.</p>}
    </nav>
  )
}

interface DirectItemProps extends UnreadOptions {
  readonly person: string
  readonly lines: readonly Line[]
  readonly status: string
  onOpen (key: ConversationKey): void
}

const DirectItem = memo(function DirectItem ({ person, lines, status, onOpen, ...unread }: DirectItemProps): ReactNode {
  const key: PersonKey = `@${person}`
  const count = useUnread(key, { messages: lines, loaded: true }, unread)
  return (
    <li>
      <button className='item' aria-current={unread.open ? 'page' : undefined} onClick={() => onOpen(key)}>
        <Avatar name={person} status={status} /><span className='label'>{person}</span><Badge count={count} />
      </button>
    </li>
  )
})
