import type { ShareTabsOptions, Socket, SocketClass } from '../../../types/client.js'
import { BEARER_PROTOCOL } from '../../protocol/frames.js'
import { host } from './environment.js'
import { createTab } from './tab.js'
import { virtualSocket } from './virtual-socket.js'
import type { Link, LinkEvents } from './virtual-socket.js'
import { TABS_VERSION } from './wire.js'

/**
 * One socket for all tabs of a browser in which the same user has a client: for the option `shareTabs` of `createClient`. Every tab
 * keeps its rooms, handlers, waiting messages and positions; one of them holds the socket, with its credential. When that one is
 * closed or crashes another one goes on, and nothing is lost or repeated.
 *
 * Tabs share when they have the same `url`, the same user (a `sub`, and whatever else the JWT that is offered as a subprotocol says of
 * them) and the same `name`. With tickets and cookies a page does not know whose they are: without a `name` every tab then has a socket
 * of its own, as it has where the browser has no Web Locks or no BroadcastChannel (pages without TLS, Node 20).
 *
 * The server's limits, such as those on frames and rooms of a connection, are for all of these tabs together.
 *
 * @example
 * ```ts
 * const client = createClient({ url: '/realtime', getToken, shareTabs: shareTabs() })
 * ```
 */
export function shareTabs (options: ShareTabsOptions = {}): (Socket: SocketClass) => SocketClass {
  const { name, locks = host.navigator?.locks, BroadcastChannel = host.BroadcastChannel } = options
  /** The leader did not answer the last link. */
  let steal = false

  return (RealSocket) => {
    if (!locks || !BroadcastChannel) return RealSocket
    return virtualSocket((url, protocols, events) => {
      const connect = (): Socket => new RealSocket(url, protocols)
      const user = userOf(protocols)
      if (name === undefined && user === undefined) return alone(connect(), events)
      const stolen = steal
      steal = false
      return createTab({
        name: nameOf(url, [name, user]),
        locks,
        BroadcastChannel,
        steal: stolen,
        events,
        connect,
        starved () { steal = true }
      })
    })
  }
}

/** Not to be met by anything else of the origin, nor by tabs that say other things. */
function nameOf (url: string, who: ReadonlyArray<string | undefined>): string {
  const route = new URL(url)
  // Another one for every connection, and a secret.
  route.searchParams.delete('ticket')
  return `fastify-realtime tabs ${TABS_VERSION} ${route.href} ${JSON.stringify(who)}`
}

/**
 * Whose token is offered, as far as one can tell. All that it says of them: the server may make its users of more than the subject,
 * such as a tenant, and let them do what other claims say.
 */
function userOf (protocols: readonly string[]): string | undefined {
  const [, payload] = protocols.find((protocol) => protocol.startsWith(BEARER_PROTOCOL))?.split('.').slice(1) ?? []
  try {
    // Bytes for letters, which tell users apart as well.
    // What is about the token itself is different in each.
    const { exp, iat, nbf, jti, ...user } = JSON.parse(atob(String(payload).replace(/-/g, '+').replace(/_/g, '/')))
    return typeof user.sub === 'string' ? JSON.stringify(user) : undefined
  } catch {
    return undefined
  }
}

/** A socket as it is. */
function alone (socket: Socket, events: LinkEvents): Link {
  socket.onopen = events.opened
  socket.onmessage = ({ data }: { data: unknown }) => events.message(String(data))
  socket.onclose = ({ code, reason }: { code: number, reason?: string }) => events.closed(code, String(reason ?? ''))
  socket.onerror = () => {}
  return {
    send: (text) => socket.send(text),
    close: (code, reason) => socket.close(code, reason)
  }
}
