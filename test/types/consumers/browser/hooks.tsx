/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
// The same page with React.
import { createHooks, RealtimeProvider, useWebSocket } from 'fastify-realtime/react'
import type { ListedMessage } from 'fastify-realtime/react'
import type { ClientMessage, Status } from 'fastify-realtime/client'
import type { ReactElement } from 'react'
import type { Api } from 'server'
import { client } from './client.js'
import { equal } from './equal.js'

const { useClient, useConnection, useRoom, usePresence, useDirect, useCall } = createHooks<Api>()

export function App (): ReactElement {
  return <RealtimeProvider client={client}><Chat id='42' /></RealtimeProvider>
}
export const withOptions = <RealtimeProvider options={{ url: '/realtime' }}><Chat id='42' /></RealtimeProvider>
// @ts-expect-error one of the two
export const withBoth = <RealtimeProvider options={{ url: '/realtime' }} client={client} />
// @ts-expect-error at least one
export const withNothing = <RealtimeProvider />

function Chat ({ id }: { id: string }): ReactElement {
  const status = useConnection()
  equal<typeof status, Status>(true)
  const { messages, send, publish, retry, members, loadOlder } = useRoom(`chat:${id}`, { history: 20 })
  const [first] = messages
  if (first?.event === 'message') equal<typeof first.content, { text: string }>(true)
  if (first?.event === 'edit') equal<typeof first.content, { n: number, at: string }>(true)
  equal<ListedMessage['state'], 'pending' | 'sent' | 'failed'>(true)
  // @ts-expect-error no such event
  if (first?.event === 'edited') return <></>

  async function act (): Promise<void> {
    await send({ text: 'hi' })
    await publish('edit', { n: 1, at: new Date() })
    const more = await loadOlder()
    equal<typeof more, boolean>(true)
    // @ts-expect-error wrong content
    await send({ text: 1 })
    // @ts-expect-error wrong content of another event
    await publish('edit', { n: '1', at: new Date() })
    // @ts-expect-error no such event
    await publish('edited', 1)
    // @ts-expect-error no content
    await publish('edit')
    // @ts-expect-error nor here
    await send()
  }
  // @ts-expect-error no such room
  useRoom('chta:42')
  useRoom(null)
  // @ts-expect-error misspelt
  useRoom('chat:42', { histroy: 20 })
  // @ts-expect-error no such room
  usePresence('chta:42')
  const { setPresence } = usePresence('chat:42')
  setPresence({ status: 'away' })

  const direct = useDirect({ onMessage: ({ content }) => equal<typeof content, { order: string, at: string }>(true) })
  equal<(typeof direct.messages)[number]['event'], 'shipped'>(true)

  const { call, data, pending } = useCall('orders.get')
  equal<typeof data, { total: number, placed: string } | undefined>(true)
  // @ts-expect-error wrong input
  call({ id: 1 }).catch(() => {})
  // @ts-expect-error no input
  call().catch(() => {})
  useCall('ping').call().catch(() => {})
  // @ts-expect-error no such call
  useCall('orders.put')

  // @ts-expect-error no such room
  useClient().room('chta:42')

  const classic = useWebSocket('/realtime', { limit: 10 })
  equal<typeof classic.messages, readonly ClientMessage[]>(true)
  return <button disabled={pending} onClick={act}>{members.length} {messages.map((message) => <i key={message.id} onClick={() => retry(message.id)} />)}</button>
}
