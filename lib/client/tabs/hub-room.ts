import { MAX_HISTORY_LIMIT } from '../../protocol/frames.js'
import { ignore } from '../errors.js'
import type { Ack, ErrorFrame, ErrorPart, JoinAnswer, PresencePage, Recovery, RoomFrame, RoomMessageFrame } from '../frames.js'
import type { RoomRequest } from './wire.js'

/** Frames that may wait for a tab that catches up. */
const MAX_HELD = 1_000

/** Messages that a tab may ask for with `history`. */
const MAX_NEWEST = 1_000

/** How long a room is kept for a tab that went without saying that it leaves: pages are reloaded. In ms. */
const LINGER = 5_000

/** What the rooms and the inbox of a hub use of it. */
export interface Exchange {
  /** Asks the server, ahead of what tabs want to say. The answer is taken before the next frame is read. */
  ask (frame: object, take: (answer: Ack | ErrorFrame) => void, joins?: number): void
  /** The same, again and again while the server refuses for the moment. */
  insist (frame: object, take: (answer: Ack | ErrorFrame) => void, joins?: number): void
  /** Tells the server something without an answer. */
  tell (frame: object): void
  /** Hands a frame to tabs. */
  emit (links: readonly string[], text: string): void
  /** Something cannot be put right: the connection is given up, and everybody resumes. */
  fail (): void
  /** Is the tab still there? */
  has (link: string): boolean
  /** Tabs that have caught up. */
  present (): readonly string[]
  timeout (fn: () => void, ms: number): () => void
}

/** A tab's `join`, or a room of its `resume`. */
export interface Attempt {
  readonly link: string
  readonly request: RoomRequest
  /** Called once. */
  done (answer: JoinAnswer): void
}

interface Member {
  readonly link: string
  readonly presence: boolean
  /** Not answered yet. */
  attempt?: Attempt
  /** Gets what arrives. False also between the pages of a long gap. */
  live: boolean
  /** What arrives while it is asked what the tab has missed. */
  held?: Held[]
  /** Positions that the tab has although they may still arrive. */
  had?: ReadonlySet<string | undefined>
  /** The log began anew meanwhile. */
  gap?: Pick<JoinAnswer, 'position' | 'reason'>
}

interface Held {
  readonly position: string | undefined
  readonly text: string
}

/**
 * A room of the real connection, and the tabs that are in it. The first tab's join passes through. Once the room is live on the
 * connection it stays so, because reading on by `join` would stop its messages for everybody: later tabs are caught up by `history`.
 */
export interface HubRoom {
  /** A tab wants in. True: the caller has to ask the server, what {@link HubRoom.request} says, and bring its answer. */
  enter (attempt: Attempt): boolean
  request (attempt: Attempt): RoomRequest
  answered (attempt: Attempt, answer: JoinAnswer): void
  /** Enters, and asks. */
  join (attempt: Attempt): void
  leave (link: string): void
  /** The tab is gone; `lingering`: it may be back soon. */
  gone (link: string, lingering: boolean): void
  typing (link: string, typing: boolean): void
  /** The tab has published, which the server takes for the end of typing. */
  published (link: string): void
  /** A frame of the server about this room. */
  frame (frame: RoomFrame, text: string): void
}

