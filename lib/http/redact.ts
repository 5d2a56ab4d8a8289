import type { FastifyRequest } from 'fastify'
import { ipOf } from './admission.js'

/**
 * How requests of our routes are logged: as Fastify does, without the values of the query string, which may be a ticket or a
 * token. Set as the route's serializer it also holds for the line that Fastify writes before any hook.
 */
export const logSerializers = {
  req (request: FastifyRequest) {
    return {
      method: request.method,
      url: redactUrl(request.url),
      version: request.headers['accept-version'],
      host: hostOf(request),
      remoteAddress: ipOf(request),
      remotePort: request.socket?.remotePort
    }
  }
}

/** With `trustProxy` it throws like the address where there is no socket. */
function hostOf (request: FastifyRequest): string | undefined {
  try {
    return request.host
  } catch {
    return request.headers.host
  }
}

/** The path, and that there was a query. */
export function redactUrl (url: string): string {
  const query = url.search(/[?#;]/)
  return query === -1 ? url : `${url.slice(0, query)}?[redacted]`
}
