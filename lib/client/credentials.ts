import type { ClientOptions, TokenReason } from '../../types/client.js'
import { BEARER_PROTOCOL, SUBPROTOCOL } from '../protocol/frames.js'
import { absolute, host } from './environment.js'

/** An answer of the server's HTTP routes. */
export interface Answer {
  /** 0: there was none. */
  readonly status: number
  /** In ms; 0 where the server did not ask for any. */
  readonly retryAfter?: number
  readonly ticket?: string
}

/** Where to open a socket; without `url`, why not. */
export interface Address extends Partial<Answer> {
  readonly url?: string
  readonly protocols?: string[]
}

/** What a client shows of itself, and the HTTP routes beside the socket. */
export interface Credentials {
  /** The token in hand is no good any more. */
  drop (): void
  /**
   * What to connect with; asks the application only where there is no token that may still be good. `null`: nobody is signed in.
   * @throws whatever `getToken` throws
   */
  address (): Promise<Address | null>
  /** Why a socket did not open, which browsers keep from pages: what the server answers the same request without upgrade. */
  probe (): Promise<Answer>
  /**
   * A new token for a connection that lives on. `null`: nobody is signed in.
   * @throws whatever `getToken` throws
   */
  extend (connectionId: string | undefined): Promise<Answer | null>
}

export function createCredentials (options: ClientOptions): Credentials {
  // Modules of pages run on servers too: what is relative to a page is a mistake there only when somebody connects.
  const base = absolute(options.url, host.location?.href ?? 'ws:invalid')
  if (!/^(ws|http)/.test(base)) throw new TypeError(`url: ${base}`)
  let token: string | null | undefined
  let reason: TokenReason = 'connect'

  /** Is anybody signed in? */
  async function obtain (why = reason): Promise<boolean> {
    token ??= await options.getToken?.({ reason: why })
    reason = 'expired'
    return token !== null
  }

  function address (route: string, scheme: string): URL {
    const url = new URL(base)
    url.protocol = url.protocol.replace(/ws|http/, scheme)
    url.pathname += route
    return url
  }

  async function ask (method: string, route: string, body?: object): Promise<Answer> {
    // In a variable of its own, because that of browsers refuses to be called as a method of something else.
    const { fetch = host.fetch } = options
    const headers: Record<string, string> = {}
    if (body) headers['content-type'] = 'application/json'
    if (token) headers.authorization = 'Bearer ' + token
    try {
      const response = await fetch(address(route, 'http').href, { method, headers, credentials: 'include', body: body && JSON.stringify(body) })
      const { status } = response
      return {
        status,
        retryAfter: Number(response.headers.get('retry-after')) * 1000,
        ticket: status === 200 && Object(await response.json()).ticket
      }
    } catch {
      return { status: 0 }
    }
  }

  return {
    drop () {
      token = undefined
    },
    async address () {
      if (!await obtain()) return null
      const url = address('', 'ws')
      const protocols = [SUBPROTOCOL]
      if (options.ticket) {
        const answer = await ask('POST', '/ticket')
        if (!answer.ticket) return answer
        url.searchParams.set('ticket', answer.ticket)
      } else if (token) protocols.push(BEARER_PROTOCOL + token)
      return { url: url.href, protocols }
    },
    probe: () => ask('GET', ''),
    async extend (connectionId) {
      token = undefined
      return await obtain('expiring') ? await ask('POST', '/renew', { connectionId }) : null
    }
  }
}
