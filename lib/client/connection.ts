import type { ClientClock, ClientOptions, ClientState, Socket, StatusReason } from '../../types/client.js'
import { clamp, createBackoff } from './backoff.js'
import type { Backoff } from './backoff.js'
import type { Core } from './core.js'
import { createCredentials } from './credentials.js'
import type { Address, Answer } from './credentials.js'
import { bytesOf, host, isLate, onSigns } from './environment.js'
import { ignore, RealtimeError } from './errors.js'
import type { ServerFrame, Welcome } from './frames.js'
import { createTurn } from './turn.js'

/** How often life is looked after, how long a sign of it may take, and how long a connection that counts as stable held; in ms. */
const TICK = 5_000

/** Silence beyond the heartbeat that means the connection is dead, in ms. */
const PATIENCE = 10_000

/** What a client stops at: the close codes in lib/protocol/close-codes.ts, without their words, and the same in HTTP. */
const STOP = /^(40[03]|100[02379]|440[039]|45..)$/

/** What asks for patience, in HTTP and of sockets. */
const BUSY = /^(4?429|503|1013)$/

/** One socket after the other: when to open it, whether it lives, what its end means. Knows nothing of rooms. */
export interface Connection {
  /** Begins, unless it has. */
  open (): void
  /** Ends for good, or until the next `open`. */
  end (reason: StatusReason, code?: number): void
  /** Gives the connection up, whose state is in doubt, and tries again. */
  retry (reason: StatusReason): void
  /** Sends, if there was a welcome. Returns why the server would close the connection over it. */
  transmit (frame: object): RealtimeError | undefined
}

/** What it tells. */
export interface ConnectionOwner {
  /** Catches up; resolves when what was missed has been handed over. */
  opened (welcome: Welcome): Promise<void>
  frame (frame: ServerFrame): void
  /** The socket is gone; where the client has ended there will be no other. */
  lost (): void
  /** There is another status. */
  changed (): void
}

