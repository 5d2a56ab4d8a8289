import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { Holding, Holdings } from './holdings.js'
import type { Incarnation, Lease } from './lease.js'

/** Something that is to change in the store. */
export interface Change<Answer> {
  /** It is not given up when the store cannot be told, but carried out when it can. */
  readonly durable: boolean
  /** The store may hold something of this node after it. */
  readonly holds: boolean
  /** It gives the store back what an incarnation, or the store, has lost. */
  readonly restores?: boolean
  /** What the script is told; `null`: nothing is left to be done. */
  write (): ReadonlyArray<string | number> | null
  /** @param answer - `null`: nothing had to be done */
  settle (answer: Answer | null, incarnation: Incarnation | null): void
  /** @returns what takes it back where it may have been carried out */
  fail (error: BridgeError): Change<Answer> | null
}

/** Who makes a call, and which of its calls it is: none that comes late may undo a later one. */
export interface Call {
  readonly incarnation: Incarnation
  readonly number: number
}

export interface LanesOptions<Subject, Answer> {
  readonly clock: Clock
  readonly lease: Lease
  readonly holdings: Holdings
  holding (subject: Subject): Holding
  /** Whether this node has something there; otherwise it stops holding it. */
  wanted (subject: Subject): boolean
  /** Carries out changes, in order and at once. Resolves with the answers, or with why nothing was done. */
  send (subject: Subject, call: Call, args: ReadonlyArray<string | number>): Promise<readonly Answer[] | 'dead' | 'stale'>
}

/** Changes in one call. */
const MAX_CHANGES = 200
const MAX_LENGTH = 256 * 1024

/** Calls under way at once; a node that has lost its connection has one for each room when it is back. */
const MAX_FLIGHTS = 128

/** How long until what was not carried out is tried again, in ms; between half of it and all of it. */
const RETRY = 1_000

interface Lane<Answer> {
  readonly changes: Array<Change<Answer>>
  flying: boolean
}

/**
 * What a node has to change in rooms, or in users' connections, one lane for each of them: a call at a time, with all that has come up
 * meanwhile, so the order of the calls is the order of their effects. Nothing is sent for an incarnation that is not entered in the
 * registry, or that does not list what it is about to hold.
 */
export class Lanes<Subject, Answer> {
  readonly #options: LanesOptions<Subject, Answer>
  readonly #lanes = new Map<Subject, Lane<Answer>>()
  /** Lanes with something to send. */
  readonly #ready = new Set<Subject>()
  /** Lanes that wait until the store can be told. */
  readonly #stalled = new Set<Subject>()
  readonly #flights = new Map<symbol, number>()
  #restoring = 0
  #scheduled = false
  #cancelRetry: (() => void) | null = null
  #closed = false

  constructor (options: LanesOptions<Subject, Answer>) {
    this.#options = options
  }

