import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { createClient } from '../../lib/client/index.js'
import type { Client, ClientOptions, SocketClass, Status } from '../../lib/client/index.js'
import type { TestApp } from './app.js'
import type { Peer as ScriptedPeer, ScriptedServer } from './scripted-server.js'

/** A `WebSocket` class that remembers its instances, so that a test can cut them off. */
export interface Sockets {
  readonly WebSocket: SocketClass
  readonly all: WebSocket[]
  readonly last: WebSocket
}

export function createSockets (): Sockets {
  const all: WebSocket[] = []
  class Recorded extends WebSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols)
      all.push(this)
    }
  }
  return {
    WebSocket: Recorded,
    all,
    get last () {
      const last = all.at(-1)
      if (last === undefined) throw new Error('no socket was opened')
      return last
    }
  }
}

export interface Sdk<Api> {
  readonly client: Client<Api>
  readonly sockets: Sockets
  /** Everything that was reported as an error. */
  readonly errors: unknown[]
}

/** A client of a test's server, closed with the test, with waits that no test notices. */
export function createSdk<Api = unknown> (t: Test, app: Pick<TestApp, 'wsUrl' | 'token'>, userId: string, options: Partial<ClientOptions> = {}): Sdk<Api> {
  const sockets = createSockets()
  const errors: unknown[] = []
  const client = createClient<Api>({
    url: app.wsUrl,
    getToken: () => app.token(userId),
    WebSocket: sockets.WebSocket,
    backoff: { min: 10, max: 20 },
    onError: (error) => errors.push(error),
    ...options
  })
  t.teardown(() => client.close())
  return { client, sockets, errors }
}

/** Resolves with the first status that is, or comes to be, in a state. */
export function untilStatus (client: Client, state: Status['state']): Promise<Status> {
  return new Promise((resolve) => {
    if (client.status.state === state) {
      resolve(client.status)
      return
    }
    const off = client.on('status', (status) => {
      if (status.state !== state) return
      off()
      resolve(status)
    })
  })
}

/** Lets the next connection of a client in, with its rooms at `p0`, and waits until it knows. */
export async function admit (server: ScriptedServer, client: Client): Promise<ScriptedPeer> {
  const peer = await server.peer()
  peer.welcome()
  await peer.resumed()
  await untilStatus(client, 'connected')
  return peer
}

/** Resolves with the first value of an event that fits. */
export function heard<Value> (source: { on (event: never, handler: (value: Value) => unknown): () => void }, event: string, fits: (value: Value) => boolean = () => true): Promise<Value> {
  return new Promise((resolve) => {
    const listen: (event: string, handler: (value: Value) => unknown) => () => void = (name, handler) => source.on(name as never, handler)
    const off = listen(event, (value) => {
      if (!fits(value)) return
      off()
      resolve(value)
    })
  })
}
