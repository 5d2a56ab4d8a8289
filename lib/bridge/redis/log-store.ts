import type { Clock } from '../../clock.js'
import type { GapReason } from '../../protocol/frames.js'
import { START, parsePosition } from '../../protocol/position.js'
import type { Position } from '../../protocol/position.js'
import { BridgeError, CONTROL_RETENTION } from '../bridge.js'
import type { ChannelName, Entry, IdempotencyKey, Publication, PublishResult, ReadQuery, ReadResult, Removal, RemovalEntry, Retention } from '../bridge.js'
import { metaTtl } from '../judge.js'
import { entryOf } from './envelope.js'
import type { LogName, Names } from './names.js'
import { loadScript } from './script.js'
import { listOf, tooMuch } from './store.js'
import type { Reply, Store } from './store.js'

const APPEND = loadScript('log', 'append')
const LOOKUP = loadScript('lookup')
const READ = loadScript('log', 'read')

/** How long the result of a batch is kept for a call that is made again, in ms. */
const BATCH_TTL = 120_000

/** What one call appends at most. */
const MAX_ITEMS = 200
const MAX_BYTES = 512 * 1024

/** What may wait to be sent, all channels together; more is refused, as is what the store has no room for. */
const MAX_WAITING = 100_000

/** What is to be appended, before the store knows its place. */
interface Item {
  readonly kind: 'm' | 'r' | 'x'
  readonly data: string
  /** What that takes while it waits. */
  readonly bytes: number
  readonly retention: Retention
  readonly keepBounds?: boolean
  readonly key?: IdempotencyKey
  /** Whom a removal takes out. */
  readonly user?: string
  /** When it came, by this node's clock. */
  readonly since: number
  resolve (result: PublishResult): void
  reject (error: unknown): void
}

/** What one channel has to append: a call at a time, so that the order of the calls is that of the log. */
interface Lane {
  readonly items: Item[]
  flying: boolean
}

export interface LogStoreOptions {
  readonly clock: Clock
  readonly names: Names
  /** Where a channel's log is. */
  storeOf (channel: LogName): Store
  /** After each call whose answer says that something lasts, with a key that it wrote; rejects where too few replicas have it. */
  readonly replicated?: (channel: LogName, key: string) => Promise<void>
}

/** What a log's reader gets besides the messages: everything in its place. */
export interface Continuation {
  readonly head: Position
  readonly gap?: GapReason
  /** Those of kinds that are known. */
  readonly entries: ReadonlyArray<Entry | RemovalEntry>
  readonly more: boolean
  /** What was read leads up to here. */
  readonly upTo: Position
  /** With `gap`: who was removed lately, since the log may not say it any more. */
  readonly removals: Removals
}

/** Who was removed from a room last, and when. */
export type Removals = ReadonlyMap<string, { readonly position: Position, /** In ms. */ readonly age: number }>

/** A log's head, and who was removed from its room lately. */
export interface Head {
  readonly head: Position
  readonly removals: Removals
  /** The store's clock, epoch ms. */
  readonly time: number
}

/** A publication that is kept. */
type Appendix = Omit<Publication, 'channel'> & {
  readonly channel: LogName
  readonly retention: Retention
  /** The log's own bounds stay: `retention` is for a log that has none. For who does not know the policy of the channel. */
  readonly keepBounds?: boolean
}

/** The logs in the store: the publishes of one turn to a channel are one call. */
export class LogStore {
  readonly #options: LogStoreOptions
  readonly #lanes = new Map<LogName, Lane>()
  readonly #waiting = new Set<LogName>()
  #flushing = false
  /** Items in all lanes. */
  #queued = 0
  #batches = 0
  /** Makes ids of batches, and thereby of entries, differ from all others. */
  readonly #run: string

  constructor (options: LogStoreOptions) {
    this.#options = options
    this.#run = options.clock.id()
  }

  append ({ channel, head, retention, keepBounds, key, receipt }: Appendix): Promise<PublishResult> {
    return this.#add(channel, { kind: receipt === true ? 'r' : 'm', data: head, retention, keepBounds, key })
  }

  async remove (channel: ChannelName, { userId, reason, retention }: Removal): Promise<Position> {
    const data = JSON.stringify({ userId, reason })
    const result = await this.#add(channel, { kind: 'x', data, retention: retention ?? CONTROL_RETENTION, user: userId })
    if (result.status === 'conflict' || result.position === undefined) throw new TypeError('a removal without a place')
    return result.position
  }

