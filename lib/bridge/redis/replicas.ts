import type { Redis } from 'ioredis'
import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'

export interface ReplicasOptions {
  /** A connection of its own: WAIT holds up whatever is behind it. */
  readonly client: Redis
  readonly clock: Clock
  /** How many must have it. */
  readonly count: number
  /** For how long to wait, in ms. */
  readonly timeout: number
}

/** Keys in one call. */
const MAX_KEYS = 500

/** How long a key that was asked about stays, in ms. */
const KEPT = 120_000

/** How long until a server that could not be asked is asked again, in ms. */
const RETRY = 50

/** How much longer than it may wait the server may take to answer, in ms; after that the connection is dead. */
const GRACE = 2_000

interface Waiting {
  readonly key: string
  over: boolean
  settle (error?: Error): void
}

/** The key is not at this server. */
export class Redirected extends Error {}

/**
 * Finds out whether what was written has reached enough replicas of one server.
 *
 * WAIT speaks of what its own connection wrote, and blocks that connection. So it is not sent by the one that writes, which must go on,
 * but by another one, which first writes behind it: it puts off the end of a key that the first one wrote. Where that key is, the write
 * is in the history of the server that answers, whichever server that is by now; and a replica that has what comes later has it too.
 * There is one WAIT at a time, for all that came up during the one before it.
 */
export class Replicas {
  readonly #options: ReplicasOptions
  #waiting: Waiting[] = []
  #asking = false
  #closed = false

  constructor (options: ReplicasOptions) {
    this.#options = options
    options.client.on('ready', () => this.#ask())
  }

  /**
   * @throws {BridgeError} `timeout`
   * @throws {Redirected} another server has the key by now
   */
  confirm (key: string): Promise<void> {
    const { clock, timeout } = this.#options
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(inDoubt('the bridge is closed'))
        return
      }
      const cancel = clock.timeout(() => setImmediate(() => waiting.settle(inDoubt('too few replicas have it in time'))), timeout)
      const waiting: Waiting = {
        key,
        over: false,
        settle: (error) => {
          if (waiting.over) return
          waiting.over = true
          cancel()
          if (error === undefined) resolve()
          else reject(error)
        }
      }
      this.#waiting.push(waiting)
      this.#ask()
    })
  }

  close (): void {
    this.#closed = true
    for (const { settle } of this.#waiting.splice(0)) settle(inDoubt('the bridge is closed'))
  }

  #ask (): void {
    const { client } = this.#options
    this.#waiting = this.#waiting.filter(({ over }) => !over)
    if (this.#asking || this.#closed || this.#waiting.length === 0 || client.status !== 'ready') return
    this.#asking = true
    const batch = this.#waiting.splice(0, MAX_KEYS)
    this.#send(batch).then(() => this.#next(), () => {
      // The connection was lost: nothing was decided.
      this.#waiting.unshift(...batch)
      this.#options.clock.timeout(() => this.#next(), RETRY)
    })
  }

  #next (): void {
    this.#asking = false
    this.#ask()
  }

  async #send (batch: readonly Waiting[]): Promise<void> {
    const { client, clock, count, timeout } = this.#options
    const cancel = clock.timeout(() => client.disconnect(true), timeout + GRACE)
    try {
      // In this order on one connection, so it is one server that answers all of it.
      const marks = batch.map(({ key }) => client.pexpire(key, KEPT).then((found) => found === 1 ? undefined : LOST, refusal))
      const reached = client.wait(count, timeout)
      reached.catch(() => {})
      const answers = await Promise.all(marks)
      const enough = await reached.then((number) => number >= count, (error: unknown) => refusal(error) === undefined)
      for (const [index, { settle }] of batch.entries()) {
        const problem = answers[index]
        if (problem !== undefined) settle(problem)
        else if (enough) settle()
        else settle(inDoubt('too few replicas have it'))
      }
    } finally {
      cancel()
    }
  }
}

const LOST = inDoubt('the server that has taken over does not have it')

function inDoubt (why: string): BridgeError {
  return new BridgeError('timeout', `it is not certain that this lasts: ${why}`)
}

/** What an answer says; an error that is none is thrown. */
function refusal (error: unknown): Error {
  if (!(error instanceof Error) || error.name !== 'ReplyError') throw error
  return /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /.test(error.message) ? new Redirected(error.message) : inDoubt(`Redis refused: ${error.message}`)
}
