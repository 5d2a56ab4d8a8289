import type { ClientClock, Socket } from '../../../types/client.js'
import { bytesOf } from '../environment.js'
import { ignore } from '../errors.js'
import type { Ack, ErrorFrame, JoinAnswer, ServerFrame, Welcome } from '../frames.js'
import { createHubInbox } from './hub-inbox.js'
import type { InboxAnswer } from './hub-inbox.js'
import { createHubRoom } from './hub-room.js'
import type { Attempt, Exchange, HubRoom } from './hub-room.js'
import { createPace } from './pace.js'
import { readTabFrame } from './wire.js'
import type { End, TabFrame } from './wire.js'

/** How long a sign of life may take that was asked for because a tab gave its connection up, in ms. */
const PROOF = 5_000

/** Frames that may wait for a tab whose resume is not answered. */
const MAX_BUFFERED = 5_000

/** Positions remembered as acknowledged. */
const MAX_RECEIPTS = 1_000

/** When the hub's own requests are repeated, where the server did not say, in ms. */
const AGAIN = 1_000

const FREE = { messages: 0, joins: 0 }
const ONE = { messages: 1, joins: 0 }

export interface HubOptions {
  /** The real one, opening. */
  readonly socket: Socket
  readonly clock: Pick<ClientClock, 'wall' | 'timeout'>
  /** The link of the tab whose credential opened the socket. */
  readonly own: string
  /** Hands a frame to links. */
  send (links: readonly string[], text: string): void
  /** A link is given up: it is to connect again. */
  drop (link: string): void
  /** The real socket is gone, and the hub with it. Never called after {@link Hub.close}. */
  ended (end: End): void
}

/**
 * Many virtual sockets over a real one. Towards the server it is one client, towards each tab it looks like the server: docs/protocol.md
 * holds on both sides. Knows nothing of browsers.
 */
export interface Hub {
  attach (link: string): void
  /** A frame of a tab. */
  receive (link: string, text: string): void
  /** The link was closed, or its tab is gone. */
  detach (link: string, code: number): void
  /** Ends. Of other tabs in it, the server is to think that they come back soon. */
  close (code?: number, reason?: string): void
}

interface Link {
  /** Where its inbox begins, unless it says otherwise. */
  inbox?: string
  /** What waits for the answer to its resume: nothing of a room may precede that. */
  buffer?: string[]
}

