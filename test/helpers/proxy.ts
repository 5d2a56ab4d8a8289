import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/** Which way bytes go: from the client to the server, or back. */
export type Direction = 'up' | 'down'

/** One connection through the proxy. */
export interface ProxyLink {
  /** Everything the client has sent so far, as text. */
  readonly sent: () => string
}

/** Whether it is one by which a node hears the fan-out of its Redis. */
export const subscribes = ({ sent }: ProxyLink): boolean => /\r\nsubscribe\r\n/i.test(sent())

/** A TCP proxy on a free port that can stop forwarding while every socket stays open, as a network does whose packets go nowhere. */
export interface Proxy {
  readonly port: number
  /** Links that are open. */
  readonly links: ReadonlySet<ProxyLink>
  /**
   * Swallows what comes from now on, also of connections made later. What was swallowed is lost: a connection that it happened to is of
   * no use afterwards.
   * @param which - of these links only, by what their clients have sent
   */
  blackHole (options?: { readonly directions?: readonly Direction[], readonly which?: (link: ProxyLink) => boolean }): void
  /** Forwards again: what comes from now on, of connections that lost nothing. */
  heal (): void
  /** Ends every connection by a reset. */
  reset (): void
  /** Resolves when a link is made that the condition holds for, by what its client has sent. */
  link (which: (link: ProxyLink) => boolean): Promise<ProxyLink>
}

/** How much of what a client sent is remembered, to tell links apart. */
const REMEMBERED = 64 * 1024

/** @param port - of what stands behind it; a function is asked for every connection, as a load balancer decides */
export async function startProxy (t: Test, port: number | (() => number), host = '127.0.0.1'): Promise<Proxy> {
  const links = new Map<ProxyLink, { client: Socket, server: Socket }>()
  const waiting = new Set<() => void>()
  let hole: { directions: readonly Direction[], which: (link: ProxyLink) => boolean } | null = null

  const proxy = createServer({ noDelay: true }, (client) => {
    const server = connect({ port: typeof port === 'number' ? port : port(), host, noDelay: true })
    let sent = ''
    /** Ways that have lost something: going on behind a gap would be nonsense in any protocol. */
    const broken = new Set<Direction>()
    const link: ProxyLink = { sent: () => sent }
    links.set(link, { client, server })

    const swallows = (direction: Direction): boolean => {
      if (hole?.directions.includes(direction) === true && hole.which(link)) broken.add(direction)
      return broken.has(direction)
    }
    client.on('data', (data) => {
      sent = (sent + data.toString('latin1')).slice(-REMEMBERED)
      for (const check of [...waiting]) check()
      if (!swallows('up')) server.write(data)
    })
    server.on('data', (data) => { if (!swallows('down')) client.write(data) })
    for (const [socket, other, direction] of [[client, server, 'up'], [server, client, 'down']] as const) {
      socket.on('error', () => {})
      socket.on('close', () => {
        links.delete(link)
        // An end does not come through either.
        if (!swallows(direction)) other.destroy()
        else if (direction === 'up') server.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port: own } = proxy.address() as AddressInfo

  t.teardown(async () => {
    hole = null
    for (const { client, server } of links.values()) {
      client.destroy()
      server.destroy()
    }
    proxy.close()
    await once(proxy, 'close')
  })

  return {
    port: own,
    get links () { return new Set(links.keys()) },
    blackHole (options = {}) { hole = { directions: options.directions ?? ['up', 'down'], which: options.which ?? (() => true) } },
    heal () { hole = null },
    reset () { for (const { client } of links.values()) client.resetAndDestroy() },
    link (which) {
      return new Promise((resolve) => {
        const check = (): void => {
          const found = [...links.keys()].find(which)
          if (found === undefined) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      })
    }
  }
}
