// What every page of these tests starts from: a client whose frames can be read, and a root. The test reads `stage` by name.
import { StrictMode, version } from 'react'
import type { ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { createClient } from 'fastify-realtime/client'
import type { Client, ClientOptions } from 'fastify-realtime/client'
import { RealtimeProvider } from 'fastify-realtime/react'

interface Parameters {
  readonly wsUrl: string
  readonly token: string
  readonly strict: boolean
  readonly scenario: string
}

const parameters: Parameters = JSON.parse(decodeURIComponent(location.hash.slice(1)))

/** Frames that the page sent, in order, without life signs. */
const frames: Array<{ type: string, roomId?: string }> = []
let sockets = 0
let socket: WebSocket | undefined
/** No new connection comes about while it is set. */
let offline = false

class Recorded extends WebSocket {
  constructor (url: string, protocols?: string[]) {
    super(offline ? 'ws://127.0.0.1:9/' : url, protocols)
    sockets++
    socket = this
  }

  override send (text: string): void {
    const frame = JSON.parse(text)
    if (frame.type !== 'pong') frames.push(frame)
    super.send(text)
  }
}

const errors: string[] = []

export const options: ClientOptions = {
  url: parameters.wsUrl,
  getToken: () => parameters.token,
  WebSocket: Recorded,
  backoff: { min: 10, max: 20 },
  onError: (error) => errors.push(String(error))
}

let made: Client | undefined

/** The client of the page, which the application made. */
export const client = (): Client => {
  made ??= createClient(options)
  return made
}

const root = createRoot(document.getElementById('root')!)

/** Shows an element with a provider of `client` around it. */
export function show (children: ReactNode): void {
  raw(<RealtimeProvider client={client()}>{children}</RealtimeProvider>)
}

export function raw (element: ReactNode): void {
  root.render(parameters.strict ? <StrictMode>{element}</StrictMode> : element)
}

/** The latest value of each name, and how often it was rendered. */
const seen: Record<string, unknown> = {}
const renders: Record<string, number> = {}

export function see (name: string, value: unknown): void {
  seen[name] = value
}

export function rendered (name: string): void {
  renders[name] = (renders[name] ?? 0) + 1
}

const stage = {
  version,
  frames,
  errors,
  seen,
  renders,
  client,
  get sockets () { return sockets },
  /** The last connection is closed, or about to be. */
  get closed () { return (socket?.readyState ?? 0) >= WebSocket.CLOSING },
  get scenario () { return parameters.scenario },
  /** How many frames of a type were sent. */
  sent: (type: string) => frames.filter((frame) => frame.type === type).length,
  /** How often a room was asked for and left. */
  joins: (roomId: string) => frames.flatMap((frame) => frame.type === 'resume' ? Reflect.get(frame, 'rooms') : frame.type === 'join' ? [frame] : [])
    .filter((part: { roomId: string }) => part.roomId === roomId).length,
  leaves: (roomId: string) => frames.filter((frame) => frame.type === 'leave' && frame.roomId === roomId).length,
  /** The connection breaks, and no other comes about until it is told so. */
  goOffline () {
    offline = true
    socket?.close(4000)
  },
  goOnline () {
    offline = false
  },
  show: (_name: string): void => {},
  /** Whatever was put off by a turn has happened. */
  turn: () => new Promise<void>((resolve) => setTimeout(() => setTimeout(resolve)))
}

export type Stage = typeof stage

declare global {
  interface Window { stage: Stage }
}

window.stage = stage

/** What the test can have the page show, by name. */
export function scenes (all: Record<string, () => void>): void {
  stage.show = (name) => {
    const scene = all[name]
    if (scene === undefined) throw new Error(`no scene ${name}`)
    scene()
  }
  stage.show(parameters.scenario)
}
