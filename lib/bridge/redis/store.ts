import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { FanOut } from './connections.js'
import type { Script } from './script.js'

export interface StoreOptions {
  readonly client: Redis | Cluster
  readonly clock: Clock
  /** How long a call may take altogether, in ms. */
  readonly timeout: number
  /**
   * Calls that may be waiting for an answer; more are refused.
   * @default 100000
   */
  readonly maxPending?: number
  /**
   * Bytes that may be waiting for it, in calls and before them; more is refused.
   * @default 67108864
   */
  readonly maxBytes?: number
  /** The command that fans out. */
  fanOut (): FanOut
}

/** What Redis answers a script: text comes as bytes. */
export type Reply = Buffer | number | null | readonly Reply[]

/** A reply, or a part of one, that should be a list; nothing where it is none. */
export function listOf (reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : []
}

/** How long to wait before a call whose answer was lost is made again, in ms. */
const RETRY = 50

/**
 * Calls to one Redis, be it a server, a failover group or a cluster. Every call settles in bounded time, and says whether it may have
 * taken effect: `unavailable`, certainly not; `timeout`, nobody knows.
 *
 * Scripts and commands given to it must lead to the same however often they run: a call whose answer was lost is made again.
 */
export class Store {
  readonly #client: Redis | Cluster
  readonly #clock: Clock
  readonly #timeout: number
  readonly #maxPending: number
  readonly #maxBytes: number
  readonly #fanOut: () => FanOut
  /** Rejects the calls under way. */
  readonly #pending = new Set<() => void>()
  /** What waits, in bytes. */
  #bytes = 0
  /** Why calls are refused without being tried. */
  #refusal: string | null = null

  constructor ({ client, clock, timeout, maxPending = 100_000, maxBytes = 64 * 1024 * 1024, fanOut }: StoreOptions) {
    this.#client = client
    this.#clock = clock
    this.#timeout = timeout
    this.#maxPending = maxPending
    this.#maxBytes = maxBytes
    this.#fanOut = fanOut
  }

  /** @param reason - from now on every call is refused with it; `null`: not any more */
  refuse (reason: string | null): void {
    this.#refusal = reason
  }

  /** Settles what is under way. */
  close (): void {
    this.refuse('the bridge is closed')
    for (const end of this.#pending) end()
  }

  /** @param insist - also while calls are refused, or too many wait: for what finds out whether they still have to be */
  run (script: Script, keys: readonly string[], args: readonly (string | number)[], insist = false): Promise<Reply> {
    const rest = [keys.length, ...keys, ...args]
    return this.#call(async () => {
      try {
        return await this.#send('evalsha', [script.sha, ...rest])
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
        return await this.#send('eval', [script.source, ...rest])
      }
    }, bytesOf(rest), insist)
  }

  command (name: string, ...args: ReadonlyArray<string | number>): Promise<Reply> {
    return this.#call(() => this.#send(name, args), bytesOf(args), false)
  }

  /** Makes room for what is to wait before a call is made of it. False: there is none, and it is to be refused. */
  reserve (bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false
    this.#bytes += bytes
    return true
  }

  /** It waits no more. */
  release (bytes: number): void {
    this.#bytes -= bytes
  }

  /** How long a call may take altogether, in ms. */
  get timeout (): number {
    return this.#timeout
  }

  /** The command by which scripts fan out. */
  get fanOut (): FanOut {
    return this.#fanOut()
  }

  /** Fans out what is kept nowhere. Made again, it may be heard twice. */
  async publish (channel: string, payload: string): Promise<void> {
    await this.command(this.fanOut.toLowerCase(), channel, payload)
  }

  async #send (name: string, args: ReadonlyArray<string | number>): Promise<Reply> {
    // ioredis cannot know what a script returns; bytes, numbers and lists of them are all that Redis has.
    return await this.#client.callBuffer(name, [...args]) as Reply
  }

  #call (send: () => Promise<Reply>, bytes: number, insist: boolean): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#refusal !== null && !insist) {
        reject(new BridgeError('unavailable', this.#refusal))
        return
      }
      if (this.#pending.size >= this.#maxPending && !insist) {
        reject(new BridgeError('unavailable', 'too many calls are waiting for Redis'))
        return
      }
      if (insist) this.#bytes += bytes
      else if (!this.reserve(bytes)) {
        reject(tooMuch())
        return
      }
      let sent = false
      /** The connection holds what was sent until it is answered or the connection is gone, however late that is. */
      let flying = false
      let over = false
      let cancelRetry = (): void => {}
      const finish = (settle: () => void): void => {
        if (over) return
        over = true
        cancel()
        cancelRetry()
        this.#pending.delete(end)
        if (!flying) this.release(bytes)
        settle()
      }
      const landed = (): void => {
        flying = false
        if (over) this.release(bytes)
      }
      const end = (): void => finish(() => reject(failure(sent, 'Redis did not answer in time')))
      // What came in while this process was held up is read first.
      const cancel = this.#clock.timeout(() => setImmediate(end), this.#timeout)
      this.#pending.add(end)
      const again = (): void => { cancelRetry = this.#clock.timeout(attempt, RETRY) }

      const attempt = (): void => {
        if (over) return
        // A call that is made again waits until calls are taken again: none is answered before the node has caught up.
        if (sent && this.#refusal !== null && !insist) {
          again()
          return
        }
        if (this.#client.status !== 'ready') {
          if (!sent) finish(() => reject(new BridgeError('unavailable', 'there is no connection to Redis')))
          else again()
          return
        }
        const first = !sent
        sent = true
        flying = true
        send().then((reply) => {
          landed()
          finish(() => resolve(reply))
        }, (error: unknown) => {
          landed()
          const { refused, message } = describe(error)
          if (refused === 'for now' && !first) again()
          else if (refused === 'sent' || refused === 'for now') finish(() => reject(failure(!first, message)))
          else if (refused === 'unsent' && first) finish(() => reject(failure(false, message)))
          else again()
        })
      }
      attempt()
    })
  }
}

/** What a server refuses until a failover is over, or until it is ready. */
const PASSING = /(?:^|: -)(?:READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|NOREPLICAS|BUSY|UNBLOCKED)\b/

/** Refuses what there is no room for; see {@link Store.reserve}. */
export function tooMuch (): BridgeError {
  return new BridgeError('unavailable', 'too much is waiting for Redis')
}

/** About what it takes until it is sent. */
function bytesOf (args: ReadonlyArray<string | number>): number {
  let bytes = 0
  for (const arg of args) bytes += typeof arg === 'string' ? Buffer.byteLength(arg) : 8
  return bytes
}

function failure (doubtful: boolean, message: string): BridgeError {
  // Without ioredis' error as its cause: that carries the command's arguments, so what users wrote, and passwords.
  return new BridgeError(doubtful ? 'timeout' : 'unavailable', message)
}

/**
 * What an error of ioredis says about the call. `sent`: Redis refused it (no memory, a script that failed before its first write); `for
 * now`: as `sent`, while another server takes over or this one begins; `unsent`: it never left; otherwise the connection ended before the
 * answer.
 */
function describe (error: unknown): { refused?: 'sent' | 'for now' | 'unsent', message: string } {
  if (!(error instanceof Error)) return { refused: 'sent', message: String(error) }
  const { name, message } = error
  if (name === 'ReplyError') return { refused: PASSING.test(message) ? 'for now' : 'sent', message: `Redis refused: ${message}` }
  if (message.includes('enableOfflineQueue')) return { refused: 'unsent', message: 'there is no connection to Redis' }
  return { message }
}
