import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.js'
import type { ResolvedOptions } from '../options.js'

/**
 * Whether the page behind a request may connect. Browsers send Origin with every handshake and every POST and let no page
 * change it, so this is what keeps other sites from using a visitor's cookie.
 */
export interface OriginPolicy {
  /** What is known at once; `undefined`: only the application knows. */
  listed (request: FastifyRequest): boolean | undefined
  /** Asks the application, where {@link OriginPolicy.listed} does not know. */
  ask (request: FastifyRequest): Promise<boolean>
}

export function originPolicy ({ origins, allowNoOrigin }: Pick<ResolvedOptions, 'origins' | 'allowNoOrigin'>): OriginPolicy {
  return {
    listed (request) {
      const origin = originOf(request)
      if (origin === undefined) return allowNoOrigin
      if (typeof origins === 'function') return undefined
      if (origins !== null) return origins.has(origin)
      return isSameOrigin(origin, hostOf(request), isEncrypted(request))
    },
    async ask (request) {
      const origin = originOf(request)
      if (origin === undefined || typeof origins !== 'function') return false
      try {
        return await origins(origin, request) === true
      } catch (cause) {
        request.log.error({ err: cause }, 'realtime: origins failed')
        throw new errors.RT_ERR_UNAVAILABLE('the origin cannot be checked', { cause })
      }
    }
  }
}

/** The Origin header; drafts of the WebSocket protocol that ws still speaks call it otherwise. */
export function originOf (request: FastifyRequest): string | undefined {
  const { origin, 'sec-websocket-origin': draft } = request.raw.headers
  return origin ?? (typeof draft === 'string' ? draft : undefined)
}

/** What the client asked for: HTTP/2 has a field of its own for it, and need not send Host. */
function hostOf (request: FastifyRequest): string | undefined {
  const { host, ':authority': authority } = request.raw.headers
  return host ?? (typeof authority === 'string' ? authority : undefined)
}

/** Did it come over TLS to this server? An injected upgrade has no socket to tell. */
function isEncrypted (request: FastifyRequest): boolean {
  const socket: object | undefined = request.raw.socket
  return socket !== undefined && 'encrypted' in socket && socket.encrypted === true
}

/** Characters of a host and port as they stand in an Origin and a Host header: nothing that a URL would take apart. */
const AUTHORITY = /^[\w.:[\]~-]+$/

/**
 * Does an Origin name the host the request was sent to? By the raw Host header: forwarded ones come from whoever writes
 * them. The scheme is not known behind a proxy that ends TLS, so http and https both match, each with its own default port.
 *
 * @param encrypted - the request came over TLS to this very server: a page of http, which anybody on the way may have written,
 * is another origin then
 */
export function isSameOrigin (origin: string, host: string | undefined, encrypted = false): boolean {
  const [, scheme, authority] = /^(https?):\/\/(.+)$/.exec(origin) ?? []
  if (scheme === undefined || authority === undefined || host === undefined) return false
  if (encrypted && scheme !== 'https') return false
  if (!AUTHORITY.test(authority) || !AUTHORITY.test(host)) return false
  const page = parse(`${scheme}://${authority}`)
  const target = parse(`${scheme}://${host}`)
  return page !== null && target !== null && page.host === target.host
}

/** Lower case, without the scheme's default port. */
function parse (url: string): URL | null {
  try {
    return new URL(url)
  } catch {
    return null
  }
}
