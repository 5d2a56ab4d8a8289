import { Activity, useEffect, useRef } from 'react'
import { flushSync } from 'react-dom'
import { RealtimeProvider, useCall, useClient, useConnection, useDirect, usePresence, useRoom, useWebSocket } from 'fastify-realtime/react'
import { options, raw, scenes, see, show } from './stage.js'

function Mounted (): null {
  useEffect(() => {
    see('mounted', true)
    return () => see('mounted', false)
  }, [])
  return null
}

function Everything () {
  const call = useCall('twice')
  const room = useRoom('chat:1')
  const presence = usePresence('chat:1')
  const direct = useDirect()
  const status = useConnection()
  const client = useClient()
  useEffect(() => {
    see('call', call)
    see('room', room)
    see('presence', presence)
    see('direct', direct)
    see('status', status)
    see('client', client)
  })
  return <Mounted />
}

/** Asks once, however often its effects run. */
function Asking (): null {
  const view = useCall('twice')
  const { call } = view
  const asked = useRef(false)
  useEffect(() => {
    if (!asked.current) void call(101)
    asked.current = true
  }, [call])
  useEffect(() => see('call', view))
  return null
}

function Classic () {
  const { url, ...others } = options
  const view = useWebSocket(url, others)
  useEffect(() => see('socket', view))
  return <Mounted />
}

const everything = (mode: 'visible' | 'hidden') => show(<Activity mode={mode}><Everything /></Activity>)
const classic = (mode: 'visible' | 'hidden') => raw(<Activity mode={mode}><Classic /></Activity>)

const autoConnect = { ...options, autoConnect: true }
const manual = { ...options, autoConnect: false }

const provided = (mode: 'visible' | 'hidden', given = autoConnect) => raw(
  <Activity mode={mode}><RealtimeProvider options={given}><Everything /></RealtimeProvider></Activity>
)

/** Hides and shows it again at once. */
function blink (scene: (mode: 'visible' | 'hidden') => void): void {
  flushSync(() => { scene('hidden') })
  flushSync(() => { scene('visible') })
}

scenes({
  everything: () => everything('visible'),
  everythingHidden: () => everything('hidden'),
  everythingBlinks: () => blink(everything),
  classic: () => classic('visible'),
  classicHidden: () => classic('hidden'),
  classicBlinks: () => blink(classic),
  provided: () => provided('visible'),
  providedHidden: () => provided('hidden'),
  manual: () => provided('visible', manual),
  manualHidden: () => provided('hidden', manual),
  asking: () => show(<Asking />)
})
