import type { ClientOptions, Socket, Status, StatusReason } from '../../types/client.js'
import { utf8Length } from '../protocol/names.js'
import { createBackoff } from './backoff.js'
import type { ConnectionOwner, Core } from './core.js'
import { createCredentials } from './credentials.js'
import type { Answer } from './credentials.js'
import { deadline, host, isLate, onSigns } from './environment.js'
import { ignore, RealtimeError } from './errors.js'
import type { ServerFrame, Welcome } from './frames.js'

/** How often life is looked after, how long a sign of it may take, and how long a connection that counts as stable held; in ms. */
const TICK = 5_000

/** Silence beyond the heartbeat that means the connection is dead, in ms. */
const PATIENCE = 10_000

/** Close codes after which a client stops: those of lib/protocol/close-codes.ts, without its words. 45xx are the others. */
const STOP = [1000, 1002, 1003, 1007, 1009, 4400, 4403, 4409]

/** One socket after the other: when to open it, whether it lives, what its end means. Knows nothing of rooms. */
export interface Connection {
  readonly status: Status
  readonly welcome: Welcome | undefined
  /** Begins, unless it has. */
  open (): void
  /** Ends for good, or until the next `open`. */
  close (reason: StatusReason, code?: number): void
  /** Gives the connection up and tries again. */
  retry (reason: StatusReason): void
  /** Sends, if there is a socket. Returns why the server would close the connection over it. */
  transmit (frame: object): RealtimeError | undefined
}

