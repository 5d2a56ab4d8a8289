import { useMemo } from 'react'
import type { ReactNode } from 'react'
import { GENERAL, titleOf } from '../conversations.js'
import type { RoomId } from '../conversations.js'
import { counted, reasonOf } from '../format.js'
import { useGapAtEnd } from '../hooks/use-gap-at-end.js'
import type { Line } from '../line.js'
import { useRoom } from '../realtime.js'
import { Composer } from './composer.js'
import { MessageLog } from './message-log.js'
import { Title } from './title.js'
import { Typing } from './typing.js'

interface RoomProps {
  readonly me: string
  readonly roomId: RoomId
  onLeave (roomId: RoomId): void
}

/** A room on the screen. */
export function Room ({ me, roomId, onLeave }: RoomProps): ReactNode {
  const room = useRoom(roomId)
  const { messages, members, typing, status, error, hasOlder, loadingOlder, loadOlder, send, retry, discard, setTyping } = room
  const gapAtEnd = useGapAtEnd(room)
  const title = titleOf(roomId)

  const lines = useMemo(() => messages.map(({ id, userId, content, timestamp, state, error, gap }): Line => ({
    id, userId, text: content.text, timestamp, state, problem: error === undefined ? undefined : reasonOf(error), gap: gap !== undefined
  })), [messages])

  const here = members.length < 2 ? 'Only you are here' : `${counted(members.length, 'person').replace('persons', 'people')} here`
  const out = status === 'failed' || status === 'left'
  return (
    <>
      <Title subtitle={status === 'joined' ? here : status === 'joining' ? 'Joining…' : ''} leave={roomId === GENERAL ? undefined : () => onLeave(roomId)}># {title}</Title>
      {out && (
        <p className='notice' role='alert'>
          {status === 'failed' ? `You cannot enter this room: ${reasonOf(error)}` : 'You are no longer in this room.'}
        </p>
      )}
      <MessageLog
        me={me} lines={lines} gapAtEnd={gapAtEnd} onRetry={retry} onDiscard={discard}
        older={hasOlder ? { loading: loadingOlder, load: loadOlder } : undefined}
        empty={out ? '' : `Nobody has written in #${title} yet. Open a second window, take another name and see both sides live.`}
      />
      <Typing names={typing} />
      {!out && <Composer to={roomId} placeholder={`Message #${title}`} onSend={(text) => send({ text })} onTyping={setTyping} />}
    </>
  )
}
