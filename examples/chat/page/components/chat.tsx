import { useEffect, useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import { DEFAULT_ROOMS, GENERAL, isPerson, ORDERS, titleOf } from '../conversations.js'
import type { ConversationKey, RoomId } from '../conversations.js'
import { noticeOf, useDirects } from '../hooks/use-directs.js'
import type { Directs } from '../hooks/use-directs.js'
import { useDrawer } from '../hooks/use-drawer.js'
import { useReads } from '../hooks/use-reads.js'
import { useStored } from '../hooks/use-stored.js'
import { useToasts } from '../hooks/use-toasts.js'
import type { Toast } from '../hooks/use-toasts.js'
import { useConnection } from '../realtime.js'
import { Badge } from './badge.js'
import { Banner } from './banner.js'
import { Closer } from './closer.js'
import { Direct } from './direct.js'
import { DirectList } from './direct-list.js'
import { Icon, Logo } from './icons.js'
import { Live } from './live.js'
import { Me } from './me.js'
import { Notices } from './notices.js'
import { Orders } from './orders.js'
import { People } from './people.js'
import { Room } from './room.js'
import { Rooms } from './rooms.js'
import { TitleToolsContext } from './title.js'
import { ToastList } from './toasts.js'

/** The whole page of somebody who is signed in: which conversation is open, and what is known about all of them. */
export function Chat ({ me, onSignOut }: { me: string, onSignOut: () => void }): ReactNode {
  const [rooms, setRooms] = useStored<readonly RoomId[]>(sessionStorage, 'chat:rooms', DEFAULT_ROOMS)
  const [current, setCurrent] = useStored<ConversationKey>(sessionStorage, 'chat:current', GENERAL)
  const [status, setStatus] = useStored(sessionStorage, 'chat:status', 'online')
  /** People whose conversation was opened without a message so far. */
  const [opened, setOpened] = useState<readonly string[]>([])
  const reads = useReads(me)
  const drawer = useDrawer()
  const { toasts, show, dismiss } = useToasts()
  const directs = useDirects(me, (message) => {
    // The inbox is read from its start on every visit: only what is newer than the last toast is news.
    if (message.timestamp <= (reads.readAt('toasts') ?? 0)) return
    reads.mark('toasts', message.timestamp)
    if (message.event === 'order-placed') show({ from: null, title: 'Your order', text: noticeOf(message).text, topic: 'notices' })
    else if (message.userId !== null && message.userId !== me && (current !== `@${message.userId}` || document.hidden)) {
      show({ from: message.userId, title: message.userId, text: message.content.text, topic: `@${message.userId}` })
    }
  })
  const { state, reason } = useConnection()
  const unread = Object.values(reads.counts).reduce((sum, count) => sum + count, 0)
  const people = useMemo(() => {
    return [...new Set([...directs.lines.keys(), ...opened, ...isPerson(current) ? [titleOf(current)] : []])]
  }, [directs.lines, opened, current])

  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${titleOf(current)} · Chat`
  }, [unread, current])

  useEffect(() => {
    if (state === 'closed' && reason === 'signed-out') onSignOut()
  }, [state, reason, onSignOut])

  useEffect(() => {
    if (directs.gap !== undefined) show({ from: null, title: 'Messages to you may be missing', text: 'Reload to see them.', topic: 'inbox' })
  }, [directs.gap, show])

  useEffect(() => dismiss(({ topic }) => topic === current), [dismiss, current, toasts])

  function open (key: ConversationKey): void {
    if (isPerson(key)) setOpened((people) => people.includes(titleOf(key)) ? people : [...people, titleOf(key)])
    else if (key !== ORDERS) setRooms((rooms) => rooms.includes(key) ? rooms : [...rooms, key])
    setCurrent(key)
    drawer.close()
  }

  function leave (roomId: RoomId): void {
    setRooms((rooms) => rooms.filter((room) => room !== roomId))
    setCurrent(GENERAL)
  }

  function look (): void {
    reads.mark('notices', directs.notices[0]?.timestamp ?? 0)
    dismiss(({ topic }) => topic === 'notices')
  }

  function choose (toast: Toast): void {
    dismiss(({ id }) => id === toast.id)
    if (toast.topic === 'notices') document.getElementById('notices')?.showPopover()
    else if (toast.topic === 'inbox') location.reload()
    else open(toast.topic)
  }

  const list = { me, reads, current, onOpen: open }
  const seen = reads.readAt('notices') ?? 0
  const unseen = directs.notices.filter(({ timestamp }) => timestamp > seen).length

  const tools = {
    before: (
      <button
        className='icon narrow-only sidebar-opener' aria-controls='sidebar' aria-expanded={drawer.open === 'sidebar'}
        onClick={() => drawer.toggle('sidebar')}
      >
        <span className='hidden'>Conversations</span><Icon name='menu' /><Badge count={unread} />
      </button>
    ),
    behind: (
      <>
        <Live />
        <Notices notices={directs.notices} unseen={unseen} onLook={() => look()} />
        <button
          className='icon narrow-only' aria-label='People' aria-controls='people' aria-expanded={drawer.open === 'people'}
          onClick={() => drawer.toggle('people')}
        >
          <Icon name='people' />
        </button>
      </>
    )
  }

  return (
    <div className='chat' data-drawer={drawer.open}>
      <a className='skip' href='#conversation' inert={drawer.open !== undefined}>Skip to the conversation</a>

      <div id='sidebar' className='sidebar drawer' inert={drawer.open === 'people'}>
        <header className='brand'>
          <Logo size={28} /><strong>fastify-realtime</strong>
          <Closer label='Close conversations' onClose={() => drawer.close()} />
        </header>
        <div className='lists'>
          <Rooms rooms={rooms} status={status} {...list} />
          <DirectList people={people} lines={directs.lines} {...list} />
        </div>
        <Me me={me} status={status} onStatus={setStatus} onSignOut={onSignOut} />
      </div>

      <main id='conversation' className='conversation' tabIndex={-1} inert={drawer.open !== undefined}>
        <Banner waiting={directs.waiting} />
        <TitleToolsContext value={tools}>
          <Open me={me} current={current} directs={directs} onLeave={leave} />
        </TitleToolsContext>
        <ToastList toasts={toasts} onChoose={choose} onExpire={({ id }) => dismiss((toast) => toast.id === id)} />
      </main>

      <People
        me={me} roomId={isPerson(current) || current === ORDERS ? GENERAL : current}
        onChoose={(person) => open(`@${person}`)} onClose={() => drawer.close()}
      />
      <div className='backdrop' onClick={() => drawer.close()} />
    </div>
  )
}

interface OpenProps {
  readonly me: string
  readonly current: ConversationKey
  readonly directs: Directs
  onLeave (roomId: RoomId): void
}

/** Each conversation starts afresh, with its own place in the list and its own draft. */
function Open ({ me, current, directs, onLeave }: OpenProps): ReactNode {
  if (current === ORDERS) return <Orders me={me} />
  if (isPerson(current)) return <Direct key={current} me={me} person={titleOf(current)} directs={directs} />
  return <Room key={current} me={me} roomId={current} onLeave={onLeave} />
}
