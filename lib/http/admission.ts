import type { Duplex } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { normalizeIP } from '@fastify/rate-limit'
import { errors } from '../errors.js'
import type { ResolvedOptions } from '../options.js'

/**
 * Counts connections and handshakes on their way to be one. A slot is taken before the upgrade, so that a burst cannot pass
 * the limit together, and given back when the socket closes, whoever closes it and when.
 */
export class Admission {
  readonly #limits: Pick<ResolvedOptions['limits'], 'connections' | 'connectionsPerAddress'>
  readonly #byAddress = new Map<string, number>()
  #connections = 0

  constructor (limits: Pick<ResolvedOptions['limits'], 'connections' | 'connectionsPerAddress'>) {
    this.#limits = limits
  }

  /** Slots taken. */
  get connections (): number {
    return this.#connections
  }

  /** Addresses that have a slot. */
  get addresses (): number {
    return this.#byAddress.size
  }

  /** Why one more connection from this address would be refused now; `null`: it would not. */
  refusal (address: string | undefined): Error | null {
    if (this.#connections >= this.#limits.connections) {
      return new errors.RT_ERR_OVERLOADED('connections on this node')
    }
    if (address !== undefined && (this.#byAddress.get(address) ?? 0) >= this.#limits.connectionsPerAddress) {
      return new errors.RT_ERR_TOO_MANY('connections from this address')
    }
    return null
  }

  /** Takes a slot until the socket closes or what is returned is called. Only after {@link refusal} in the same turn. */
  reserve (address: string | undefined, socket: Duplex): () => void {
    // A client that reset the connection while a hook ran: `close` is in the past and would not come again.
    if (socket.destroyed) return () => {}
    this.#connections++
    if (address !== undefined) this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
    const release = () => {
      if (!held) return
      held = false
      socket.removeListener('close', release)
      this.#connections--
      if (address === undefined) return
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left > 0) this.#byAddress.set(address, left)
      else this.#byAddress.delete(address)
    }
    let held = true
    socket.once('close', release)
    return release
  }
}

/** What connections of one origin share: an IPv4 address, or the /64 of an IPv6 one. An injected socket has none. */
export function addressOf (request: FastifyRequest): string | undefined {
  const ip = ipOf(request)
  return ip ? normalizeIP(ip) : undefined
}

/** As Fastify sees it. With `trustProxy` it throws where there is no socket, and that would leave an injected upgrade without answer. */
export function ipOf (request: FastifyRequest): string | undefined {
  try {
    return request.ip
  } catch {
    return undefined
  }
}
