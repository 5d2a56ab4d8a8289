import type {
  ClientHistoryOptions, ClientHistoryPage, ClientMessage, Member, Published, RequestOptions, RoomOptions, RoomState
} from '../../types/client.js'
import { DEFAULT_EVENT } from '../protocol/frames.js'
import { createBackoff } from './backoff.js'
import { CHANGE } from './core.js'
import type { Core } from './core.js'
import { createEmitter } from './emitter.js'
import type { Handler, Left } from './emitter.js'
import { errorOf, ignore, RealtimeError } from './errors.js'
import type { JoinAnswer, PresencePage, RoomFrame, RoomMessageFrame } from './frames.js'
import { iterate } from './iterate.js'
import { createMembers } from './presence.js'
import { createTurn } from './turn.js'
import { until } from './until.js'

/** How often typing is repeated, and when that of others is forgotten, in ms. */
const TYPING_EVERY = 3_000
const TYPING_ENDS = 8_000

/** What to ask, and what takes the answer. */
type Resuming = readonly [request: object, take: (answer: JoinAnswer) => void]

/** One room of one client. What is public of it is `Room`. */
export interface RoomHandle {
  readonly id: string
  readonly state: RoomState
  readonly wanted: boolean
  /** The application has it in hand, and decides when to leave. */
  live?: boolean
  readonly position: string | undefined
  readonly members: ReadonlyMap<string, Member>
  readonly typing: ReadonlyMap<string, unknown>
  on (event: string, handler: Handler): () => Left
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
  /** Is part of a resume now. */
  resuming (): Resuming
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
  const members = createMembers()
  /** One for each membership, and each attempt at one. */
  const { next, guard, onNext } = createTurn()
  const typists = new Map<string, () => void>()
  let state: RoomState | '' = ''
  let position: string | undefined
  let options: RoomOptions = {}
  /** Joined for the sake of messages that wait; nobody listens. */
  let ghost = false
  /** Why it is not a member. */
  let reason: RealtimeError | undefined
  /** The server was asked on this connection. */
  let asked = false
  /** Whether this user types here, and the timer that repeats it. */
  let typing = false
  let cancelTyping = ignore
  let presence: object | undefined

  function report (error: unknown): void {
    if (!emit('error', error)) core.report(error)
  }

  function wanted (): boolean {
    return /^j/.test(state)
  }

  function changed (next = state): void {
    state = next
    emit(CHANGE)
    core.emit(CHANGE)
  }

  // --- membership ---

  function want (given: RoomOptions): void {
    if (wanted() && !ghost) return
    ghost = asked = false
    options = given
    position = given.since
    next()
    changed('joining')
    connected()
  }

  function connected (): void {
    if (state === 'joining' && !asked && core.connected) join()
  }

  function resuming (): Resuming {
    const { history, presence = true } = options
    next()
    asked = true
    return [
      { roomId: id, since: position, history, presence },
      guard((part) => part.error ? refused(join)(errorOf(part.error)) : answer(part))
    ]
  }

  function join (): void {
    const [request, take] = resuming()
    core.request({ type: 'join', ...request }, take).catch(refused(join))
  }

  function refused (again: () => void): (error: RealtimeError) => void {
    return guard((error) => {
      const { code, retryable, retryAfter } = error
      // Whether it took effect is not known; only a new connection is certain.
      if (code === 'timeout') core.retry(code)
      else if (retryable) onNext(timeout(again, backoff.next(retryAfter)))
      else {
        end('failed', error)
        report(error)
      }
    })
  }

  /** The server's answer to `join`, or the room's part of one to `resume`. */
  function answer ({ recovered, messages = [], more, presence: page, ...rest }: JoinAnswer): void {
    const first = state === 'joining'
    // Handlers may leave, or close the client.
    const handled = guard(() => {
      position = rest.position
      if (more) join()
      if (first && presence) tellPresence()
      if (first && typing) tellTyping()
      if (page) snapshot(page, true)
      else changed()
      core.queue.pump()
    })
    // They may publish too: from now on the server takes it.
    state = 'joined'
    backoff.count = 0
    if (recovered === false) reset(rest)
    messages.forEach(guard(receive))
    handled()
  }

