import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { ServerOptions } from 'ws'
import { errors } from '../errors.js'
import { BEARER_PROTOCOL, SUBPROTOCOL } from '../protocol/frames.js'

/**
 * The token a client offered as a subprotocol, the only header a browser lets it set. `undefined`: it offered none.
 * @throws RT_ERR_SUBPROTOCOL when the offer cannot be answered with {@link SUBPROTOCOL}: answering with nothing would make
 * browsers fail without a reason, and answering with the token would print it where responses are logged.
 */
export function offeredToken (request: FastifyRequest): string | undefined {
  const header = request.headers['sec-websocket-protocol']
  if (header === undefined) return undefined
  const offers = header.split(',').map(offer => offer.trim())
  if (!offers.includes(SUBPROTOCOL)) throw new errors.RT_ERR_SUBPROTOCOL(`${SUBPROTOCOL} is not among those offered`)
  const tokens = offers.filter(offer => offer.startsWith(BEARER_PROTOCOL))
  if (tokens.length > 1) throw new errors.RT_ERR_SUBPROTOCOL('more than one token offered')
  return tokens[0]?.slice(BEARER_PROTOCOL.length)
}

type HandleProtocols = NonNullable<ServerOptions['handleProtocols']>

/**
 * Chooses the subprotocol to answer. ws answers with the first one offered, which may be the token; on our route only our
 * name is ever answered. Other routes of the same server keep what they had.
 *
 * @param ours - whether a raw request is for our route
 */
export function chooseProtocol (ours: (raw: IncomingMessage) => boolean, other: HandleProtocols | null | undefined): HandleProtocols {
  return (protocols, raw) => {
    if (ours(raw)) return protocols.has(SUBPROTOCOL) ? SUBPROTOCOL : false
    if (other) return other(protocols, raw)
    const [first] = protocols
    return first ?? false
  }
}
