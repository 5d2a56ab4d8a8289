import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'

/** A frame of a client, as it came. */
export interface ClientFrame {
  readonly type: string
  readonly id: number
  readonly roomId: string
  // What tests look at is theirs to know; everything here came through JSON.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [field: string]: any
}

/** One connection, played by the test. */
export class Peer {
  readonly ws: WebSocket
  readonly protocol: string
  readonly url: string
  readonly frames: ClientFrame[] = []
  readonly #unread: ClientFrame[] = []
  readonly #waiters: Array<{ wants: (frame: ClientFrame) => boolean, resolve: (frame: ClientFrame) => void }> = []
  readonly closed: Promise<{ code: number, reason: string }>

  constructor (ws: WebSocket, offered: string, url: string) {
    this.ws = ws
    this.protocol = offered
    this.url = url
    this.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })))
    ws.on('message', (data) => {
      const frame: ClientFrame = JSON.parse(data.toString())
      this.frames.push(frame)
      const index = this.#waiters.findIndex(({ wants }) => wants(frame))
      if (index === -1) this.#unread.push(frame)
      else this.#waiters.splice(index, 1)[0]?.resolve(frame)
    })
  }

  send (frame: object): void {
    this.ws.send(JSON.stringify(frame))
  }

  welcome (more: object = {}): void {
    this.send({
      type: 'welcome',
      connectionId: 'c1',
      userId: 'ann',
      heartbeat: 25_000,
      inbox: 'i0',
      limits: { maxPayload: 65_536, rooms: 100, messages: { max: 1_000, window: 1_000 }, joins: { max: 200, window: 10_000 }, keyTtl: 600_000 },
      ...more
    })
  }

  /** The next frame of a type that no one has waited for yet. */
  next (type: string): Promise<ClientFrame> {
    const wants = (frame: ClientFrame): boolean => frame.type === type
    const index = this.#unread.findIndex(wants)
    const found = index === -1 ? undefined : this.#unread.splice(index, 1)[0]
    return found === undefined ? new Promise((resolve) => this.#waiters.push({ wants, resolve })) : Promise.resolve(found)
  }

  /** Answers a resume: `rooms` by id, those not named are joined at `p0`. */
  async resumed (rooms: Readonly<Record<string, object>> = {}, inbox: object = { position: 'i0', recovered: true, messages: [] }): Promise<ClientFrame> {
    const frame = await this.next('resume')
    const asked: Array<{ roomId: string, since?: string }> = frame.rooms
    this.send({
      type: 'ack',
      id: frame.id,
      inbox,
      rooms: asked.map(({ roomId, since }) => ({ roomId, position: since ?? 'p0', ...(since && { recovered: true, messages: [] }), ...rooms[roomId] }))
    })
    return frame
  }

  /** Acknowledges the next message as the entry at `position`. */
  async acked (position = 'p1'): Promise<ClientFrame> {
    const frame = await this.next('message')
    this.send({ type: 'ack', id: frame.id, roomId: frame.roomId, key: frame.key, timestamp: 1, position })
    return frame
  }
}

export interface ScriptedServer {
  readonly wsUrl: string
  /** Requests of HTTP, in order: method, path, authorization, body. */
  readonly requests: Array<{ readonly method: string, readonly url: string, readonly authorization?: string, readonly body: string }>
  /** How many sockets asked to be opened. */
  readonly attempts: number
  /** Status of upgrades that are refused; 0: they are accepted. */
  refuse: number
  /** What HTTP is answered; by default 426. */
  http: (url: string) => { status: number, headers?: Record<string, string>, body?: object }
  /** The next connection nobody has waited for yet. */
  peer (): Promise<Peer>
  token (): string
}

/** A server that does nothing but what the test tells it to. */
export async function createScriptedServer (t: Test): Promise<ScriptedServer> {
  const http = createServer()
  const wss = new WebSocketServer({ noServer: true, handleProtocols: () => 'realtime.v1' })
  const peers: Peer[] = []
  const waiters: Array<(peer: Peer) => void> = []
  let attempts = 0
  const server: ScriptedServer = {
    wsUrl: '',
    requests: [],
    get attempts () { return attempts },
    refuse: 0,
    http: () => ({ status: 426 }),
    peer () {
      const peer = peers.shift()
      return peer === undefined ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve(peer)
    },
    token: () => 'header.payload.signature'
  }
  http.on('request', (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { body += chunk }).on('end', () => {
      server.requests.push({ method: request.method ?? '', url: request.url ?? '', authorization: request.headers.authorization, body })
      const { status, headers, body: content = {} } = server.http(request.url ?? '')
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(content))
    })
  })
  http.on('upgrade', (request, socket, head) => {
    attempts++
    if (server.refuse !== 0) {
      socket.end(`HTTP/1.1 ${server.refuse} Refused\r\nConnection: close\r\n\r\n`)
      return
    }
    wss.handleUpgrade(request, socket, head, (ws) => {
      const peer = new Peer(ws, request.headers['sec-websocket-protocol'] ?? '', request.url ?? '')
      const waiter = waiters.shift()
      if (waiter === undefined) peers.push(peer)
      else waiter(peer)
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const client of wss.clients) client.terminate()
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  return Object.assign(server, { wsUrl: `ws://127.0.0.1:${port}/realtime` })
}
