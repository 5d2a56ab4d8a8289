import type {
  ClientHistoryOptions, ClientHistoryPage, ClientMessage, Member, Published, RequestOptions, RoomOptions, RoomState
} from '../../types/client.js'
import { DEFAULT_EVENT } from '../protocol/frames.js'
import { createBackoff } from './backoff.js'
import type { Core } from './core.js'
import { createEmitter } from './emitter.js'
import type { Handler } from './emitter.js'
import { ignore, RealtimeError } from './errors.js'
import type { JoinAnswer, PresencePage, RoomFrame, RoomMessageFrame } from './frames.js'
import { iterate } from './iterate.js'
import { createMembers } from './presence.js'

/** How often typing is repeated, and when that of others is forgotten, in ms. */
const TYPING_EVERY = 3_000
const TYPING_ENDS = 8_000

/** The event behind `onChange`; no event of an application has this name. */
const CHANGE = ''

/** One room of one client. What is public of it is `Room`. */
export interface RoomHandle {
  readonly id: string
  readonly state: RoomState
  readonly wanted: boolean
  readonly position: string | undefined
  readonly members: ReadonlyMap<string, Member>
  readonly typing: ReadonlySet<string>
  on (event: string, handler: Handler): () => void
  off (event: string, handler: Handler): void
  onChange (handler: () => void): () => void
  messages (options?: { limit?: number }): AsyncIterableIterator<ClientMessage>
  ready (): Promise<void>
  leave (): void
  send (content: unknown, options?: { key?: string }): Promise<Published>
  publish (event: string, content: unknown, options?: { key?: string }): Promise<Published>
  history (options?: ClientHistoryOptions & RequestOptions): Promise<ClientHistoryPage>
  setTyping (typing: boolean): void
  setPresence (presence: { status?: string, meta?: unknown }): void

  /** Wants to be a member, unless it does already. */
  want (options: RoomOptions): void
  /** Wants to be a member if nobody has decided about that yet: for the sake of messages that wait. */
  haven (): RoomHandle
  /** What `join` and `resume` say about this room. */
  readonly request: object
  /** Is part of a resume now; returns what takes its part of the answer. */
  resuming (): (answer: JoinAnswer) => void
  /** There is a connection; asks unless it was part of the resume. */
  connected (): void
  /** The connection is gone. */
  lost (): void
  /** A frame about this room. */
  frame (frame: RoomFrame): void
}