export function createConnection (core: Core, clock: ClientClock, options: ClientOptions, owner: ConnectionOwner): Connection {
  const { wall, timeout, random } = clock
  const { attempts = Infinity } = options.backoff ?? {}
  const backoff = createBackoff(random, options.backoff)
  const credentials = createCredentials(options)
  /** One for each socket. */
  const { next, guard, onNext } = createTurn()
  let socket: Socket | undefined
  /** The timer of the state: the attempt's end, the next look at life, the next attempt. */
  let cancel = ignore
  let deafen = ignore
  /** Unless something is heard until then. */
  let deadAt = 0
  /** A sign of life was asked for. */
  let probing = false

  function set (state: ClientState, reason?: StatusReason, code?: number, retryAt?: number): void {
    const status = core.status = { state, reason, code, attempt: backoff.count, retryAt }
    core.connected = state === 'connected'
    core.ended = state === 'closed'
    // What was under way is settled before anybody hears why.
    if (core.ended || retryAt) owner.lost()
    if (core.status === status) owner.changed()
  }

  /** Lets go of socket and timers. Whatever they still have to say is not heard. */
  function drop (code: number, reason?: string): void {
    next()
    cancel()
    socket?.close(code, reason)
    socket = core.welcome = undefined
  }

  function end (reason: StatusReason, code?: number): void {
    if (core.ended) return
    deafen()
    drop(1000)
    set('closed', reason, code)
  }

  function wait (ms: number, reason?: StatusReason, code?: number): void {
    cancel = timeout(attempt, ms)
    set('waiting', reason, code, wall() + ms)
  }

  /** @param soon - at once, if the connection held: somebody who sends everybody away must not make this a loop */
  function retry (reason: StatusReason, code?: number, retryAfter?: number, soon?: boolean): void {
    drop(4000)
    if (backoff.count >= attempts) return end('attempts', code)
    const ms = backoff.next(retryAfter)
    wait(backoff.count === 1 && soon ? 0 : ms, reason, code)
  }

  function attempt (): void {
    next()
    cancel = timeout(() => retry('timeout'), core.wait)
    // Before anybody is told or asked: whoever closes the client then means this attempt.
    const call = guard(dial)
    const fail = failed('token')
    set('connecting', core.status.reason)
    credentials.address().then(call).catch(fail)
  }

  function failed (reason: StatusReason): (error: RealtimeError) => void {
    return guard((error) => {
      core.report(error)
      // It may be the token itself that cannot be sent.
      if (reason === 'token') credentials.drop()
      retry(reason, undefined, error.retryAfter)
    })
  }

  function dial (address: Address | null): void {
    if (!address) return end('signed-out')
    if (!address.url) return over(address)
    const { WebSocket = host.WebSocket, shareTabs } = options
    const Class = shareTabs?.(WebSocket) ?? WebSocket
    let opened: boolean
    socket = new Class(address.url, address.protocols)
    socket.onopen = () => { opened = true }
    socket.onerror = ignore
    socket.onmessage = guard(receive)
    socket.onclose = guard(({ code }: { code: number }) => {
      socket = undefined
      if (opened) over({ status: code })
      else void credentials.probe().then(guard(over))
    })
  }

  /** A handshake failed or a socket closed: renew, stop or wait. */
  function over ({ status: code, retryAfter }: Partial<Answer>): void {
    if (code === 401 || code === 4401) {
      credentials.drop()
      retry('expired', code, 0, true)
    } else if (STOP.test(String(code))) end('server', code)
    else retry(BUSY.test(String(code)) ? 'refused' : 'lost', code, retryAfter)
  }

  function receive ({ data }: { data: unknown }): void {
    deadAt = wall() + patience()
    probing = false
    // No frame, whatever it is, gets past this.
    try {
      const frame: ServerFrame = JSON.parse(String(data))
      const { type } = frame
      if (type === 'ping') transmit({ type: 'pong' })
      else if (type === 'welcome') {
        core.welcome = frame
        owner.opened(frame).then(guard(() => {
          cancel()
          look()
          set('connected')
        })).catch(failed('refused'))
      } else if (type === 'expiring') extend(createBackoff(random))
      else if (type === 'goaway') {
        onNext(timeout(() => {
          drop(1000, type)
          retry(type, undefined, 0, true)
        }, clamp(frame.reconnectIn, 0)))
      } else owner.frame(frame)
    } catch (error) {
      core.report(error)
    }
  }

  /** A new token for the connection as it is. Where that fails it ends with 4401, and connects again with another one. */
  function extend (waits: Backoff): void {
    void credentials.extend(core.welcome?.connectionId).catch((error: unknown): undefined => {
      core.report(error)
    }).then(guard((answer) => {
      if (answer === null) end('signed-out')
      else if (!answer?.status || BUSY.test(String(answer.status))) onNext(timeout(() => extend(waits), waits.next(answer?.retryAfter)))
    }))
  }

  /** How long there may be silence, in ms. */
  function patience (): number {
    return (core.welcome?.heartbeat ?? 0) + PATIENCE
  }

  /** Looks after life, again and again while connected. */
  function look (): void {
    // A clock that was set back.
    deadAt = Math.min(deadAt, wall() + patience())
    const due = Math.min(deadAt, wall() + TICK)
    cancel = timeout(() => {
      // It held.
      backoff.count = 0
      // Late: the machine slept, or this page was throttled. What came meanwhile may still be unread.
      if (isLate(clock, due) && !probing) probe()
      if (wall() >= deadAt) retry('silent')
      else look()
    }, due - wall())
  }

  /** Leaves a short time for any sign of life. */
  function probe (): void {
    probing = true
    deadAt = wall() + TICK
    // With an id even a pong is answered.
    void core.request({ type: 'pong' }, ignore)
  }

  /** The network came or went, or somebody looks at the page again. */
  function sign (): void {
    const { retryAt, reason, code } = core.status
    if (core.connected && !probing) {
      cancel()
      probe()
      look()
    } else if (retryAt && reason !== 'refused') {
      // Not at once: signs come in flocks.
      cancel()
      backoff.count = 0
      wait(Math.min(retryAt - wall(), backoff.next()), reason, code)
    }
  }

  function transmit (frame: object): RealtimeError | undefined {
    const text = JSON.stringify(frame)
    // Before it the server expects nothing, and a socket that is not open yet would throw.
    if (!core.welcome) return
    if (bytesOf(text) > core.welcome.limits.maxPayload) return new RealtimeError('too_large')
    socket?.send(text)
  }

  return {
    open () {
      if (!core.ended && core.status.state !== 'idle') return
      deafen = onSigns(sign)
      backoff.count = 0
      attempt()
    },
    end,
    retry,
    transmit
  }
}
