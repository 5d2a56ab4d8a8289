import { useEffect } from 'react'
import { useConnection, usePresence, useRoom } from 'fastify-realtime/react'
import type { UseRoomOptions } from 'fastify-realtime/react'
import { rendered, scenes, see, show } from './stage.js'

function Room ({ id, name = 'room', ...options }: { id: string | null, name?: string } & UseRoomOptions) {
  const view = useRoom(id, options)
  const status = useConnection()
  rendered(name)
  useEffect(() => {
    see(name, view)
    see('status', status)
  })
  return <ol>{view.messages.map(({ id, content, state }) => <li key={id} data-state={state}>{JSON.stringify(content)}</li>)}</ol>
}

function Members ({ id, name = 'members' }: { id: string | null, name?: string }) {
  const view = usePresence(id)
  rendered(name)
  useEffect(() => see(name, view))
  return <p>{view.members.map(({ userId }) => userId).join()}</p>
}

scenes({
  one: () => show(<Room id='chat:1' />),
  two: () => show(<><Room id='chat:1' /><Room id='chat:1' name='other' /><Members id='chat:1' /></>),
  members: () => show(<Members id='chat:1' />),
  both: () => show(<><Members id='chat:1' /><Room id='chat:1' /></>),
  other: () => show(<Room id='chat:2' />),
  forbidden: () => show(<Room id='secret:1' />),
  nowhere: () => show(<Room id={null} />),
  nothing: () => show(null)
})
