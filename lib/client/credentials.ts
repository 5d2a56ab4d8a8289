import type { ClientOptions, TokenReason } from '../../types/client.js'
import { BEARER_PROTOCOL, SUBPROTOCOL } from '../protocol/frames.js'
import { host } from './environment.js'

/** An answer of the server's HTTP routes. */
export interface Answer {
  /** 0: there was none. */
  readonly status: number
  /** In ms; 0 where the server did not ask for any. */
  readonly retryAfter: number
  /** Of a success. */
  readonly body?: unknown
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
  extend (connectionId: string): Promise<Answer | null>
}

export function createCredentials (options: ClientOptions): Credentials {
  let token: string | null | undefined
  let asked = false

  async function obtain (reason: TokenReason): Promise<boolean> {
    token ??= await options.getToken?.({ reason })
    asked = true
    return token !== null
  }

  function address (route: string, scheme: string): URL {
    const url = new URL(options.url, host.location?.href)
    url.protocol = url.protocol.replace(/ws|http/, scheme)
    url.pathname += route
    return url
  }

  async function ask (method: string, route: string, body?: object): Promise<Answer> {
    // In a variable of its own, because that of browsers refuses to be called as a method of something else.
    const { fetch = host.fetch } = options
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    if (typeof token === 'string') headers.authorization = 'Bearer ' + token
    try {
      const response = await fetch?.(address(route, 'http').href, {
        method, headers, credentials: 'include', cache: 'no-store', body: body && JSON.stringify(body)
      })
      const { status = 0 } = response ?? {}
      const retryAfter = Number(response?.headers.get('retry-after')) * 1000 || 0
      return { status, retryAfter, body: status === 200 && await response?.json() }
    } catch {
      return { status: 0, retryAfter: 0 }
    }
  }

  return {
    drop () {
      token = undefined
    },
    async address () {
      if (!await obtain(asked ? 'expired' : 'connect')) return null
      const url = address('', 'ws')
      const protocols = [SUBPROTOCOL]
      if (options.ticket === true) {
        const answer = await ask('POST', '/ticket')
        const { ticket } = Object(answer.body)
        if (typeof ticket !== 'string') return answer
        url.searchParams.set('ticket', ticket)
      } else if (typeof token === 'string') {
        protocols.push(BEARER_PROTOCOL + token)
      }
      return { url: url.href, protocols }
    },
    probe: () => ask('GET', ''),
    async extend (connectionId) {
      token = undefined
      return await obtain('expiring') ? await ask('POST', '/renew', { connectionId }) : null
    }
  }
}
