import { Socket } from 'node:net'
import { finished } from 'node:stream'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { errors } from '../errors.js'
import { addressOf } from './admission.js'
import { errorResponses } from './answers.js'
import type { Identity } from './contract.js'
import { pageRoute, preflightRoute } from './kit.js'
import type { Kit } from './kit.js'
import { warnAboutProxy } from './rate-limit.js'
import { offeredToken } from './subprotocol.js'

/** What a handshake has come to, between its hooks. */
interface Handshake {
  readonly identity: Identity
  readonly response: FastifyReply['raw']
  readonly release: () => void
}

/**
 * The WebSocket route. Everything that can be refused is refused in HTTP, before the upgrade, cheapest first: rate limit (onRequest),
 * Origin, drain and subprotocol (preParsing), credentials (preValidation), a free slot (preHandler). A plain GET goes the same way and
 * ends with 426, because browsers hide why a handshake failed.
 *
 * @param validatorCompiler - the application's own, for the schema in its `route` option
 */
export function websocketRoute (fastify: FastifyInstance, kit: Kit, validatorCompiler: FastifyInstance['validatorCompiler']): void {
  const { options, deps, dependencies, guard, admission, authenticate } = kit
  const { route, path } = options
  const page = pageRoute(kit)
  const identities = new WeakMap<FastifyRequest, Identity>()
  const handshakes = new WeakMap<FastifyRequest, Handshake>()

  fastify.route({
    ...(validatorCompiler && { validatorCompiler }),
    ...route,
    ...page,
    method: 'GET',
    url: path,
    // What the application may not turn around: with `websocket` its `handler` would be ours.
    websocket: false,
    logSerializers: { ...route.logSerializers, ...page.logSerializers },
    config: { ...page.config, ...(route.schema && { swaggerTransform: undefined }), ...route.config, rateLimit: page.config.rateLimit },
    schema: route.schema ? { ...about, ...route.schema } : { ...about, response: errorResponses(400, 401, 403, 426, 429, 503) },
    onRequest: [claim, ...list(route.onRequest), warnAboutProxy(), ...page.onRequest],
    preParsing: [...list(route.preParsing), ...page.preParsing, refuseEarly],
    preValidation: [...list(route.preValidation), identify],
    preHandler: [...list(route.preHandler), admit],
    onError: [...list(route.onError), ...page.onError],
    handler: upgradeRequired,
    wsHandler: takeOver
  })
  preflightRoute(fastify, kit, path, 'GET')

  async function claim (request: FastifyRequest): Promise<void> {
    guard.claim(request.raw)
  }

  async function refuseEarly (request: FastifyRequest): Promise<void> {
    dependencies.markOurs(request.raw)
    if (deps.draining()) throw new errors.RT_ERR_DRAINING()
    offeredToken(request)
  }

  async function identify (request: FastifyRequest): Promise<void> {
    if (request.ws) identities.set(request, await authenticate.handshake(request))
    else await authenticate.probe(request)
  }

  async function admit (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // Hooks may have taken their time.
    if (deps.draining()) throw new errors.RT_ERR_DRAINING()
    const address = addressOf(request)
    const refusal = admission.refusal(address)
    if (refusal !== null) throw refusal
    const identity = identities.get(request)
    const socket = guard.socketOf(request.raw)
    if (identity === undefined || socket === undefined) return
    handshakes.set(request, { identity, response: reply.raw, release: admission.reserve(address, socket) })
  }

  async function upgradeRequired (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // HTTP/2 knows neither header.
    if (request.raw.httpVersionMajor === 1) reply.header('upgrade', 'websocket').header('connection', 'upgrade')
    throw new errors.RT_ERR_UPGRADE_REQUIRED()
  }

  function takeOver (ws: WebSocket, request: FastifyRequest): void {
    guard.forget(request.raw)
    closeInjected(guard.socketOf(request.raw))
    const handshake = handshakes.get(request)
    if (handshake === undefined) return ws.terminate()
    letGoOfRequest(ws, handshake.response)
    if (dependencies.sharedServer) {
      // The application's @fastify/websocket closes what is in there, without a reason, before our drain has begun.
      fastify.websocketServer.clients.delete(ws)
    }
    deps.accept({ ws, request, identity: handshake.identity, release: handshake.release })
  }
}

/**
 * Cuts what would keep the request, its reply and logger in memory for as long as the connection lives: the error listener of
 * @fastify/websocket, and the response that was assigned to the socket. For whoever waits for the response it is over now.
 */
function letGoOfRequest (ws: WebSocket, response: FastifyReply['raw']): void {
  const [listener] = ws.listeners('error').slice(-1)
  if (isListener(listener)) ws.removeListener('error', listener)
  // A socket without one takes the process down; what went wrong shows in the close code.
  ws.on('error', () => {})
  if (response.socket === null) return
  response.detachSocket(response.socket)
  response.emit('close')
}

function isListener (value: unknown): value is (this: WebSocket) => void {
  return typeof value === 'function'
}

/** A stream of injectWS has no end of its own: when both sides have said goodbye, only a timeout of ws would close it. */
function closeInjected (socket: Duplex | undefined): void {
  if (socket !== undefined && !(socket instanceof Socket)) finished(socket, () => socket.destroy())
}

function list<Hook> (hooks: Hook | Hook[] | undefined): Hook[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks]
}

/** A schema of the application is in its own language, and is not mixed with one in ours. */
const about = {
  tags: ['realtime'],
  summary: 'WebSocket endpoint; a plain GET tells what a handshake would be answered'
}
