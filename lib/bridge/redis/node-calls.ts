import type { Clock } from '../../clock.js'
import { finishFrame } from '../../protocol/encode.js'
import { BridgeError } from '../bridge.js'
import type { BridgeHandlers, ControlCommand, NodeQuery, NodeReplies } from '../bridge.js'
import { toJson } from '../json.js'
import type { ControlLog, LoggedCommand } from './control-log.js'
import { MAX_ENVELOPE } from './envelope.js'
import type { Names } from './names.js'
import type { Store } from './store.js'

export interface NodeCallsOptions {
  readonly clock: Clock
  readonly nodeId: string
  readonly names: Names
  readonly control: Pick<ControlLog, 'append'>
  readonly handlers: BridgeHandlers
  /** Where nodes talk to each other. */
  store (): Store
  /** The store's clock, epoch ms. */
  storeTime (): number
  /** Ids of the nodes that are alive by their leases. */
  liveNodes (): Promise<readonly string[]>
}

/** Longer timeouts fire at once in Node.js. */
const MAX_DELAY = 2 ** 31 - 1

/** Calls of this node that may wait for answers; more are refused. */
const MAX_PENDING = 10_000

/** How often a call that waits asks who is still alive, in ms. */
const RECHECK = 5_000

/** Ids as {@link Clock.id} makes them: nothing else gets into the name of a channel. */
const NODE_ID = /^[0-9a-z]{1,32}$/

/** What goes from node to node by Pub/Sub: a line that says what it is, then a frame or JSON. */
const BROADCAST = '1B\n'
const QUESTION = '1Q\n'
const ANSWER = '1A\n'

interface Call {
  /** Who has to answer; `null` while that is being found out. */
  expected: ReadonlySet<string> | null
  readonly answered: Map<string, unknown>
  readonly failed: Set<string>
  /** Somebody has heard of it. */
  reached (): void
  giveUp (): void
}

/** What one node has all others do, or asks of them, and their answers. */
export class NodeCalls {
  readonly #options: NodeCallsOptions
  readonly #pending = new Map<string, Call>()
  /** Tells the calls of this node's life from those of any other. */
  readonly #run: string
  #count = 0
  #closed = false

  constructor (options: NodeCallsOptions) {
    this.#options = options
    this.#run = options.clock.id()
  }

