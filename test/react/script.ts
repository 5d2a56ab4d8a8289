// A server in a test's hands, in the room chat:1, and the frames it says.
import type { Test } from 'tap'
import { createScriptedServer } from '../helpers/scripted-server.js'
import type { ClientFrame, Peer, ScriptedServer } from '../helpers/scripted-server.js'
import type { ReactVersion, Scene, Theatre } from './stage.js'

export const echo = ({ roomId, content, key }: ClientFrame, position: string, userId = 'ann'): object =>
  ({ type: 'message', roomId, event: 'message', userId, content, key, timestamp: 1, position })

export const ack = ({ id, roomId, key }: ClientFrame, position: string, more: object = {}): object => ({ type: 'ack', id, roomId, key, timestamp: 1, position, ...more })

export const others = (from: number, to: number): object[] => Array.from({ length: to - from + 1 }, (_, index) => (
  { type: 'message', roomId: 'chat:1', event: 'message', userId: 'bob', content: from + index, timestamp: from + index, position: `p${from + index}` }
))

/** What a scene shows. */
export const list = 'stage.seen.room.messages.map(({ content, state }) => content + " " + state).join()'

export interface Stand {
  readonly server: ScriptedServer
  readonly scene: Scene
  readonly peer: Peer
}

/** A scene that is connected. */
export async function stand (t: Test, theatre: Theatre, react: ReactVersion, name = 'one', rooms: Readonly<Record<string, object>> = {}): Promise<Stand> {
  const server = await createScriptedServer(t)
  const scene = await theatre.open(t, server, { react, scene: name })
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed(rooms)
  await scene.until('stage.seen.status.state === "connected"')
  return { server, scene, peer }
}

/** Lets the next connection in. */
export async function next (server: ScriptedServer, rooms: Readonly<Record<string, object>> = {}): Promise<Peer> {
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed(rooms)
  return peer
}
