import type { Clock } from '../../clock.js'
import { BridgeError } from '../bridge.js'
import type { ChannelEvent, PresenceEvent, PresenceSnapshot } from '../bridge.js'

/**
 * A snapshot and its place in the history of the room's presence: a store that lost that begins another epoch, one that lost its end
 * comes to another chain.
 */
export type PlacedSnapshot = PresenceSnapshot & PresencePlace

export interface PresencePlace {
  readonly epoch: string
  readonly version: number
  readonly chain: string
}

export interface PresenceFollowerOptions {
  readonly clock: Clock
  readonly from: PresencePlace
  /** How long a fan-out may be late before the store itself is asked, in ms. */
  readonly patience: number
  /** How long {@link PresenceFollower.heard} may take altogether, in ms. */
  readonly timeout: number
  deliver (event: ChannelEvent): void
  /** `null`: the place is still the same. */
  read (known: PresencePlace): Promise<PlacedSnapshot | null>
  /** A read failed: {@link PresenceFollower.repair} has to be called again. */
  failed (error: unknown): void
}

/** Consecutive changes, as they are fanned out. */
interface Changes {
  readonly epoch: string
  /** Of the first one. */
  readonly version: number
  /** Chain before the first one, and behind the last. */
  readonly before: string
  readonly chain: string
  readonly events: readonly PresenceEvent[]
}

/** Places remembered, to tell an old fan-out from one of another history. */
const REMEMBERED = 64

/** Events that are kept while the store is read; when more come it is read again. */
const MAX_KEPT = 5_000

interface Waiting {
  readonly place: Pick<PresencePlace, 'epoch' | 'version'>
  /** The number of the first read that certainly knows of it. */
  readonly read: number
  settle (error?: BridgeError): void
}

/** One room's presence as a node hears it: every version once and in order, or a snapshot where one is missing. */
export class PresenceFollower {
  readonly #options: PresenceFollowerOptions
  #last: PresencePlace
  /** Chains at the ends of the fan-outs delivered last, and of snapshots, by version. */
  readonly #known = new Map<number, string>()
  /** The same of the fan-outs that came last, whether there was any need of them. */
  readonly #heard = new Map<number, string>()
  #reads = 0
  /** The reading that is under way. */
  #reading: Promise<void> | null = null
  #again = false
  #kept: Changes[] = []
  #keptEvents = 0
  readonly #waiting = new Set<Waiting>()
  #ended = false

  constructor (options: PresenceFollowerOptions) {
    this.#options = options
    this.#last = options.from
  }

