import type { Test } from 'tap'
import { createClient } from '../../lib/client/index.js'
import { createSockets } from '../helpers/sdk.js'
import type { DemoServer } from './demo-server.js'

/** Writes '1', '2', ... into a room of the demo, as somebody else. Returns them. */
export async function fillRoom (t: Test, demo: DemoServer, room: string, count: number): Promise<string[]> {
  const client = createClient({
    url: `${demo.url}/realtime`,
    getToken: () => demo.signIn('librarian'),
    WebSocket: createSockets().WebSocket,
    onError: (error) => t.comment(error)
  })
  t.teardown(() => client.close())
  const texts = Array.from({ length: count }, (_, index) => String(index + 1))
  await Promise.all(texts.map((text) => client.send(`chat:${room}`, { text })))
  return texts
}