  function end (how: 'left' | 'failed', error: RealtimeError): void {
    next()
    reason = error
    typing = false
    presence = undefined
    members.map.clear()
    cancelTyping()
    typists.forEach((cancel) => cancel())
    typists.clear()
    changed(how)
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
    if (typing === !!cancel) return
    emit('typing', { roomId: id, userId, typing })
    changed()
  }

  function snapshot (page: PresencePage, first?: boolean): void {
    const after = members.page(page, first)
    const more = (): void => { core.request({ type: 'presence', roomId: id, after }, guard(snapshot)).catch(refused(more)) }
    if (after) more()
    changed()
  }

  // --- what is sent ---

  function tellTyping (): void {
    cancelTyping()
    // Told anew when it is joined again.
    if (state !== 'joined') return
    core.transmit({ type: 'typing', roomId: id, typing })
    if (typing) cancelTyping = timeout(tellTyping, TYPING_EVERY)
  }

  function tellPresence (): void {
    core.request({ type: 'status', roomId: id, ...presence }).catch(guard(report))
  }

  function publish (event: string, content: unknown, { key }: { key?: string } = {}): Promise<Published> {
    // The server takes a message for the end of typing, unless it refuses it.
    cancelTyping()
    const published = core.queue.push(id, event, content, key, !wanted() && reason)
    if (typing) published.catch(tellTyping)
    typing = false
    return published
  }

  const room: RoomHandle = {
    id,
    get state () { return state || 'left' },
    get wanted () { return wanted() },
    get position () { return position },
    typing: typists,
    members: members.map,
    on,
    off,
    onChange: (handler) => on(CHANGE, handler),
    messages: (options) => iterate(core, room, options),
    want,
    connected,
    publish,
    haven () {
      if (!state) {
        want({ presence: false })
        ghost = true
      }
      return room
    },
    ready: () => until(core, () => (state === 'joined' && core.connected) || (!wanted() && reason)),
    resuming,
    lost () {
      next()
      asked = false
      cancelTyping()
      // Whoever still does says so again.
      typists.forEach((cancel, userId) => typed(userId, false))
      if (state === 'joined') changed('joining')
    },
    leave () {
      room.live = false
      if (!wanted()) return
      if (asked) void core.request({ type: 'leave', roomId: id }, ignore)
      end('left', new RealtimeError('left'))
    },
    frame (frame) {
      if (frame.type === 'joined') {
        // Unless this client asks for it, too: then the answer follows, with all that was missed.
        if (state !== 'joining') {
          next()
          asked = true
          state = 'joining'
          answer(frame)
        }
        core.emit('joined', frame)
      } else if (state !== 'joined') {
        // Of a membership that is over, or of one before this one.
      } else if (frame.type === 'message') receive(frame)
      else if (frame.type === 'reset') reset(frame)
      else if (frame.type === 'typing') typed(frame.userId, frame.typing)
      else if (frame.type === 'presence') {
        if (members.apply(frame)) emit('presence', frame)
        changed()
      } else if (frame.type === 'left') {
        end('left', new RealtimeError('left', frame.reason))
        emit('left', frame)
      }
    },
    send: (content, options) => publish(DEFAULT_EVENT, content, options),
    // What of the options is not for the server it ignores.
    history: (options) => core.request({ type: 'history', roomId: id, ...options, limit: options?.limit ?? 50 }, undefined, options),
    setTyping (given) {
      if (given === typing) return
      typing = given
      tellTyping()
    },
    setPresence (given) {
      presence = JSON.parse(JSON.stringify({ ...presence, ...given }))
      if (state === 'joined') tellPresence()
    }
  }
  return room
}