/** @param forget - the room is nobody's any more */
export function createHubRoom (roomId: string, hub: Exchange, forget: () => void): HubRoom {
  const members = new Map<string, Member>()
  const typists = new Set<string>()
  let state: 'out' | 'joining' | 'in' = 'out'
  /** Everything up to here has been handed to those who are live. Absent in a volatile room. */
  let position: string | undefined
  /** The server put the connection into the room while it was about to join. */
  let placed = false
  let stay = ignore

  // --- in and out, on the connection ---

  function enter (attempt: Attempt): boolean {
    const { link, request } = attempt
    cancel(link)
    const member: Member = { link, presence: request.presence === true, attempt, live: false }
    members.set(link, member)
    if (state === 'in') catchUp(member, attempt)
    if (state !== 'out') return false
    state = 'joining'
    return true
  }

  function request ({ request: { roomId, since, history } }: Attempt): RoomRequest {
    return { roomId, since, history, presence: [...members.values()].some(({ presence }) => presence) }
  }

  function join (attempt: Attempt): void {
    if (enter(attempt)) ask(attempt)
  }

  function ask (attempt: Attempt): void {
    hub.ask({ type: 'join', ...request(attempt) }, (answer) => {
      answered(attempt, answer.type === 'error' ? { roomId, error: partOf(answer) } : answer)
    }, 1)
  }

  function answered (attempt: Attempt, answer: JoinAnswer): void {
    const { error, more, presence } = answer
    const member = members.get(attempt.link)
    const current = member?.attempt === attempt ? member : undefined
    state = 'out'
    if (error) {
      if (current) refuse(current, error)
      next()
      return
    }
    position = answer.position
    if (current) {
      current.attempt = undefined
      current.live = !more
      attempt.done(answer)
    }
    if (more) goLive()
    else entered(presence)
  }

  /**
   * After a page of a long gap the connection gets nothing of the room until it has read on to the end. The rest is that tab's
   * alone, so the connection goes on from the newest message.
   */
  function goLive (): void {
    state = 'joining'
    const { presence } = request({ link: '', request: { roomId }, done: ignore })
    hub.insist({ type: 'join', roomId, history: 1, presence }, (answer) => {
      state = 'out'
      position = answer.type === 'ack' ? answer.position : undefined
      if (answer.type === 'error') next()
      else if (answer.more) goLive()
      else entered(answer.presence)
    }, 1)
  }

  function entered (presence: PresencePage | undefined): void {
    state = 'in'
    if (placed) {
      placed = false
      // Those who want to join themselves learn of it by their own answers.
      const others = hub.present().filter((link) => !members.has(link))
      place(others, JSON.stringify({ type: 'joined', roomId, position, presence }))
    }
    for (const member of members.values()) if (member.attempt && !member.held) catchUp(member, member.attempt)
    empty()
  }

  /** The connection is not in the room: whoever waits is the next to try. */
  function next (): void {
    for (const { attempt } of members.values()) {
      if (!attempt) continue
      state = 'joining'
      ask(attempt)
      return
    }
    empty()
  }

  function empty (): void {
    if (members.size > 0 || state === 'joining') return
    stay()
    if (state === 'in') hub.ask({ type: 'leave', roomId }, ignore)
    state = 'out'
    forget()
  }

  function place (links: readonly string[], text: string): void {
    for (const link of links) members.set(link, { link, presence: true, live: true })
    hub.emit(links, text)
  }

  // --- a further tab ---

  /**
   * Finds out what the tab has missed, while what arrives is held back. The log may be ahead of what has arrived here, and what has
   * arrived may be ahead of the answer, so both are told apart by position.
   */
  function catchUp (member: Member, attempt: Attempt): void {
    const { since, history = 0 } = attempt.request
    const from = position
    member.held = []

    function whileMine (take: (ack: Ack) => void): (answer: Ack | ErrorFrame) => void {
      return (answer) => {
        if (member.attempt !== attempt || !member.held) return
        if (answer.type === 'error') refuse(member, partOf(answer))
        else take(answer)
      }
    }

    function read (range: object, take: (ack: Ack) => void): void {
      hub.ask({ type: 'history', roomId, ...range, limit: MAX_HISTORY_LIMIT }, whileMine(take))
    }

    function missed (since: string): void {
      read({ after: since }, ({ messages, more, reason }) => {
        if (reason) {
          newest({ recovered: false, reason })
          return
        }
        const last = messages.at(-1)?.position ?? (since === 'start' ? from : since)
        const recovery = { position: last, recovered: true, messages }
        if (more) settle(member, attempt, { roomId, ...recovery, more })
        else if (messages.some(({ position }) => position === from)) conclude(recovery, messages)
        else {
          // Not every position is that of a message. Or the tab, on an earlier connection, was ahead of this one.
          read({}, ({ messages: recent }) => {
            const known = recent.slice(0, recent.findIndex(({ position }) => position === last) + 1)
            conclude(recovery, [...messages, ...known])
          })
        }
      })
    }

    function newest (verdict: Recovery<RoomMessageFrame>, collected: readonly RoomMessageFrame[] = []): void {
      if (history === 0) {
        // It begins here.
        member.held = []
        conclude({ ...verdict, position })
        return
      }
      // More than are wanted: those that arrive late must be recognised.
      read({ before: collected[0]?.position }, ({ messages, more }) => {
        const all = [...messages, ...collected]
        if (more && all.length < Math.min(history, MAX_NEWEST)) newest(verdict, all)
        else conclude({ ...verdict, position: all.at(-1)?.position ?? from, messages: all.slice(-history) }, all)
      })
    }

    function conclude (recovery: Recovery<RoomMessageFrame>, had: readonly RoomMessageFrame[] = []): void {
      if (!member.presence) {
        finish(recovery, had)
        return
      }
      // Behind the answer, presence frames go on from its snapshot.
      hub.ask({ type: 'join', roomId, presence: true }, whileMine(({ presence }) => finish(recovery, had, presence)), 1)
    }

    function finish (recovery: Recovery<RoomMessageFrame>, had: readonly RoomMessageFrame[], presence?: PresencePage): void {
      const { held = [], gap } = member
      member.live = true
      member.had = gap ? undefined : new Set(had.map(({ position }) => position))
      settle(member, attempt, { roomId, ...(gap ? begunAnew(gap) : recovery), presence })
      for (const { position, text } of held) if (isNew(member, position)) hub.emit([member.link], text)
    }

    function begunAnew ({ position, reason }: Pick<JoinAnswer, 'position' | 'reason'>): Recovery<RoomMessageFrame> {
      return since === undefined ? { position, messages: [] } : { position, recovered: false, reason, messages: [] }
    }

    if (from === undefined) conclude({})
    else if (since === undefined) newest({})
    else if (since === from) conclude({ position: from, recovered: true, messages: [] })
    else missed(since)
  }

  function isNew (member: Member, position: string | undefined): boolean {
    if (member.had?.has(position)) return false
    // Order is the order of the log: what comes behind the first new one is new.
    member.had = undefined
    return true
  }

  function settle (member: Member, attempt: Attempt, answer: JoinAnswer): void {
    member.attempt = member.held = member.gap = undefined
    attempt.done(answer)
  }

  function refuse ({ link, attempt }: Member, error: ErrorPart): void {
    members.delete(link)
    attempt?.done({ roomId, error })
    if (state === 'in') empty()
  }

  /** The tab wants something else by now. */
  function cancel (link: string): boolean {
    const member = members.get(link)
    if (typists.has(link)) typing(link, false)
    members.delete(link)
    member?.attempt?.done({ roomId, error: { code: 'not_member', message: 'left meanwhile', retryable: false } })
    return member !== undefined
  }

  // --- what arrives ---

  function message ({ position: at }: RoomMessageFrame, text: string): void {
    if (state !== 'in') return
    position = at
    const links: string[] = []
    for (const member of members.values()) {
      if (member.live) {
        if (isNew(member, at)) links.push(member.link)
      } else if (member.held) {
        if (member.held.push({ position: at, text }) > MAX_HELD) {
          refuse(member, { code: 'unavailable', message: 'too many messages meanwhile', retryable: true })
        }
      }
    }
    hub.emit(links, text)
  }

  function live (): Member[] {
    return [...members.values()].filter(({ live }) => live)
  }

  function emitTo (some: readonly Member[], text: string): void {
    hub.emit(some.map(({ link }) => link), text)
  }

  function left (text: string): void {
    const joined = [...members.values()].filter(({ attempt }) => !attempt)
    for (const { link } of joined) members.delete(link)
    typists.clear()
    emitTo(joined, text)
    if (state !== 'in') return
    state = 'out'
    // Those who were about to join are asked for anew.
    for (const member of members.values()) member.held = member.gap = undefined
    next()
  }

  function reset (frame: Pick<JoinAnswer, 'position' | 'reason'>, text: string): void {
    position = frame.position
    for (const member of members.values()) {
      member.had = undefined
      if (!member.held) continue
      member.held = []
      member.gap = { position: frame.position, reason: frame.reason }
    }
    emitTo(live(), text)
  }

  function typing (link: string, on: boolean): void {
    if (on) typists.add(link)
    // Also of one whose message was taken for the end of it, and refused: the server was not told.
    else typists.delete(link)
    // One of them is enough, and each of them repeats it.
    if (state === 'in' && (on || typists.size === 0)) hub.tell({ type: 'typing', roomId, typing: on })
  }

  return {
    enter,
    request,
    answered,
    join,
    leave (link) {
      if (cancel(link)) empty()
    },
    gone (link, lingering) {
      if (!cancel(link)) return
      if (!lingering) empty()
      else if (members.size === 0) stay = hub.timeout(empty, LINGER)
    },
    typing (link, on) {
      if (members.get(link)?.live) typing(link, on)
    },
    published (link) {
      typists.delete(link)
      if (typists.size > 0) hub.tell({ type: 'typing', roomId, typing: true })
    },
    frame (frame, text) {
      if (frame.type === 'message') message(frame, text)
      else if (frame.type === 'presence') emitTo(live().filter(({ presence }) => presence), text)
      else if (frame.type === 'typing') emitTo(live(), text)
      else if (frame.type === 'left') left(text)
      else if (frame.type === 'reset') reset(frame, text)
      else if (state === 'joining') placed = true
      else {
        state = 'in'
        position = frame.position
        place(hub.present(), text)
      }
    }
  }
}

/** An error frame without what ties it to its request. */
export function partOf ({ code, message, retryable, retryAfter, content }: ErrorPart): ErrorPart {
  return { code, message, retryable, retryAfter, content }
}