  async lookup (channel: ChannelName, { id, digest }: IdempotencyKey): Promise<PublishResult | null> {
    const { names, storeOf, replicated } = this.#options
    const store = storeOf(channel)
    const key = names.key(channel, `key:${id}`)
    const mark = names.key(channel, `batch:${this.#run}:${++this.#batches}`)
    const reply = await (replicated === undefined ? store.command('get', key) : store.run(LOOKUP, [key, mark], [BATCH_TTL]))
    if (reply === null) return null
    const [known = '', ...place] = String(reply).split(' ')
    if (known !== digest) return { status: 'conflict' }
    // Whoever published it may have been told that this is in doubt, and asks again to find out.
    await replicated?.(channel, mark)
    return { status: 'duplicate', ...readPlace(place) }
  }

  async read (channel: ChannelName, query: ReadQuery): Promise<ReadResult> {
    const { limit, maxBytes } = query
    let reply: Reply
    if ('last' in query) reply = await this.#read(channel, 'last', Math.min(query.last, limit), maxBytes)
    else {
      const [name, text] = 'before' in query ? ['before', query.before] : ['since', 'since' in query ? query.since : query.after]
      reply = await this.#read(channel, name, limit, maxBytes, text === START ? START : parsePosition(text))
    }
    const { head, gap, entries, more, upTo } = readReply(reply)
    const messages: Entry[] = []
    for (const entry of entries) if (entry.kind === 'message') messages.push(entry)
    return { head, ...(gap !== undefined && { gap }), entries: messages, more, position: upTo }
  }

  /**
   * What follows a position, removals included.
   * @param insist - also while calls are refused
   */
  async continue (channel: LogName, from: Position | typeof START, limit: number, insist = false): Promise<Continuation> {
    const { head, gap, entries, more, upTo, removals } = readReply(await this.#read(channel, 'repair', limit, MAX_BYTES, from, insist))
    return { head, ...(gap !== undefined && { gap }), entries, more, upTo, removals }
  }

  async head (channel: LogName): Promise<Head> {
    const { head, time, removals } = readReply(await this.#read(channel, 'head', 1, 0))
    return { head, time, removals }
  }

  /** Settles what waits to be sent. */
  close (): void {
    for (const [channel, { items }] of this.#lanes) {
      for (const { reject } of this.#unqueued(channel, items.splice(0))) reject(new BridgeError('unavailable', 'the bridge is closed'))
    }
  }

  #read (
    channel: LogName, query: string, limit: number, maxBytes: number, position?: Position | typeof START | null, insist = false
  ): Promise<Reply> {
    const { names, storeOf, clock } = this.#options
    const from = position === START ? [START, 0, ''] : position === undefined ? [] : [position?.epoch ?? '', position?.offset ?? 0, position?.chain ?? '']
    const keys = [names.key(channel, 'head'), names.key(channel, 'log'), names.key(channel, 'removed')]
    return storeOf(channel).run(READ, keys, [clock.id(), query, limit, maxBytes, ...from], insist)
  }

  #add (channel: LogName, item: Omit<Item, 'bytes' | 'since' | 'resolve' | 'reject'>): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      if (this.#queued >= MAX_WAITING) {
        reject(new BridgeError('unavailable', 'too many messages are waiting for Redis'))
        return
      }
      const bytes = Buffer.byteLength(item.data)
      if (!this.#options.storeOf(channel).reserve(bytes)) {
        reject(tooMuch())
        return
      }
      let lane = this.#lanes.get(channel)
      if (lane === undefined) this.#lanes.set(channel, lane = { items: [], flying: false })
      lane.items.push({ ...item, bytes, since: this.#options.clock.now(), resolve, reject })
      this.#queued++
      if (!lane.flying) this.#schedule(channel)
    })
  }

