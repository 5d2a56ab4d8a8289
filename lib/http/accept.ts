import type { RawData } from 'ws'
import type { RealtimeNode } from '../core/node.js'
import type { Handover } from './contract.js'
import { createTransport } from './transport.js'

/** Connects an upgraded socket with the node. Listeners are attached in the same turn, so no early frame is lost. */
export function acceptSocket (node: RealtimeNode, { ws, request, identity, release }: Handover): void {
  // Not the request itself: it would stay in memory as long as the connection.
  const { log } = request
  const id = node.clock.id()
  const transport = createTransport(ws, request.raw.socket, () => connection.drained())
  const connection = node.accept({
    id,
    user: identity.user,
    expiresAt: identity.expiresAt,
    transport,
    log: () => log.child({ connectionId: id })
  })
  log.info({ connectionId: id }, 'realtime connection opened')

  ws.on('message', (data, binary) => connection.receive(bufferOf(data), binary))
  ws.on('pong', () => connection.pong())
  ws.on('ping', () => connection.pong())
  ws.on('close', (code, reason) => {
    connection.closed(code, reason.toString())
    node.gone(connection)
    release()
    log.info({ connectionId: id, code }, 'realtime connection closed')
  })
}

function bufferOf (data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}
