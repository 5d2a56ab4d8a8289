import { memo, useEffect, useState } from 'react'
import type { FormEvent, ReactNode } from 'react'
import { ORDERS, roomIdOf, titleOf } from '../conversations.js'
import type { ConversationKey, RoomId } from '../conversations.js'
import { useUnread } from '../hooks/use-unread.js'
import type { UnreadOptions } from '../hooks/use-unread.js'
import { usePresence, useRoom } from '../realtime.js'
import { Badge } from './badge.js'
import { Icon } from './icons.js'

interface RoomsProps extends Omit<UnreadOptions, 'open'> {
  readonly rooms: readonly RoomId[]
  readonly current: ConversationKey
  readonly status: string
  onOpen (key: ConversationKey): void
}

/** All rooms this user is in: each of them is joined for as long as it is in this list, open or not. */
export function Rooms ({ rooms, current, status, onOpen, ...rest }: RoomsProps): ReactNode {
  return (
    <nav aria-labelledby='rooms-title'>
      <h2 id='rooms-title'>Rooms</h2>
      <ul>
        {rooms.map((roomId) => (
          <RoomItem key={roomId} roomId={roomId} status={status} open={roomId === current} onOpen={onOpen} {...rest} />
        ))}
        <OrdersItem open={current === ORDERS} onOpen={onOpen} {...rest} />
      </ul>
      <JoinRoom onJoin={onOpen} />
    </nav>
  )
}

interface RoomItemProps extends UnreadOptions {
  readonly roomId: RoomId
  readonly status: string
  onOpen (key: ConversationKey): void
}

const RoomItem = memo(function RoomItem ({ roomId, status, onOpen, ...unread }: RoomItemProps): ReactNode {
  const { messages, status: membership } = useRoom(roomId)
  const { setPresence } = usePresence(roomId)
  const count = useUnread(roomId, { messages, loaded: membership === 'joined' }, unread)

  useEffect(() => setPresence({ status }), [setPresence, status])

  return <Item mark='#' title={titleOf(roomId)} count={count} open={unread.open} onOpen={() => onOpen(roomId)} />
})

const OrdersItem = memo(function OrdersItem ({ onOpen, ...unread }: Omit<RoomItemProps, 'roomId' | 'status'>): ReactNode {
  const { messages, status } = useRoom(ORDERS)
  const count = useUnread(ORDERS, { messages, loaded: status === 'joined' }, unread)
  return <Item mark='⚡' title={titleOf(ORDERS)} count={count} open={unread.open} onOpen={() => onOpen(ORDERS)} />
})

interface ItemProps {
  readonly mark: string
  readonly title: string
  readonly count: number
  readonly open: boolean
  onOpen (): void
}

function Item ({ mark, title, count, open, onOpen }: ItemProps): ReactNode {
  return (
    <li>
      <button className='item' aria-current={open ? 'page' : undefined} onClick={onOpen}>
        <span className='mark' aria-hidden='true'>{mark}</span><span className='label'>{title}</span><Badge count={count} />
      </button>
    </li>
  )
}

function JoinRoom ({ onJoin }: { onJoin: (roomId: RoomId) => void }): ReactNode {
  const [name, setName] = useState('')

  function submit (event: FormEvent): void {
    event.preventDefault()
    const roomId = roomIdOf(name)
    if (roomId === undefined) return
    setName('')
    onJoin(roomId)
  }

  return (
    <form className='join' onSubmit={submit}>
      <label className='hidden' htmlFor='room-name'>Room name</label>
      <input
        id='room-name' type='text' maxLength={32} placeholder='Join another room' autoComplete='off' autoCapitalize='none'
        spellCheck={false} value={name} onChange={({ target }) => setName(target.value)}
      />
      <button className='icon' aria-label='Join'><Icon name='plus' /></button>
    </form>
  )
}