  /** At the end of this turn, so that its publishes go together. */
  #schedule (channel: LogName): void {
    this.#waiting.add(channel)
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      const channels = [...this.#waiting]
      this.#waiting.clear()
      for (const channel of channels) void this.#flush(channel)
    })
  }

  async #flush (channel: LogName): Promise<void> {
    const lane = this.#lanes.get(channel)
    if (lane === undefined || lane.flying) return
    this.#dropLate(channel, lane)
    const batch = this.#unqueued(channel, take(lane.items))
    if (batch.length === 0) {
      this.#lanes.delete(channel)
      return
    }
    lane.flying = true
    try {
      const results = await this.#send(channel, batch)
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index]
        if (result === undefined) reject(new TypeError('Redis answered less than was asked'))
        else resolve(result)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    lane.flying = false
    void this.#flush(channel)
  }

  /** Behind calls that took long the time of some is over before they were sent. */
  #dropLate (channel: LogName, { items }: Lane): void {
    const { clock, storeOf } = this.#options
    const limit = clock.now() - storeOf(channel).timeout
    const inTime = items.findIndex(({ since }) => since > limit)
    const late = this.#unqueued(channel, items.splice(0, inTime === -1 ? items.length : inTime))
    for (const { reject } of late) reject(new BridgeError('unavailable', 'Redis was too slow for what waited before it'))
  }

  #unqueued (channel: LogName, items: readonly Item[]): readonly Item[] {
    const { storeOf } = this.#options
    this.#queued -= items.length
    if (items.length > 0) storeOf(channel).release(items.reduce((sum, { bytes }) => sum + bytes, 0))
    return items
  }

  async #send (channel: LogName, batch: readonly Item[]): Promise<PublishResult[]> {
    const { names, storeOf, clock, replicated } = this.#options
    const store = storeOf(channel)
    const [{ retention, keepBounds = false } = { retention: CONTROL_RETENTION }] = batch
    const id = `${this.#run}:${++this.#batches}`
    const written = names.key(channel, `batch:${id}`)
    const keys = [names.key(channel, 'head'), names.key(channel, 'log'), written, names.key(channel, 'removed')]
    const args: Array<string | number> = [
      clock.id(), id, BATCH_TTL, store.fanOut, names.channel(channel), retention.size, retention.ttl, metaTtl(retention.ttl), CONTROL_RETENTION.ttl,
      keepBounds ? 1 : 0, batch.length
    ]
    const places = new Map<string, number>()
    for (const { kind, data, key, user } of batch) {
      let place = 0
      if (key !== undefined) {
        place = places.get(key.id) ?? keys.push(names.key(channel, `key:${key.id}`))
        places.set(key.id, place)
      }
      args.push(kind, data, place, key?.digest ?? '', key?.ttl ?? 0, user ?? '')
    }
    const reply = String(await store.run(APPEND, keys, args))
    await replicated?.(channel, written)
    return reply.split('\n').map(readResult)
  }
}

/** The first items that can go together: bounds are those of a whole call. */
function take (items: Item[]): Item[] {
  const [first] = items
  if (first === undefined) return []
  let total = 0
  let count = 0
  for (const { bytes, retention, keepBounds } of items) {
    total += bytes
    if (count > 0 && (count === MAX_ITEMS || total > MAX_BYTES)) break
    if (retention.size !== first.retention.size || retention.ttl !== first.retention.ttl || keepBounds !== first.keepBounds) break
    count++
  }
  return items.splice(0, count)
}

function readResult (line: string): PublishResult {
  const [status, ...place] = line.split(' ')
  if (status === 'c') return { status: 'conflict' }
  return { status: status === 'p' ? 'published' : 'duplicate', ...readPlace(place) }
}

function readPlace ([epoch = '', offset, chain = '', time]: readonly string[]): { position: Position, timestamp: number } {
  return { position: { epoch, offset: Number(offset), chain }, timestamp: Number(time) }
}

interface ReadReply {
  readonly head: Position
  readonly gap?: GapReason
  readonly entries: ReadonlyArray<Entry | RemovalEntry>
  readonly more: boolean
  readonly upTo: Position
  readonly time: number
  readonly removals: Removals
}

const GAPS: readonly string[] = ['expired', 'diverged', 'trimmed'] satisfies readonly GapReason[]

function isGap (verdict: string): verdict is GapReason {
  return GAPS.includes(verdict)
}

function readReply (reply: Reply): ReadReply {
  const [epoch, offset, chain, verdict, more, upToOffset, upToChain, time, removals, entries] = listOf(reply)
  const head = { epoch: String(epoch), offset: Number(offset), chain: String(chain) }
  const judged = String(verdict)
  const removed = new Map<string, { position: Position, age: number }>()
  const fields = listOf(removals).map(String)
  for (let index = 0; index < fields.length; index += 3) {
    const [user = '', age, place = ''] = fields.slice(index, index + 3)
    const position = parsePosition(place)
    if (position !== null) removed.set(user, { position, age: Number(age) })
  }
  return {
    head,
    ...(isGap(judged) && { gap: judged }),
    entries: listOf(entries).flatMap((entry) => {
      const read = readEntry(head.epoch, listOf(entry))
      return read === null ? [] : [read]
    }),
    more: Number(more) === 1,
    upTo: { epoch: head.epoch, offset: Number(upToOffset), chain: String(upToChain) },
    time: Number(time),
    removals: removed
  }
}

function readEntry (epoch: string, [id, fields]: readonly Reply[]): Entry | RemovalEntry | null {
  const [, chain, , , , time, , kind, , data] = listOf(fields)
  if (!(data instanceof Buffer)) return null
  return entryOf(String(kind), { epoch, offset: parseInt(String(id), 10), chain: String(chain) }, Number(time), data)
}