  /** False: it was nothing, or was heard before. */
  receive (body: string): boolean {
    const changes = readChanges(body)
    if (changes === null) return false
    if (this.#ended) return true
    // Only for the count: a presence that was rolled back may bring it again by right.
    const repeated = this.#hear(changes)
    if (this.#reading !== null) this.#keep(changes)
    else if (!this.#apply(changes)) this.repair()
    return !repeated
  }

  /** Makes sure that nothing is missing. */
  repair (): void {
    this.#again = true
    if (this.#reading !== null || this.#ended) return
    this.#reading = this.#catchUp()
    this.#reading.catch((error: unknown) => {
      if (!this.#ended) this.#options.failed(error)
    })
  }

  /** As {@link repair}; resolves when nothing is missing, or rejects where that cannot be found out. */
  async repaired (): Promise<void> {
    this.repair()
    await this.#reading
  }

  /**
   * Resolves when the listener has been told all that the room's presence was at a place.
   * @throws {BridgeError} `timeout`: it could not be found out
   */
  async heard (place: Pick<PresencePlace, 'epoch' | 'version'>): Promise<void> {
    if (this.#ended || this.#covers(place)) return
    const { clock, patience, timeout } = this.#options
    await new Promise<void>((resolve, reject) => {
      const cancelPatience = clock.timeout(() => this.repair(), patience)
      const cancel = clock.timeout(() => waiting.settle(new BridgeError('timeout', 'what was changed did not come back in time')), timeout)
      const waiting: Waiting = {
        place,
        read: this.#reads + 1,
        settle: (error) => {
          this.#waiting.delete(waiting)
          cancelPatience()
          cancel()
          if (error === undefined) resolve()
          else reject(error)
        }
      }
      this.#waiting.add(waiting)
    })
  }

  end (): void {
    this.#ended = true
    this.#kept = []
    for (const { settle } of this.#waiting) settle()
  }

  #covers ({ epoch, version }: Pick<PresencePlace, 'epoch' | 'version'>): boolean {
    return epoch === this.#last.epoch && version <= this.#last.version
  }

  /** Whether it was heard before. */
  #hear ({ epoch, version, chain, events }: Changes): boolean {
    const last = version + events.length - 1
    if (epoch === this.#last.epoch && this.#heard.get(last) === chain) return true
    this.#heard.set(last, chain)
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > REMEMBERED && oldest !== undefined) this.#heard.delete(oldest)
    return false
  }

  #keep (changes: Changes): void {
    this.#keptEvents += changes.events.length
    if (this.#keptEvents > MAX_KEPT) {
      this.#kept = []
      this.#again = true
    } else this.#kept.push(changes)
  }

  /** False: something is missing before it, or it is of another history. */
  #apply ({ epoch, version, before, chain, events }: Changes): boolean {
    const last = version + events.length - 1
    if (epoch === this.#last.epoch && this.#known.get(last) === chain) return true
    if (epoch !== this.#last.epoch || before !== this.#last.chain || version !== this.#last.version + 1) return false
    this.#move({ epoch, version: last, chain })
    for (const event of events) this.#deliver({ type: 'presence', ...event })
    this.#tell()
    return true
  }

  #move (place: PresencePlace): void {
    if (place.epoch !== this.#last.epoch) this.#known.clear()
    this.#last = place
    this.#known.set(place.version, place.chain)
    const [oldest] = this.#known.keys()
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
  }

  #tell (read = 0): void {
    for (const { place, read: needed, settle } of this.#waiting) if (read >= needed || this.#covers(place)) settle()
  }

  #deliver (event: ChannelEvent): void {
    if (!this.#ended) this.#options.deliver(event)
  }

  async #catchUp (): Promise<void> {
    try {
      while (this.#again && !this.#ended) {
        this.#again = false
        const number = ++this.#reads
        const snapshot = await this.#options.read(this.#last)
        if (this.#ended) return
        if (snapshot !== null) {
          const { version, members } = snapshot
          // Whatever it was before: chains of another history must not be taken for old ones of this.
          this.#known.clear()
          this.#move(snapshot)
          this.#deliver({ type: 'presence-snapshot', snapshot: { version, members } })
        }
        this.#tell(number)
        const kept = this.#kept
        this.#kept = []
        this.#keptEvents = 0
        for (const changes of kept) if (!this.#isBehind(changes) && !this.#apply(changes)) this.#again = true
      }
    } finally {
      // In the turn of the last look at #again: nothing can arrive in between.
      this.#reading = null
      this.#kept = []
      this.#keptEvents = 0
    }
  }

  /** What came while the store was read may be in the snapshot already. */
  #isBehind ({ epoch, version, events }: Changes): boolean {
    return epoch === this.#last.epoch && version + events.length - 1 <= this.#last.version
  }
}

const CHANGES: readonly string[] = ['joined', 'updated', 'left', 'devices'] satisfies ReadonlyArray<PresenceEvent['change']>

function isChange (value: unknown): value is PresenceEvent['change'] {
  return typeof value === 'string' && CHANGES.includes(value)
}

function isVersion (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function readChanges (body: string): Changes | null {
  try {
    const { epoch, version, before, chain, timestamp, events }: Record<string, unknown> = Object(JSON.parse(body))
    if (typeof epoch !== 'string' || typeof before !== 'string' || typeof chain !== 'string') return null
    if (!isVersion(version) || !isVersion(timestamp) || !Array.isArray(events) || events.length === 0) return null
    const read: PresenceEvent[] = []
    for (const event of events) {
      const { change, member }: Record<string, unknown> = Object(event)
      const { userId, status, meta, devices }: Record<string, unknown> = Object(member)
      if (!isChange(change) || typeof userId !== 'string' || typeof status !== 'string' || !isVersion(devices)) return null
      read.push({
        version: version + read.length, change, member: { userId, status, ...(meta !== undefined && { meta }), devices }, timestamp
      })
    }
    return { epoch, version, before, chain, events: read }
  } catch {
    return null
  }
}