export function createConnection (core: Core, options: ClientOptions, owner: ConnectionOwner): Connection {
  const { clock } = core
  const { wall, timeout, random } = clock
  const { attempts = Infinity } = options.backoff ?? {}
  const backoff = createBackoff(random, options.backoff)
  const credentials = createCredentials(options)

  let status: Status = { state: 'idle', attempt: 0 }
  let socket: Socket | undefined
  let welcome: Welcome | undefined
  /** Counts attempts, so that nothing of an earlier one has any effect. */
  let turn = 0
  /** The timer of the state: the attempt's end, the next look at life, the next attempt. */
  let cancel = ignore
  let deafen = ignore
  let heardAt = 0
  /** Life was asked for a sign. */
  let probing = false
  let connectedAt = Infinity
  /** The server asked for no attempt before that. */
  let notBefore = 0

  function set (state: Status['state'], reason?: StatusReason, code?: number, retryAt?: number): void {
    const now = status = { state, reason, code, attempt: backoff.count, retryAt }
    // What was under way is settled before anybody hears why.
    if (state === 'waiting' || state === 'closed') owner.lost(state === 'closed')
    if (status === now) owner.status(status)
  }

  /** Lets go of socket and timers. Whatever they still have to say is not heard. */
  function drop (code: number, reason?: string): void {
    const dropped = socket
    turn++
    cancel()
    socket = welcome = undefined
    dropped?.close(code, reason)
  }

  function close (reason: StatusReason, code?: number): void {
    if (status.state === 'closed') return
    deafen()
    drop(1000)
    set('closed', reason, code)
  }

  function wait (ms: number, reason?: StatusReason, code?: number): void {
    cancel = timeout(attempt, ms)
    set('waiting', reason, code, wall() + ms)
  }

  /** @param soon - at once, if the connection held: somebody who sends everybody away must not make this a loop */
  function retry (reason: StatusReason, code?: number, retryAfter = 0, soon = false): void {
    drop(4000)
    if (wall() - connectedAt >= TICK) backoff.count = 0
    connectedAt = Infinity
    if (backoff.count >= attempts) return close('attempts', code)
    const first = backoff.count === 0
    const ms = backoff.next(retryAfter)
    notBefore = wall() + retryAfter
    wait(soon && first ? 0 : ms, reason, code)
  }

  async function attempt (): Promise<void> {
    const mine = ++turn
    const current = (): boolean => mine === turn
    set('connecting', status.reason)
    cancel = deadline(clock, () => retry('timeout'), core.timeout)
    try {
      const address = await credentials.address()
      if (!current()) return
      if (address === null) close('signed-out')
      else if (address.url === undefined) refused(address)
      else dial(address.url, address.protocols, current)
    } catch (error) {
      if (!current()) return
      core.report(error)
      retry('token')
    }
  }

  function dial (url: string, protocols: string[] | undefined, current: () => boolean): void {
    const { WebSocket = host.WebSocket, shareTabs } = options
    if (WebSocket === undefined) throw new TypeError('no WebSocket')
    const Class = shareTabs?.(WebSocket) ?? WebSocket
    const mine = socket = new Class(url, protocols)
    let opened = false
    mine.onopen = () => { opened = true }
    mine.onerror = ignore
    mine.onmessage = ({ data }: { data: unknown }) => { if (current()) receive(data, current) }
    mine.onclose = async ({ code }: { code: number }) => {
      if (!current()) return
      socket = undefined
      if (opened) return closed(code)
      const answer = await credentials.probe()
      if (current()) refused(answer)
    }
  }

  /** A handshake failed: renew, stop or wait. */
  function refused ({ status = 0, retryAfter }: Partial<Answer>): void {
    if (status === 401) expired(status)
    else if (status === 400 || status === 403) close('forbidden', status)
    else retry(status === 429 || status === 503 ? 'refused' : 'lost', status || undefined, retryAfter)
  }

  function closed (code: number): void {
    if (code === 4401) expired(code)
    else if (STOP.includes(code) || (code >= 4500 && code < 4600)) close('server', code)
    else retry(code === 1013 || code === 4429 ? 'refused' : 'lost', code)
  }

  function expired (code: number): void {
    credentials.drop()
    retry('expired', code, 0, true)
  }

  function receive (data: unknown, current: () => boolean): void {
    heardAt = wall()
    probing = false
    let frame: ServerFrame
    try {
      frame = JSON.parse(String(data))
    } catch (error) {
      return core.report(error)
    }
    const { type } = frame
    if (type === 'ping') transmit({ type: 'pong' })
    else if (type === 'welcome') void welcomed(frame, current)
    else if (type === 'expiring') void extend(current)
    else if (type === 'goaway') {
      deadline(clock, () => {
        if (!current()) return
        drop(1000, 'goaway')
        retry('goaway', undefined, 0, true)
      }, frame.reconnectIn)
    } else owner.frame(frame)
  }

  async function welcomed (frame: Welcome, current: () => boolean): Promise<void> {
    welcome = frame
    try {
      await owner.opened(frame)
      if (!current()) return
      cancel()
      connectedAt = wall()
      look()
      set('connected')
    } catch (error) {
      if (!current()) return
      core.report(error)
      const { code = 'timeout', retryAfter = 0 } = error instanceof RealtimeError ? error : {}
      retry(code === 'timeout' ? code : 'refused', undefined, retryAfter)
    }
  }

  /** A new token for the connection as it is. Where that fails it ends with 4401, and connects again with another one. */
  async function extend (current: () => boolean, waits = createBackoff(random)): Promise<void> {
    let after: number | undefined
    try {
      const answer = await credentials.extend(welcome?.connectionId ?? '')
      if (!current()) return
      if (answer === null) return close('signed-out')
      if ([0, 429, 503].includes(answer.status)) after = answer.retryAfter
    } catch (error) {
      if (!current()) return
      core.report(error)
      after = 0
    }
    if (after !== undefined) timeout(() => { if (current()) void extend(current, waits) }, waits.next(after))
  }

  /** Looks after life, again and again while connected. */
  function look (): void {
    // A clock that was set back.
    heardAt = Math.min(heardAt, wall())
    const silentAt = heardAt + limit()
    const due = Math.min(wall() + TICK, silentAt)
    cancel = timeout(() => {
      // Late: the machine slept, or this page was throttled. What came meanwhile may still be unread.
      if (isLate(clock, due) && !probing) probe()
      else if (wall() >= heardAt + limit()) return retry('silent')
      look()
    }, due - wall())
  }

  function limit (): number {
    return (welcome?.heartbeat ?? 0) + PATIENCE
  }

  /** Leaves a short time for any sign of life. */
  function probe (): void {
    probing = true
    heardAt = wall() - limit() + TICK
    // With an id even a pong is answered.
    void core.request({ type: 'pong' }, {}, true)
  }

  /** The network came or went, or somebody looks at the page again. */
  function sign (): void {
    const { state, retryAt = 0, reason, code } = status
    if (state === 'connected' && !probing) {
      cancel()
      probe()
      look()
    } else if (state === 'waiting') {
      // Not at once: signs come in flocks.
      const ms = Math.max(notBefore - wall(), createBackoff(random, options.backoff).next())
      if (wall() + ms >= retryAt) return
      cancel()
      wait(ms, reason, code)
    }
  }

  function transmit (frame: object): RealtimeError | undefined {
    const text = JSON.stringify(frame)
    const { maxPayload } = welcome?.limits ?? {}
    if (maxPayload !== undefined && utf8Length(text) > maxPayload) return new RealtimeError('too_large', `more than ${maxPayload} bytes`)
    socket?.send(text)
  }

  return {
    get status () { return status },
    get welcome () { return welcome },
    open () {
      if (!/idle|closed/.test(status.state)) return
      deafen = onSigns(sign)
      backoff.count = 0
      void attempt()
    },
    close,
    retry,
    transmit
  }
}