  add (subject: Subject, change: Change<Answer>): void {
    if (this.#closed) {
      change.fail(closed())
      return
    }
    let lane = this.#lanes.get(subject)
    if (lane === undefined) this.#lanes.set(subject, lane = { changes: [], flying: false })
    lane.changes.push(change)
    if (change.restores === true) this.#restoring++
    // What may not wait takes along what does.
    if (!lane.flying && (!change.durable || !this.#stalled.has(subject))) this.#wake(subject)
  }

  /** Whether all that an incarnation before this one held is held by this one now. */
  restored (incarnation: Incarnation): boolean {
    if (this.#restoring > 0) return false
    for (const number of this.#flights.values()) if (number < incarnation.number) return false
    return true
  }

  /** Tries at once what waits for the store. */
  resume (): void {
    this.#cancelRetry?.()
    this.#cancelRetry = null
    for (const subject of this.#stalled) this.#wake(subject)
  }

  close (): void {
    this.#closed = true
    this.#cancelRetry?.()
    for (const { changes } of this.#lanes.values()) for (const change of changes.splice(0)) change.fail(closed())
    this.#lanes.clear()
    this.#ready.clear()
    this.#stalled.clear()
  }

  #wake (subject: Subject): void {
    this.#stalled.delete(subject)
    this.#ready.add(subject)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#fly()
    })
  }

  #fly (): void {
    for (const subject of this.#ready) {
      if (this.#flights.size >= MAX_FLIGHTS) return
      this.#ready.delete(subject)
      const lane = this.#lanes.get(subject)
      if (lane === undefined || lane.flying) continue
      lane.flying = true
      // Not before the incarnation is known: what comes up meanwhile belongs to this one, too.
      const flight = Symbol('flight')
      this.#flights.set(flight, this.#options.lease.incarnation.number)
      void this.#flush(subject, lane).finally(() => {
        this.#flights.delete(flight)
        this.#landed(subject, lane)
      })
    }
  }

  #landed (subject: Subject, lane: Lane<Answer>): void {
    lane.flying = false
    if (this.#closed) return
    if (lane.changes.length === 0) {
      this.#lanes.delete(subject)
      const { holdings, holding, wanted } = this.#options
      if (!wanted(subject)) holdings.idle(holding(subject))
    } else if (!this.#stalled.has(subject)) this.#wake(subject)
    if (this.#ready.size > 0) this.#fly()
  }

  /** Never rejects. */
  async #flush (subject: Subject, lane: Lane<Answer>): Promise<void> {
    const { batch, args } = take(lane.changes, (change) => {
      this.#done(change)
      change.settle(null, null)
    })
    if (batch.length === 0) return
    try {
      const { answers, incarnation } = await this.#send(subject, batch.some(({ holds }) => holds), args)
      for (const [index, change] of batch.entries()) {
        this.#done(change)
        change.settle(answers[index] ?? null, incarnation)
      }
    } catch (error) {
      this.#failed(subject, lane, batch, error instanceof BridgeError ? error : new BridgeError('timeout', 'a call failed', { cause: error }))
    }
  }

  async #send (
    subject: Subject, holds: boolean, args: ReadonlyArray<string | number>
  ): Promise<{ answers: readonly Answer[], incarnation: Incarnation }> {
    const { lease, holdings, holding, send } = this.#options
    for (let attempt = 0; attempt < 4; attempt++) {
      const incarnation = await lease.entered()
      if (holds && !await holdings.hold(holding(subject), incarnation)) {
        lease.lost(incarnation)
        continue
      }
      const answers = await send(subject, { incarnation, number: lease.nextCall() }, args)
      if (typeof answers !== 'string') return { answers, incarnation }
      if (answers === 'dead') lease.lost(incarnation)
    }
    throw new BridgeError('unavailable', 'this node was taken for dead')
  }

  /** What is durable stays where it was, before everything that came later. */
  #failed (subject: Subject, lane: Lane<Answer>, batch: ReadonlyArray<Change<Answer>>, error: BridgeError): void {
    const later = lane.changes.splice(0)
    const behind = new BridgeError('unavailable', error.message, { cause: error })
    for (const [changes, reason] of [[batch, error], [later, behind]] as const) {
      for (const change of changes) {
        const left = change.durable && !this.#closed ? change : change.fail(reason)
        if (left !== null && !this.#closed) lane.changes.push(left)
      }
    }
    if (lane.changes.length === 0 || this.#closed) return
    this.#stalled.add(subject)
    const { clock } = this.#options
    this.#cancelRetry ??= clock.timeout(() => {
      this.#cancelRetry = null
      this.resume()
    }, RETRY * (0.5 + 0.5 * clock.random()))
  }

  #done (change: Change<Answer>): void {
    if (change.restores === true) this.#restoring--
  }
}

/** The first changes that can go together. */
function take<Answer> (
  changes: Array<Change<Answer>>, skipped: (change: Change<Answer>) => void
): { batch: Array<Change<Answer>>, args: Array<string | number> } {
  const batch: Array<Change<Answer>> = []
  const args: Array<string | number> = []
  let length = 0
  while (batch.length < MAX_CHANGES && length < MAX_LENGTH) {
    const change = changes.shift()
    if (change === undefined) break
    const written = change.write()
    if (written === null) skipped(change)
    else {
      batch.push(change)
      args.push(...written)
      for (const value of written) length += typeof value === 'string' ? value.length : 8
    }
  }
  return { batch, args }
}

function closed (): BridgeError {
  return new BridgeError('unavailable', 'the bridge is closed')
}
