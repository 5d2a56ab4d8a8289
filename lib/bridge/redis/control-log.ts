import type { Clock } from '../../clock.js'
import { START } from '../../protocol/position.js'
import type { Position } from '../../protocol/position.js'
import { CONTROL_RETENTION } from '../bridge.js'
import type { Entry } from '../bridge.js'
import { readEnvelope } from './envelope.js'
import { LogFollower } from './follower.js'
import type { Continuation, LogStore } from './log-store.js'
import { Retries } from './retries.js'

const CONTROL = 's:control'

/** How many entries one read of a repair asks for. */
const REPAIR = 200

/** A command as the log has it. */
export interface LoggedCommand {
  /** Of the call that gave it. */
  readonly id: string
  /** The node that gave it. */
  readonly from: string
  readonly command: unknown
}

export interface ControlLogOptions {
  readonly clock: Clock
  readonly logs: Pick<LogStore, 'head' | 'continue' | 'append'>
  /** The store's clock, epoch ms. */
  storeTime (): number
  /** @param age - in ms */
  begin (command: LoggedCommand, age: number): void
  /** The log could not be read, or has lost something. */
  failed (error: unknown): void
}

/**
 * The log of commands that every node carries out, followed from this node's start: each is begun once, in the order of the log, and
 * only while the gate is open. What comes while it is shut waits for the turn in which it opens.
 */
export class ControlLog {
  readonly #options: ControlLogOptions
  #follower: LogFollower | null = null
  /** Something was fanned out before the head was known. */
  #early = false
  /** When it began, by the store's clock. */
  #since = 0
  /**
   * Where a log that did not continue was read anew from its beginning: up to there it has commands from before this node's time. Only
   * there is the store's clock asked, since one that was set back must not make a node deaf.
   */
  #reread: Position | null = null
  #open = false
  readonly #waiting: Array<{ readonly logged: LoggedCommand, readonly timestamp: number }> = []
  /** Ids of the commands that came last: a log that was rolled back may bring them again. */
  readonly #known = new Set<string>()
  /** Of a repair that failed. */
  readonly #retries: Retries<typeof CONTROL>

  constructor (options: ControlLogOptions) {
    this.#options = options
    this.#retries = new Retries(options.clock, () => this.repair())
  }

  /** Begins where the log ends now. What is fanned out already has to reach {@link receive}. */
  async start (): Promise<void> {
    const { logs, failed } = this.#options
    const { head, time } = await logs.head(CONTROL)
    this.#since = time
    this.#follower = new LogFollower({
      from: head,
      deliver: (event) => {
        if (event.type === 'entry' && !this.#isEarlier(event.entry)) this.#take(event.entry.payload, event.entry.timestamp)
      },
      read: (from) => this.#read(from),
      failed: (error) => {
        this.#retries.add(CONTROL)
        failed(error)
      }
    })
    if (this.#early) this.#follower.repair()
  }

  async append ({ id, from, command }: { readonly id: string, readonly from: string, readonly command: string }): Promise<void> {
    // A frame's head as far as the log is concerned: timestamp and position are put behind it.
    const head = `{"id":${JSON.stringify(id)},"from":${JSON.stringify(from)},"command":${command}`
    await this.#options.logs.append({ channel: CONTROL, head, retention: CONTROL_RETENTION })
  }

  receive (payload: Buffer): boolean {
    const envelope = readEnvelope(payload)
    if (envelope?.kind !== 'log') return false
    if (this.#follower !== null) return this.#follower.receive(envelope)
    this.#early = true
    return true
  }

  /** Its fan-out may have lost something. */
  repair (): void {
    if (this.#follower === null) this.#early = true
    else this.#follower.repair()
  }

  /** Reads what was missed; rejects where that cannot be. */
  async repaired (): Promise<void> {
    await this.#follower?.repaired()
  }

  shut (): void {
    this.#open = false
  }

  open (): void {
    this.#open = true
    for (const { logged, timestamp } of this.#waiting.splice(0)) this.#begin(logged, timestamp)
  }

  close (): void {
    this.#open = false
    this.#retries.close()
    this.#follower?.end()
    this.#waiting.length = 0
  }

  /**
   * A log that does not continue from here was lost, rolled back or trimmed: what it holds by now is what can be had, and which of it
   * was begun already is known.
   */
  async #read (from: Position): Promise<Continuation> {
    const { logs, failed } = this.#options
    const next = await logs.continue(CONTROL, from, REPAIR, true)
    if (next.gap === undefined) return next
    failed(new Error(`the log of commands does not continue where this node was (${next.gap}): it may have missed some`))
    const { gap, ...whole } = await logs.continue(CONTROL, START, REPAIR, true)
    if (whole.entries.length === 0) return next
    this.#reread = whole.head
    return whole
  }

  #isEarlier ({ position, timestamp }: Entry): boolean {
    const { epoch, offset } = this.#reread ?? {}
    return epoch === position.epoch && offset !== undefined && position.offset <= offset && timestamp < this.#since
  }

  #take (payload: Buffer, timestamp: number): void {
    const logged = readCommand(payload)
    if (logged === null || this.#known.has(logged.id)) return
    this.#known.add(logged.id)
    if (this.#known.size > 2 * CONTROL_RETENTION.size) {
      const [oldest = ''] = this.#known
      this.#known.delete(oldest)
    }
    if (this.#open) this.#begin(logged, timestamp)
    else {
      this.#waiting.push({ logged, timestamp })
      if (this.#waiting.length > CONTROL_RETENTION.size) {
        this.#waiting.shift()
        this.#options.failed(new Error('too many commands came while this node was out of reach: the oldest is not carried out'))
      }
    }
  }

  #begin (logged: LoggedCommand, timestamp: number): void {
    this.#options.begin(logged, Math.max(0, Math.round(this.#options.storeTime() - timestamp)))
  }
}

function readCommand (payload: Buffer): LoggedCommand | null {
  try {
    const { id, from, command }: { id?: unknown, from?: unknown, command?: unknown } = Object(JSON.parse(payload.toString()))
    return typeof id === 'string' && typeof from === 'string' ? { id, from, command } : null
  } catch {
    return null
  }
}
