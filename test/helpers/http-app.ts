import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { WebSocket } from 'ws'
import { BridgeError } from '../../lib/bridge/bridge.js'
import { systemClock } from '../../lib/clock.js'
import type { Handover, HttpDeps, Identity } from '../../lib/http/contract.js'
import { claimServer, registerDependencies } from '../../lib/http/dependencies.js'
import { createKit } from '../../lib/http/kit.js'
import type { Kit } from '../../lib/http/kit.js'
import { httpRoutes } from '../../lib/http/routes.js'
import { UpgradeGuard } from '../../lib/http/upgrade-guard.js'
import { resolveOptions } from '../../lib/options.js'
import type { RealtimeOptions } from '../../types/options.js'
import { listen, SECRET, sign } from './server.js'

/** The HTTP part alone, wired as in lib/plugin.ts, on a core that only remembers what it was given. */
export interface HttpApp {
  readonly app: FastifyInstance
  readonly kit: Kit
  readonly accepted: Handover[]
  readonly tickets: Map<string, string>
  /** Names the next answer of the bridge. */
  state: { draining: boolean, bridge: 'up' | 'down', publicReason?: string, renew: 'renewed' | 'not-found' | 'other-user', roomNames: string[] }
  readonly renewals: { connectionId: string, identity: Identity }[]
  readonly logs: string[]
  port (): number
  url (path?: string): string
  token (claims?: Record<string, unknown>): string
}

export interface HttpAppSetup {
  server?: FastifyServerOptions
  deps?: Partial<HttpDeps>
  /** What stands for the drain of the core. */
  stop? (): Promise<void>
  /** Before the plugin: what the application registered itself. */
  before? (app: FastifyInstance): void | Promise<void>
  /** After it: the application's own routes. */
  after? (app: FastifyInstance): void | Promise<void>
}

export async function httpApp (t: Test, options: RealtimeOptions = {}, setup: HttpAppSetup = {}): Promise<HttpApp> {
  const logs: string[] = []
  const app = Fastify({
    logger: { level: 'trace', stream: { write: (line: string) => { logs.push(line) } } },
    forceCloseConnections: true,
    ...setup.server
  })
  const made = await mount(app, options, setup)
  const port = await listen(t, app)
  return {
    ...made,
    app,
    logs,
    port: () => port,
    url: (path = '/realtime') => `http://127.0.0.1:${port}${path}`,
    token: (claims = {}) => sign(app, { sub: 'ada', ...claims })
  }
}

async function mount (app: FastifyInstance, options: RealtimeOptions, setup: HttpAppSetup) {
  const state: HttpApp['state'] = { draining: false, bridge: 'up', renew: 'renewed', roomNames: [] }
  const accepted: Handover[] = []
  const renewals: HttpApp['renewals'] = []
  const tickets = new Map<string, string>()
  const up = () => { if (state.bridge === 'down') throw new BridgeError('unavailable', 'down') }
  const deps: HttpDeps = {
    clock: systemClock,
    draining: () => state.draining,
    bridge: {
      status: () => ({ state: state.bridge, reason: 'at 10.0.0.7:6379', publicReason: state.publicReason }),
      async putTicket (id, value) { up(); tickets.set(id, value) },
      async takeTicket (id) {
        up()
        const value = tickets.get(id) ?? null
        tickets.delete(id)
        return value
      }
    },
    accept (handover) {
      accepted.push(handover)
      handover.ws.on('message', data => handover.ws.send(data, { binary: false }))
    },
    async renew (connectionId, identity) {
      up()
      renewals.push({ connectionId, identity })
      return state.renew
    },
    async stats () {
      up()
      return {
        activeConnections: accepted.length,
        rooms: state.roomNames.length,
        users: 1,
        messagesIn: 2,
        messagesOut: 3,
        envelopesDropped: 0,
        outboxBytes: 0,
        eventLoopDelay: { mean: 1, p99: 2, max: 3 },
        unreachable: []
      }
    },
    async rooms (after, limit) {
      const names = state.roomNames.filter(name => after === undefined || name > after)
      return { rooms: names.slice(0, limit), more: names.length > limit }
    },
    ...setup.deps
  }
  let kit: Kit | undefined
  const plugin = fp(async (fastify: FastifyInstance) => {
    const resolved = resolveOptions(options.auth === undefined ? { ...options, auth: { secret: SECRET } } : options)
    claimServer(fastify)
    const guard = new UpgradeGuard(fastify.server, deps.clock)
    fastify.addHook('preClose', async () => {
      guard.close(resolved.drain.deadline)
      await setup.stop?.()
    })
    fastify.addHook('onClose', async () => guard.stop())
    fastify.addHook('onResponse', async request => guard.answered(request.raw))
    const dependencies = await registerDependencies(fastify, resolved, guard)
    const created = createKit(fastify, { options: resolved, deps, dependencies, guard })
    kit = created
    await fastify.register(async scope => httpRoutes(scope, created), { prefix: resolved.prefix })
  })
  await setup.before?.(app)
  await app.register(plugin)
  await setup.after?.(app)
  await app.ready()
  if (kit === undefined) throw new Error('not registered')
  return { kit, accepted, renewals, tickets, state }
}

export interface DialOptions {
  token?: string
  protocols?: string[]
  headers?: Record<string, string>
  path?: string
}

/** Opens a WebSocket: the open one, or the status and body of the refusal. */
export function dial (t: Test, app: Pick<HttpApp, 'url'>, { token, protocols = [], headers = {}, path = '/realtime' }: DialOptions = {}): Promise<Dialed> {
  const url = app.url(path).replace('http:', 'ws:')
  const ws = new WebSocket(url, protocols, { headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers } })
  t.teardown(() => ws.terminate())
  return new Promise((resolve, reject) => {
    ws.on('open', () => resolve({ status: 101, ws, headers: {}, body: '' }))
    ws.on('error', err => { if (ws.readyState !== WebSocket.CLOSING) reject(err) })
    ws.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', chunk => { body += chunk })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, ws, headers: response.headers, body })
      })
      response.on('error', reject)
    })
  })
}

export interface Dialed {
  readonly status: number
  readonly ws: WebSocket
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

/** The bytes of a handshake. */
export function handshakeText (port: number, { path = '/realtime', headers = {} }: { path?: string, headers?: Record<string, string> } = {}): string {
  const lines = Object.entries({
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers
  }).map(([name, value]) => `${name}: ${value}`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** A TCP connection that has sent a handshake and reads nothing by itself. */
export async function rawHandshake (t: Test, port: number, options: { path?: string, headers?: Record<string, string> } = {}): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await new Promise(resolve => socket.once('connect', resolve))
  socket.write(handshakeText(port, options))
  return socket
}

/** What a socket receives until the other side ends it. */
export function readAll (socket: Socket): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    socket.on('data', chunk => { text += chunk.toString() })
    socket.on('close', () => resolve(text))
  })
}

/** Number of TCP connections the server holds. */
export function openSockets (app: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => app.server.getConnections((err, count) => err ? reject(err) : resolve(count)))
}