export function createRoom (id: string, core: Core): RoomHandle {
  const { timeout, random } = core.clock
  const backoff = createBackoff(random)
  const { on, off, emit } = createEmitter(() => core.live, report)
  const members = createMembers((change) => emit('presence', { roomId: id, ...change }))
  const typists = new Map<string, () => void>()
  let state: RoomState | undefined
  let position: string | undefined
  let options: RoomOptions = {}
  /** Joined for the sake of messages that wait; nobody listens. */
  let ghost = false
  /** Why it is not a member. */
  let reason = new RealtimeError('left')
  /** Counts joins and their ends, so that no answer to an earlier one has any effect. */
  let turn = 0
  /** Counts memberships, for what outlives the pages of a join. */
  let life = 0
  /** The server was asked on this connection. */
  let asked = false
  let cancelTyping: (() => void) | undefined
  let presence: object | undefined

  function report (error: unknown): void {
    if (emit('error', error) === 0) core.report(error)
  }

  function wanted (): boolean {
    return /^j/.test(state ?? '')
  }

  function set (next: RoomState): void {
    state = next
    emit(CHANGE)
  }

  function onChange (handler: () => void): () => void {
    return on(CHANGE, handler)
  }

  // --- membership ---

  function want (given: RoomOptions): void {
    if (wanted() && !ghost) return
    ghost = asked = false
    options = given
    position = given.since
    turn++
    set('joining')
    connected()
  }

  function connected (): void {
    if (state === 'joining' && !asked && core.connected) join()
  }

  function join (): void {
    const mine = ++turn
    asked = true
    core.request({ type: 'join', ...request() }, {}, true).then(
      (ack) => { if (mine === turn) answer(ack) },
      (error: RealtimeError) => { if (mine === turn) refused(error) }
    )
  }

  function request (): object {
    const { history, presence = true } = options
    return { roomId: id, since: position, history, presence }
  }

  function refused (error: RealtimeError): void {
    const mine = turn
    const { code, retryable, retryAfter } = error
    // Whether it took effect is not known; only a new connection is certain.
    if (code === 'timeout') core.restart()
    else if (retryable) timeout(() => { if (mine === turn) join() }, backoff.next(retryAfter))
    else if (code !== 'disconnected' && code !== 'closed') {
      end('failed', error)
      report(error)
    }
  }

  /** The server's answer to `join`, or the room's part of one to `resume`. */
  function answer ({ recovered, messages = [], more, presence: page, ...rest }: JoinAnswer): void {
    const mine = turn
    const again = state === 'joined'
    // Handlers may publish: from now on the server takes it.
    state = 'joined'
    backoff.count = 0
    if (recovered === false) reset(rest)
    for (const message of messages) if (mine === turn) receive(message)
    if (mine !== turn) return
    position = rest.position
    if (page !== undefined) snapshot(page, true)
    emit(CHANGE)
    if (mine !== turn) return
    if (more === true) join()
    if (again) return
    if (presence !== undefined) tellPresence()
    if (cancelTyping !== undefined) tellTyping()
    core.queue.pump()
  }

  function tellLeave (): void {
    core.request({ type: 'leave', roomId: id }, {}, true).catch(ignore)
  }

  function end (next: 'left' | 'failed', error: RealtimeError): void {
    turn++
    life++
    reason = error
    stopTyping()
    presence = undefined
    members.clear()
    typists.forEach((cancel) => cancel())
    typists.clear()
    set(next)
    core.queue.drop(error, id)
  }

  // --- what arrives ---

  function receive (frame: RoomMessageFrame): void {
    // Before anybody sees it: a handler that throws, or asks for the position, must find it moved.
    position = frame.position
    emit(frame.event, frame)
    core.emit('message', frame)
  }

  function reset ({ position: next, reason }: Pick<JoinAnswer, 'position' | 'reason'>): void {
    position = next
    emit('reset', { roomId: id, reason, position })
  }

  function typed (userId: string, typing: boolean): void {
    const cancel = typists.get(userId)
    cancel?.()
    if (typing) typists.set(userId, timeout(() => typed(userId, false), TYPING_ENDS))
    else typists.delete(userId)
    if (typing === (cancel !== undefined)) return
    emit('typing', { roomId: id, userId, typing })
    emit(CHANGE)
  }

  function snapshot (page: PresencePage, first = false): void {
    const mine = life
    const after = members.page(page, first)
    emit(CHANGE)
    const next = (): void => {
      if (mine !== life) return
      core.request({ type: 'presence', roomId: id, after }).then(
        ({ members = [], count = 0, more }) => { if (mine === life) snapshot({ members, count, more }) },
        ({ retryable, retryAfter }: RealtimeError) => { if (retryable) timeout(next, backoff.next(retryAfter)) }
      )
    }
    if (after !== undefined) next()
  }

  // --- what is sent ---

  function tell (typing: boolean): void {
    if (state === 'joined') core.transmit({ type: 'typing', roomId: id, typing })
  }

  function tellTyping (): void {
    stopTyping()
    tell(true)
    cancelTyping = timeout(tellTyping, TYPING_EVERY)
  }

  function stopTyping (): void {
    cancelTyping?.()
    cancelTyping = undefined
  }

  function tellPresence (): void {
    core.request({ type: 'status', roomId: id, ...presence }).catch((error: RealtimeError) => {
      if (error.code !== 'disconnected') report(error)
    })
  }

  async function publish (event: string, content: unknown, { key }: { key?: string } = {}): Promise<Published> {
    if (!wanted()) throw reason
    // The server takes a message for the end of typing.
    stopTyping()
    return await core.queue.push(id, event, content, key)
  }

  const room: RoomHandle = {
    id,
    get state () { return state ?? 'left' },
    get wanted () { return wanted() },
    get position () { return position },
    get typing () { return new Set(typists.keys()) },
    get request () { return request() },
    members: members.map,
    on,
    off,
    onChange,
    messages: ({ limit } = {}) => iterate(core, room, limit),
    want,
    connected,
    publish,
    haven () {
      if (state === undefined) {
        want({ presence: false })
        ghost = true
      }
      return room
    },
    ready: () => new Promise((resolve, reject) => {
      const check = (): void => {
        if (state === 'joining' && !core.ended) return
        off()
        core.endings.delete(check)
        if (state === 'joined') resolve()
        else reject(wanted() ? new RealtimeError('closed') : reason)
      }
      const off = onChange(check)
      core.endings.add(check)
      check()
    }),
    resuming () {
      const mine = ++turn
      asked = true
      return (part) => {
        const { error } = part
        // Left meanwhile, and perhaps wanted again.
        if (mine !== turn) wanted() ? join() : tellLeave()
        else if (error === undefined) answer(part)
        else refused(new RealtimeError(error.code, error.message, { ...error, roomId: id }))
      }
    },
    lost () {
      turn++
      life++
      asked = false
      if (state === 'joined') set('joining')
    },
    leave () {
      if (!wanted()) return
      if (core.connected) tellLeave()
      end('left', new RealtimeError('left'))
    },
    frame (frame) {
      if (frame.type === 'joined') {
        turn++
        asked = true
        state = 'joining'
        answer(frame)
      } else if (state !== 'joined') {
        // Of a membership that is over, or of one before this one.
      } else if (frame.type === 'message') receive(frame)
      else if (frame.type === 'reset') reset(frame)
      else if (frame.type === 'typing') typed(frame.userId, frame.typing)
      else if (frame.type === 'presence') {
        members.apply(frame)
        emit(CHANGE)
      } else if (frame.type === 'left') {
        end('left', new RealtimeError('left', frame.reason))
        emit('left', frame)
      }
    },
    send: (content, options) => publish(DEFAULT_EVENT, content, options),
    async history ({ before, after, limit = 50, ...options } = {}) {
      const { messages = [], more, reason } = await core.request({ type: 'history', roomId: id, before, after, limit }, options)
      return { messages, more, reason }
    },
    setTyping (typing) {
      if (typing === (cancelTyping !== undefined)) return
      if (typing) return tellTyping()
      stopTyping()
      tell(false)
    },
    setPresence (given) {
      presence = { ...presence, ...given }
      if (state === 'joined') tellPresence()
    }
  }
  return room
}