  /** The Pub/Sub channels that have to reach {@link receive}. */
  get channels (): readonly string[] {
    return [this.#everybody, this.#repliesTo(this.#options.nodeId)]
  }

  get pending (): number {
    return this.#pending.size
  }

  /** Resolves with the frame's timestamp. */
  async broadcast (head: string): Promise<number> {
    const timestamp = this.#options.clock.wall()
    await this.#options.store().publish(this.#everybody, broadcastEnvelope(finishFrame(head, timestamp)))
    return timestamp
  }

  /** To this node alone, while there is no other way. */
  broadcastHere (head: string): number {
    const timestamp = this.#options.clock.wall()
    this.#deliver(Buffer.from(finishFrame(head, timestamp)))
    return timestamp
  }

  async control (command: ControlCommand, timeout: number): Promise<NodeReplies> {
    const json = toJson(command, 'command')
    return await this.#call(timeout, (id, from) => this.#options.control.append({ id, from, command: json }))
  }

  async ask (query: NodeQuery, timeout: number): Promise<NodeReplies> {
    const json = toJson(query, 'query')
    return await this.#call(timeout, async (id, from, until) => {
      const question = `${QUESTION}{"id":${JSON.stringify(id)},"from":${JSON.stringify(from)},"until":${until},"query":${json}}`
      await this.#options.store().publish(this.#everybody, question)
    })
  }

  /** What arrived on one of {@link channels}. False: it was nothing. */
  receive (name: string, payload: Buffer): boolean {
    const kind = payload.toString('latin1', 0, BROADCAST.length)
    const body = payload.subarray(BROADCAST.length)
    if (payload.length > MAX_ENVELOPE) return false
    if (name !== this.#everybody) return kind === ANSWER && this.#answered(body)
    if (kind === QUESTION) return this.#asked(body)
    if (kind !== BROADCAST) return false
    this.#deliver(body)
    return true
  }

  /** A command of the log has its turn. */
  begin ({ id, from, command }: LoggedCommand, age: number): void {
    const { handlers } = this.#options
    // What a node of another version wants is for the handler to know.
    this.#answer(id, from, async () => await handlers.onControl(command as ControlCommand, age))
  }

  close (): void {
    this.#closed = true
    for (const { giveUp } of this.#pending.values()) giveUp()
  }

  get #everybody (): string {
    return this.#options.names.service('nodes')
  }

  #repliesTo (nodeId: string): string {
    return this.#options.names.service(`replies:${nodeId}`)
  }

  #deliver (frame: Buffer): void {
    const { handlers } = this.#options
    try {
      handlers.onBroadcast(frame)
    } catch (error) {
      handlers.onError?.(error)
    }
  }

  // --- asking ---

  async #call (timeout: number, send: (id: string, from: string, until: number) => Promise<void>): Promise<NodeReplies> {
    const { clock, nodeId, liveNodes, storeTime } = this.#options
    if (this.#pending.size >= MAX_PENDING) throw new BridgeError('unavailable', 'too many calls wait for answers of other nodes')
    const id = `${this.#run}.${++this.#count}`
    const patience = Math.min(timeout, MAX_DELAY)
    const until = Math.ceil(storeTime() + patience)
    return await new Promise<NodeReplies>((resolve, reject) => {
      let stage: 'preparing' | 'sending' | 'sent' = 'preparing'
      const end = (settle: () => void): void => {
        if (this.#pending.get(id) !== call) return
        this.#pending.delete(id)
        cancel()
        cancelRecheck()
        settle()
      }
      const fail = (error: unknown): void => end(() => reject(error))
      const call: Call = {
        expected: null,
        answered: new Map(),
        failed: new Set(),
        reached: () => {
          stage = 'sent'
          const { expected, answered, failed } = call
          if (expected === null) return
          for (const node of expected) if (!answered.has(node) && !failed.has(node)) return
          end(() => resolve(repliesOf(call)))
        },
        giveUp: () => {
          const outcome = this.#closed ? 'the bridge is closed' : 'the time was over before'
          if (stage === 'sent') end(() => resolve(repliesOf(call)))
          else if (stage === 'sending') fail(new BridgeError('timeout', `${outcome}: other nodes may hear of it all the same`))
          else fail(new BridgeError('unavailable', `${outcome}: no other node has heard of it`))
        }
      }
      const cancel = clock.timeout(call.giveUp, patience)
      let cancelRecheck = (): void => {}
      const recheck = (): void => {
        if (this.#pending.get(id) !== call) return
        cancelRecheck = clock.timeout(() => {
          liveNodes().then((nodes) => {
            // Who died meanwhile is waited for no longer.
            call.expected = new Set([nodeId, ...nodes.filter((node) => call.expected?.has(node))])
            call.reached()
          }).catch(() => {}).finally(recheck)
        }, RECHECK)
      }
      this.#pending.set(id, call)

      liveNodes().then(async (nodes) => {
        if (this.#pending.get(id) !== call) return
        call.expected = new Set([nodeId, ...nodes])
        stage = 'sending'
        await send(id, nodeId, until)
        recheck()
        call.reached()
      }).catch((error: unknown) => {
        const nothingSent = stage === 'preparing' && error instanceof BridgeError
        fail(nothingSent ? new BridgeError('unavailable', error.message) : error)
      })
    })
  }

  #answered (body: Buffer): boolean {
    const answer = readJson(body)
    const { id, node, value } = answer
    if (typeof id !== 'string' || typeof node !== 'string') return false
    this.#take(id, node, answer.failed === true ? FAILED : value)
    return true
  }

  #take (id: string, node: string, value: unknown): void {
    const call = this.#pending.get(id)
    // Nobody waits for it any more.
    if (call === undefined) return
    if (value === FAILED) call.failed.add(node)
    else call.answered.set(node, value)
    // An answer may be faster than the word that the question is out.
    call.reached()
  }

  // --- being asked ---

  #asked (body: Buffer): boolean {
    const { handlers, storeTime } = this.#options
    const { id, from, until, query } = readJson(body)
    if (typeof id !== 'string' || typeof from !== 'string' || typeof until !== 'number') return false
    // It lay in a link that was stuck; who asked has gone on without this node.
    if (storeTime() > until) return true
    if (!isNodeQuery(query)) {
      // Of another version, or of somebody else. Whoever asked must not wait for it.
      if (NODE_ID.test(from)) this.#send(from, id, null)
      return false
    }
    this.#answer(id, from, async () => await handlers.onAsk(query))
    return true
  }

  /** Begins at once, so that commands begin in their order. */
  #answer (id: string, from: string, run: () => Promise<unknown>): void {
    const { nodeId, handlers } = this.#options
    if (!NODE_ID.test(from)) return
    const tell = (json: string | null): void => {
      if (from === nodeId) this.#take(id, nodeId, json === null ? FAILED : JSON.parse(json))
      else this.#send(from, id, json)
    }
    // Through JSON here too: what does not survive that must fail on every node alike.
    run().then((value) => tell(JSON.stringify(value) ?? 'null')).catch((error: unknown) => {
      handlers.onError?.(error)
      tell(null)
    })
  }

  #send (to: string, id: string, json: string | null): void {
    const { nodeId, store } = this.#options
    const start = `${ANSWER}{"id":${JSON.stringify(id)},"node":${JSON.stringify(nodeId)}`
    const answer = json === null ? '' : `${start},"value":${json}}`
    const fits = answer !== '' && Buffer.byteLength(answer) <= MAX_ENVELOPE
    // Without a link nobody is told; whoever asked names this node among the unreachable.
    store().publish(this.#repliesTo(to), fits ? answer : `${start},"failed":true}`).catch(() => {})
  }
}

/** For the channel of all nodes. */
export function broadcastEnvelope (frame: string): string {
  return BROADCAST + frame
}

const FAILED = Symbol('failed')

function repliesOf ({ expected, answered, failed }: Call): NodeReplies {
  const missing = [...expected ?? []].filter((node) => !answered.has(node))
  return {
    replies: [...answered].map(([nodeId, value]) => ({ nodeId, value })),
    unreachable: [...new Set([...missing, ...failed])]
  }
}

function readJson (body: Buffer): { readonly [name: string]: unknown } {
  try {
    return Object(JSON.parse(body.toString()))
  } catch {
    return {}
  }
}

/** Anybody who can write to Redis can write this. */
function isNodeQuery (value: unknown): value is NodeQuery {
  const { type, userId, roomId, after, position, limit, timeout }: { readonly [name: string]: unknown } = Object(value)
  if (type === 'stats') return true
  if (type === 'connections') return isTextOrAbsent(userId) && isTextOrAbsent(roomId) && typeof limit === 'number'
  if (type === 'rooms') return isTextOrAbsent(after) && typeof limit === 'number'
  return type === 'receipts' && typeof userId === 'string' && typeof position === 'string' && typeof timeout === 'number'
}

function isTextOrAbsent (value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}
