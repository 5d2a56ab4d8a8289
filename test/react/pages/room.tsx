import { Suspense, useEffect } from 'react'
import { RealtimeProvider, useClient, useConnection, usePresence, useRoom } from 'fastify-realtime/react'
import type { StoredMessage } from 'fastify-realtime/client'
import type { UseRoomOptions } from 'fastify-realtime/react'
import { client, options, raw, rendered, scenes, see, show } from './stage.js'

/** What is stored, by key. The test can have reading it take until `unlock`. */
const store = new Map<string, StoredMessage>()
let locked = Promise.resolve()

declare global {
  interface Window { stored: () => string, lock: () => void, unlock: () => void }
}

window.stored = () => [...store.keys()].join()
window.lock = () => { locked = new Promise((resolve) => { window.unlock = resolve }) }

/** The client stores what waits, and finds this message of an earlier page. */
function keep (left?: Partial<StoredMessage>): void {
  const message = { key: 'k1', roomId: 'chat:1', event: 'message', content: 'left behind', at: 0, userId: 'ann', ...left }
  if (left !== undefined) store.set(message.key, message)
  options.queue = {
    storage: {
      async load () {
        const all = [...store.values()]
        await locked
        return all
      },
      put: (message) => { store.set(message.key, { ...message }) },
      delete: ({ key }) => { store.delete(key) }
    }
  }
}

interface RoomProps extends UseRoomOptions {
  readonly id: string | null
  readonly name?: string
}

function Room ({ id, name = 'room', ...options }: RoomProps) {
  const view = useRoom(id, options)
  const status = useConnection()
  rendered(name)
  useEffect(() => {
    see(name, view)
    see('status', status)
  })
  useEffect(() => {
    see(`${name} mounted`, true)
    return () => see(`${name} mounted`, false)
  }, [name])
  return <ol>{view.messages.map(({ id, content, state }) => <li key={id} data-state={state}>{JSON.stringify(content)}</li>)}</ol>
}

function Members ({ id, name = 'members' }: { id: string | null, name?: string }) {
  const view = usePresence(id)
  rendered(name)
  useEffect(() => see(name, view))
  return <p>{view.members.map(({ userId }) => userId).join()}</p>
}

/** Shows the provider's client to the test. */
function Holder (): null {
  const client = useClient()
  useEffect(() => see('client', client), [client])
  return null
}

/** Says something as soon as it is there: in StrictMode twice. */
function Greeter (): null {
  const { send } = useRoom('chat:1')
  useEffect(() => { void send('hello') }, [send])
  return null
}

const never = new Promise<void>(() => {})

/** Renders with the hook and is never mounted. */
function Suspended (): null {
  useRoom('chat:1')
  rendered('suspended')
  throw never
}

scenes({
  one: () => show(<Room id='chat:1' />),
  moved: () => show(<section><Room id='chat:1' key='moved' /></section>),
  two: () => show(<><Room id='chat:1' /><Room id='chat:1' name='other' /><Members id='chat:1' /></>),
  both: () => show(<><Members id='chat:1' /><Room id='chat:1' /></>),
  elsewhereBounded: () => show(<Room id='chat:2' limit={10} key='bounded' />),
  elsewhere: () => show(<Room id='chat:2' />),
  storedOwn () {
    keep()
    client().room('chat:1')
    show(<Room id='chat:1' />)
  },
  watched () {
    const watch = () => see('unwatch', client().watchUser('ben', (content) => see('update', content)))
    see('watch', watch)
    watch()
    show(<Room id='user:ben' />)
  },
  bounded: () => show(<Room id='chat:1' history={5} limit={10} />),
  live: () => show(<Room id='chat:1' history={0} />),
  nowhere: () => show(<Room id={null} />),
  nothing: () => show(null),
  own () {
    client().room('chat:1')
    show(<Room id='chat:1' />)
  },
  restored () {
    window.stage.goOffline()
    keep({ at: Date.now() - 1_000 })
    show(<Room id='chat:1' />)
  },
  inDoubt () {
    keep({ at: Date.now() - 1_000, sentAt: Date.now() - 900 })
    show(<Room id='chat:1' history={5} limit={10} />)
  },
  inDoubtLive () {
    keep({ at: Date.now() - 1_000, sentAt: Date.now() - 900 })
    show(<Room id='chat:1' history={0} />)
  },
  closesWhenSent () {
    keep({ at: Date.now() - 1_000, sentAt: Date.now() - 900 })
    const off = client().on('sent', () => {
      off()
      client().close()
    })
    show(<Room id='chat:1' />)
  },
  somebodyElses () {
    keep({ at: Date.now() - 1_000, userId: 'ben' })
    show(<Room id='chat:1' />)
  },
  stored () {
    keep()
    show(<Room id='chat:1' />)
  },
  suspended: () => show(<Suspense fallback='waiting'><Suspended /></Suspense>),
  provided: () => raw(<RealtimeProvider options={options}><Room id='chat:1' /></RealtimeProvider>),
  manual: () => raw(<RealtimeProvider options={{ ...options, autoConnect: false }}><Holder /><Room id='chat:1' /></RealtimeProvider>),
  greeting: () => raw(<RealtimeProvider options={options}><Greeter /><Room id='chat:1' /></RealtimeProvider>),
  ended: () => raw(null)
})
