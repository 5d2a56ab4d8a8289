import { useEffect, useLayoutEffect } from 'react'
import { useCall, useClient, useDirect, usePresence, useRoom, useWebSocket } from 'fastify-realtime/react'
import { raw, rendered, options, scenes, see, show } from './stage.js'

declare global {
  interface Window { release: () => void }
}

/** Handlers of direct messages wait here until the test calls `release`. */
const released = new Promise<void>((resolve) => { window.release = resolve })

function Direct ({ label }: { label: string }) {
  const view = useDirect({
    limit: 2,
    async onMessage ({ content }) {
      see('heard', `${label} ${String(content)}`)
      if (content === 'slow') await released
      if (content === 'bad') throw new Error('not handled')
    }
  })
  rendered('direct')
  useEffect(() => {
    see('direct', view)
    see('label', label)
  })
  return null
}

function Call ({ name = 'twice' }: { name?: string }) {
  const view = useCall(name)
  useEffect(() => see('call', view))
  useEffect(() => {
    see('mounted', true)
    return () => see('mounted', false)
  }, [])
  return null
}

function Presence () {
  const view = usePresence('chat:1')
  rendered('presence')
  useEffect(() => see('presence', view))
  return null
}

/** Tells its status before the effects of its hooks run. */
function Early () {
  const view = usePresence('chat:1')
  const { setPresence } = view
  useLayoutEffect(() => setPresence({ status: 'early' }), [setPresence])
  useEffect(() => see('presence', view))
  return null
}

function Typing ({ name = 'room' }: { name?: string }) {
  const view = useRoom('chat:1')
  useEffect(() => see(name, view))
  return null
}

function Classic ({ url = options.url }: { url?: string }) {
  const { url: _, ...others } = options
  const view = useWebSocket(url, others)
  useEffect(() => see('socket', view))
  useEffect(() => {
    see('mounted', true)
    return () => see('mounted', false)
  }, [])
  return null
}

function Outside () {
  useClient()
  return null
}

scenes({
  direct: () => show(<Direct label='first' />),
  directAgain: () => show(<Direct label='second' />),
  call: () => show(<Call />),
  otherCall: () => show(<Call name='thrice' />),
  presence: () => show(<Presence />),
  early: () => show(<Early />),
  typing: () => show(<><Typing /><Typing name='other' /></>),
  typingOne: () => show(<Typing name='other' key='other' />),
  classic: () => raw(<Classic />),
  outside: () => raw(<Outside />),
  nothing: () => raw(null)
})