export function createHub ({ socket, clock, own, send, drop, ended }: HubOptions): Hub {
  const { wall, timeout } = clock
  const links = new Map<string, Link>()
  const rooms = new Map<string, HubRoom>()
  const answers = new Map<number, (answer: Ack | ErrorFrame) => void>()
  const received = new Set<string>()
  const timers = new Set<() => void>()
  const pace = createPace(clock)
  let welcome: Welcome | undefined
  let lastId = 0
  let opened = false
  let over = false
  /** Since when something has been asked without a sign of life; 0: nothing has. */
  let askedAt = 0

  // --- to the server ---

  function transmit (frame: object): void {
    if (!over) socket.send(JSON.stringify(frame))
  }

  function ask (frame: object, take: (answer: Ack | ErrorFrame) => void): void {
    const id = ++lastId
    const text = JSON.stringify({ ...frame, id })
    const { maxPayload = Infinity } = welcome?.limits ?? {}
    // The tab looked at its bytes too, with an id of its own.
    if (text.length * 3 > maxPayload && bytesOf(text) > maxPayload) {
      take({ type: 'error', code: 'too_large', message: 'the frame is too large', retryable: false })
      return
    }
    answers.set(id, take)
    askedAt ||= wall()
    if (!over) socket.send(text)
  }

  function after (fn: () => void, ms: number): () => void {
    const cancel = timeout(() => {
      timers.delete(cancel)
      fn()
    }, ms)
    timers.add(cancel)
    return () => {
      timers.delete(cancel)
      cancel()
    }
  }

  const exchange: Exchange = {
    ask (frame, take, joins = 0) {
      pace.ahead({ messages: 1, joins }, () => ask(frame, take))
    },
    insist (frame, take, joins) {
      exchange.ask(frame, (answer) => {
        if (answer.type === 'error' && answer.retryable) after(() => exchange.insist(frame, take, joins), answer.retryAfter ?? AGAIN)
        else take(answer)
      }, joins)
    },
    tell (frame) {
      pace.ahead(ONE, () => transmit(frame))
    },
    emit,
    fail: () => lose({ code: 1006, opened: true }),
    has: (link) => links.has(link),
    present: () => [...inbox.present],
    timeout: after
  }
  const inbox = createHubInbox(exchange, {
    request: (attempt) => room(attempt.request.roomId).request(attempt),
    answered: (attempt, answer) => room(attempt.request.roomId).answered(attempt, answer)
  })

  function room (roomId: string): HubRoom {
    const room = rooms.get(roomId) ?? createHubRoom(roomId, exchange, () => rooms.delete(roomId))
    rooms.set(roomId, room)
    return room
  }

  // --- to the tabs ---

  function emit (to: readonly string[], text: string): void {
    const now: string[] = []
    for (const link of to) {
      const buffer = links.get(link)?.buffer
      if (!buffer) now.push(link)
      else if (buffer.push(text) > MAX_BUFFERED) giveUp(link)
    }
    if (now.length > 0 && !over) send(now, text)
  }

  function giveUp (link: string): void {
    detach(link, 4410)
    drop(link)
  }

  function answer (link: string, frame: object): void {
    if (links.has(link)) emit([link], JSON.stringify(frame))
  }

  function greet (link: string, state: Link): void {
    if (!welcome) return
    state.inbox = inbox.position
    send([link], JSON.stringify({ ...welcome, inbox: inbox.position }))
  }

  // --- from a tab ---

  function receive (link: string, text: string): void {
    const frame = readTabFrame(text)
    const state = links.get(link)
    if (over || !frame || !state) return
    const { type, id, room: { roomId } } = frame
    if (type === 'pong' && id === undefined) return
    const run = (): void => handle(link, state, frame)
    const cost = type === 'join' || type === 'leave' || type === 'resume' || type === 'typing' ? FREE : ONE
    if (!pace.enter(link, cost, run) && id !== undefined) {
      answer(link, { type: 'error', id, roomId, code: 'rate_limited', message: 'too many frames wait', retryable: true, retryAfter: AGAIN })
    }
  }

  function handle (link: string, state: Link, frame: TabFrame): void {
    const { type, id, typing, positions, source, room: request } = frame
    const { roomId } = request
    if (type === 'join') room(roomId).join({ link, request, done: (part) => answerJoin(link, id, part) })
    else if (type === 'resume') resume(link, state, frame)
    else if (type === 'leave') {
      rooms.get(roomId)?.leave(link)
      answer(link, { type: 'ack', id, roomId })
    } else if (type === 'typing') rooms.get(roomId)?.typing(link, typing)
    else if (type === 'received') acknowledge(positions)
    else {
      if (id === undefined) transmit(source)
      else ask(source, (given) => answer(link, { ...given, id }))
      if (type === 'message') rooms.get(roomId)?.published(link)
    }
  }

  function answerJoin (link: string, id: number | undefined, { error, ...part }: JoinAnswer): void {
    answer(link, error ? { type: 'error', id, roomId: part.roomId, ...error } : { ...part, type: 'ack', id })
  }

  function resume (link: string, state: Link, { id, inbox: since, rooms: requests }: TabFrame): void {
    const parts: JoinAnswer[] = []
    const first: Attempt[] = []
    let inboxPart: InboxAnswer = {}
    let missing = requests.length + 1
    state.buffer ??= []

    const done = (): void => {
      if (--missing > 0 || links.get(link) !== state) return
      const held = state.buffer ?? []
      state.buffer = undefined
      // Without the inbox it has not caught up, whatever became of the rooms.
      if (inboxPart.error) answer(link, { type: 'error', id, ...inboxPart.error })
      else answer(link, { type: 'ack', id, inbox: inboxPart, rooms: parts })
      for (const text of held) emit([link], text)
    }
    requests.forEach((request, index) => {
      const attempt: Attempt = {
        link,
        request,
        done (part) {
          parts[index] = part
          done()
        }
      }
      if (room(request.roomId).enter(attempt)) first.push(attempt)
    })
    inbox.resume({
      link,
      since: since ?? (inbox.present.has(link) ? undefined : state.inbox),
      rooms: first,
      done (part) {
        inboxPart = part
        done()
      }
    })
  }

  /** Every tab acknowledges, the first one's is passed on. */
  function acknowledge (given: readonly string[]): void {
    const positions = given.filter((position) => !received.has(position))
    for (const position of positions) received.add(position)
    for (const position of received) {
      if (received.size <= MAX_RECEIPTS) break
      received.delete(position)
    }
    if (positions.length > 0) transmit({ type: 'received', positions })
  }

  // --- from the server ---

  function take (text: string): void {
    const frame: ServerFrame = JSON.parse(text)
    askedAt = 0
    const { type } = frame
    if (type === 'ack' || type === 'error') settle(frame, text)
    else if (type === 'ping') {
      pace.count()
      transmit({ type: 'pong' })
      // For them it is a sign of life, whatever else waits.
      send([...links.keys()], text)
    } else if (type === 'welcome') {
      welcome = frame
      inbox.start(frame.inbox)
      links.forEach((state, link) => greet(link, state))
      pace.start(frame.limits)
    } else if (type === 'direct') inbox.direct(frame, text)
    else if (type === 'reset' && !('roomId' in frame)) inbox.reset(frame, text)
    // The others go when this tab goes, and one of them opens the next socket. Renewing is for whose credential it is.
    else if (type === 'goaway' || type === 'expiring') send([own], text)
    else if (type === 'broadcast') emit([...inbox.present], text)
    else if (type === 'joined') room(frame.roomId).frame(frame, text)
    else if ('roomId' in frame) rooms.get(frame.roomId)?.frame(frame, text)
  }

  function settle (frame: Ack | ErrorFrame, text: string): void {
    const { id } = frame
    if (id === undefined) {
      // Whose frame it was is not known; somebody should hear of it.
      send([own], text)
      return
    }
    const taker = answers.get(id)
    answers.delete(id)
    taker?.(frame)
  }

  // --- the end ---

  function end (): boolean {
    if (over) return false
    over = true
    pace.end()
    timers.forEach((cancel) => cancel())
    timers.clear()
    return true
  }

  function lose (how: End): void {
    if (!end()) return
    socket.close(4000)
    ended(how)
  }

  /** A tab gave its connection up as dead. It may be the tab, or the way to it; where the server is silent too, it is the socket. */
  function doubt (): void {
    const since = askedAt
    if (since > 0 && wall() - since >= PROOF) {
      lose({ code: 1006, opened })
      return
    }
    if (!welcome) return
    ask({ type: 'pong' }, ignore)
    pace.count()
    const asked = askedAt
    after(() => { if (askedAt === asked) lose({ code: 1006, opened }) }, PROOF)
  }

  function detach (link: string, code: number): void {
    if (!links.delete(link)) return
    pace.drop(link)
    inbox.gone(link)
    rooms.forEach((room) => room.gone(link, code !== 1000))
    if (code === 4000 && !over) doubt()
  }

  socket.onopen = () => { opened = true }
  socket.onerror = ignore
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (over) return
    const text = String(data)
    try {
      take(text)
    } catch {
      // It is no frame. The client to which the socket belongs finds that out as well, and has somebody to tell.
      send([own], text)
    }
  }
  socket.onclose = ({ code, reason }: { code: number, reason?: string }) => {
    if (end()) ended({ code, reason: String(reason ?? ''), opened })
  }

  return {
    attach (link) {
      if (links.has(link)) return
      const state: Link = {}
      links.set(link, state)
      greet(link, state)
    },
    receive,
    detach,
    close (code, reason) {
      if (!end()) return
      // 1000 would end the user's presence at once, for the other tabs too.
      if (links.size > 1) socket.close(4000, 'another tab')
      else socket.close(code, reason)
    }
  }
}
