/* global AbortSignal, WebSocket, fetch, location, window, crypto */

/**
 * Speaks protocol v1 (docs/protocol.md): one connection that outlives its sockets. It keeps the positions of rooms and inbox,
 * mirrors who is present, and after a reconnect resumes from where it was and sends again what was not acknowledged.
 */

/** Close codes after which trying again is of no use; any other 45xx too. */
const FINAL = new Set([1000, 1002, 1003, 1007, 1009, 4400, 4403, 4409])
const FIRST_WAIT = 500
const LONGEST_WAIT = 20_000
/** A server that is silent for longer than its heartbeat and this is gone. */
const PATIENCE = 10_000
const TYPING_ENDS = 8_000
const HISTORY = 50

export class Failure extends Error {
  constructor ({ code, message, retryable = false, retryAfter }) {
    super(message)
    Object.assign(this, { code, retryable, retryAfter })
  }
}

const disconnected = () => new Failure({ code: 'disconnected', message: 'The connection was lost.', retryable: true })

export class Connection {
  /** roomId -> { position, presence, members: userId -> member, typing: userId -> timer } */
  rooms = new Map()
  status = 'online'
  userId = null

  #path
  #login
  #on
  #token = null
  #socket = null
  #online = false
  #stopped = false
  #attempt = 0
  #timer = null
  #watchdog = null
  #welcome = null
  #inbox = 'start'
  #nextId = 1
  /** id -> { frame, resolve, reject, sentAt } */
  #unanswered = new Map()
  /** Messages that wait for a connection. */
  #waiting = []

  /**
   * `login` resolves with a fresh token. `on` is told: state(name, detail), joined(roomId, { messages, whole }), left(roomId, reason),
   * message(frame), direct(frame, live), people(roomId), typing(roomId), status(name).
   */
  constructor ({ path, login, on }) {
    this.#path = path
    this.#login = login
    this.#on = on
    window.addEventListener('online', this.#hurry)
  }

  open () {
    this.#connect()
  }

  close () {
    this.#stop('closed')
    this.#socket?.close(1000)
  }

  /** Tries again now. */
  retry () {
    this.#stopped = false
    if (this.#socket === null) this.#connect()
  }

  async join (roomId, { presence = true } = {}) {
    const room = { position: undefined, presence, members: new Map(), typing: new Map() }
    if (!this.#online) {
      // The resume joins it.
      this.rooms.set(roomId, room)
      return
    }
    const answer = await this.#ask({ type: 'join', roomId, history: HISTORY, presence })
    this.rooms.set(roomId, room)
    this.#entered(answer)
  }

  async leave (roomId) {
    this.rooms.delete(roomId)
    if (this.#online) await this.#ask({ type: 'leave', roomId })
  }

  /** Resolves once the server has it, however many reconnects that takes. */
  publish (roomId, content, key = crypto.randomUUID()) {
    return new Promise((resolve, reject) => {
      this.#deliver({ frame: { type: 'message', roomId, content, key }, resolve, reject })
    })
  }

  async call (event, content) {
    return (await this.#ask({ type: 'call', event, content })).content
  }

  history (roomId, before) {
    return this.#ask({ type: 'history', roomId, before, limit: HISTORY })
  }

  typing (roomId, typing) {
    this.#send({ type: 'typing', roomId, typing })
  }

  setStatus (status) {
    this.status = status
    for (const roomId of this.rooms.keys()) this.#restate(roomId)
  }

  // Sockets come and go

  async #connect () {
    clearTimeout(this.#timer)
    this.#timer = null
    this.#on.state('connecting')
    try {
      this.#token ??= await this.#login()
    } catch (err) {
      return err.final ? this.#stop(err.message) : this.#reconnect()
    }
    if (this.#stopped || this.#socket !== null) return
    const url = new URL(this.#path, location.href.replace(/^http/, 'ws'))
    const socket = this.#socket = new WebSocket(url, ['realtime.v1', `bearer.${this.#token}`])
    let opened = false
    socket.onopen = () => {
      opened = true
      this.#resume()
    }
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#receive(JSON.parse(data)) }
    socket.onclose = ({ code, reason }) => { if (socket === this.#socket) this.#lost(opened, code, reason) }
    this.#expectLifeWithin(PATIENCE)
  }

  async #lost (opened, code, reason) {
    this.#drop()
    if (code === 4401) this.#token = null
    if (FINAL.has(code) || (code >= 4500 && code < 4600)) return this.#stop(reason || `closed with ${code}`)
    if (opened) return this.#reconnect()

    // A browser does not say why a handshake failed; the same request without an upgrade does.
    const headers = { authorization: `Bearer ${this.#token}` }
    const response = await fetch(this.#path, { headers, signal: AbortSignal.timeout(PATIENCE) }).catch(() => null)
    if (response?.status === 401) this.#token = null
    if (response?.status === 400 || response?.status === 403) return this.#stop('The server does not let this page in.')
    this.#reconnect(Number(response?.headers.get('retry-after') ?? 0) * 1000)
  }

  /** Forgets the socket. Messages with a key wait for the next one, all else has failed. */
  #drop () {
    this.#socket = null
    this.#online = false
    clearTimeout(this.#watchdog)
    for (const request of this.#unanswered.values()) {
      if (request.frame.key === undefined) request.reject(disconnected())
      else this.#waiting.push(request)
    }
    this.#unanswered.clear()
    for (const [roomId, room] of this.rooms) {
      for (const timer of room.typing.values()) clearTimeout(timer)
      room.typing.clear()
      this.#on.typing(roomId)
    }
  }

  #reconnect (atLeast = 0) {
    if (this.#stopped || this.#timer !== null) return
    const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt++)
    const wait = Math.max(atLeast, ceiling * (0.5 + Math.random() / 2))
    this.#timer = setTimeout(() => this.#connect(), wait)
    this.#on.state('waiting', Date.now() + wait)
  }

  #hurry = () => {
    if (this.#timer !== null) this.#connect()
  }

  #stop (why) {
    this.#stopped = true
    this.#online = false
    clearTimeout(this.#timer)
    this.#timer = null
    this.#on.state('stopped', why)
  }

  /** Leaves this socket for another one. Only `goaway` may say 1000: any other goodbye with it would end the memberships. */
  #moveOn (reason) {
    const socket = this.#socket
    if (socket === null) return
    this.#drop()
    socket.close(reason === 'goaway' ? 1000 : 4000, reason)
    if (reason === 'goaway') this.#connect()
    else this.#reconnect()
  }

  #expectLifeWithin (ms) {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#moveOn('silence'), ms)
  }

  async #resume () {
    const socket = this.#socket
    const rooms = [...this.rooms].map(([roomId, { position, presence }]) => ({ roomId, since: position, history: HISTORY, presence }))
    try {
      let answer = await this.#ask({ type: 'resume', inbox: this.#inbox, rooms })
      for (const room of answer.rooms) this.#entered(room)
      while (this.#inboxPage(answer.inbox)) answer = await this.#ask({ type: 'resume', inbox: this.#inbox, rooms: [] })
    } catch {
      // Lost meanwhile, which has its own consequences; or refused, for which only another attempt is left.
      if (socket === this.#socket) this.#moveOn('resume failed')
      return
    }
    this.#online = true
    this.#attempt = 0
    this.#on.state('online')
    for (const request of this.#waiting.splice(0)) this.#deliver(request)
  }

  #inboxPage ({ position, messages = [], more = false, error }) {
    if (error) throw new Failure(error)
    this.#inbox = position
    for (const frame of messages) this.#on.direct(frame, false)
    return more
  }

  /** The answer to a join or to one room of a resume. */
  #entered ({ roomId, position, recovered, messages = [], more, presence, error }) {
    const room = this.rooms.get(roomId)
    if (room === undefined) return
    if (error) {
      if (error.retryable) return this.#rejoin(roomId, error.retryAfter)
      this.rooms.delete(roomId)
      return this.#on.left(roomId, error.message)
    }
    room.position = position
    // Not whole: there may be a gap between what the page has and these.
    this.#on.joined(roomId, { messages, whole: recovered === true })
    if (presence) this.#people(room, roomId, presence)
    if (more) this.#rejoin(roomId, 0)
  }

  #rejoin (roomId, wait = 1000) {
    const socket = this.#socket
    setTimeout(() => {
      const room = this.rooms.get(roomId)
      if (room === undefined || socket !== this.#socket) return
      const { position: since, presence } = room
      this.#ask({ type: 'join', roomId, since, history: HISTORY, presence }).then(
        (answer) => this.#entered(answer),
        (error) => { if (error.code !== 'disconnected') this.#entered({ roomId, error }) }
      )
    }, wait)
  }

  async #people (room, roomId, { members, more }) {
    room.members = new Map(members.map((member) => [member.userId, member]))
    this.#on.people(roomId)
    this.#restate(roomId)
    while (more) {
      const page = await this.#ask({ type: 'presence', roomId, after: members.at(-1).userId }).catch(() => ({ members: [] }));
      ({ members, more } = page)
      for (const member of members) room.members.set(member.userId, member)
      this.#on.people(roomId)
    }
  }

  /** Says again in a room what the user chose, where the room does not know it. */
  #restate (roomId) {
    const { presence, members } = this.rooms.get(roomId)
    const known = members.get(this.userId)?.status ?? 'online'
    if (presence && known !== this.status) this.#send({ type: 'status', roomId, status: this.status })
  }

  // Frames

  #send (frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame))
  }

  #ask (frame) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) return reject(disconnected())
      this.#post({ frame, resolve, reject })
    })
  }

  /** A message: now, or when there is a connection again. */
  #deliver (request) {
    if (!this.#online) return this.#waiting.push(request)
    if (request.sentAt !== undefined && Date.now() - request.sentAt > this.#welcome.limits.keyTtl) {
      return request.reject(new Failure({ code: 'timeout', message: 'Whether it arrived is not known.' }))
    }
    this.#post(request)
  }

  #post (request) {
    const id = this.#nextId++
    request.sentAt ??= Date.now()
    this.#unanswered.set(id, request)
    this.#send({ ...request.frame, id })
  }

  #receive (frame) {
    this.#expectLifeWithin((this.#welcome?.heartbeat ?? 0) + PATIENCE)
    const room = this.rooms.get(frame.roomId)
    switch (frame.type) {
      case 'welcome':
        this.#welcome = frame
        this.userId = frame.userId
        break
      case 'ack':
      case 'error': {
        const request = this.#unanswered.get(frame.id)
        this.#unanswered.delete(frame.id)
        if (frame.type === 'ack') request?.resolve(frame)
        else request?.reject(new Failure(frame))
        break
      }
      case 'message':
        if (room === undefined) break
        room.position = frame.position
        this.#on.message(frame)
        break
      case 'direct':
        this.#inbox = frame.position
        this.#on.direct(frame, true)
        break
      case 'presence':
        if (room === undefined) break
        if (frame.change === 'left') room.members.delete(frame.userId)
        else room.members.set(frame.userId, frame)
        if (frame.userId === this.userId && frame.change === 'updated') this.#on.status(this.status = frame.status)
        this.#on.people(frame.roomId)
        break
      case 'typing':
        if (room !== undefined) this.#typing(room, frame)
        break
      case 'reset':
        if (frame.inbox) this.#inbox = frame.position
        else if (room !== undefined) this.#reload(room, frame)
        break
      case 'left':
        this.rooms.delete(frame.roomId)
        this.#on.left(frame.roomId, frame.reason)
        break
      case 'ping':
        this.#send({ type: 'pong' })
        break
      case 'expiring':
        this.#renew()
        break
      case 'goaway': {
        const socket = this.#socket
        setTimeout(() => { if (socket === this.#socket) this.#moveOn('goaway') }, frame.reconnectIn)
      }
    }
  }

  #typing (room, { roomId, userId, typing }) {
    clearTimeout(room.typing.get(userId))
    room.typing.delete(userId)
    if (typing) {
      room.typing.set(userId, setTimeout(() => {
        room.typing.delete(userId)
        this.#on.typing(roomId)
      }, TYPING_ENDS))
    }
    this.#on.typing(roomId)
  }

  async #reload (room, { roomId, position }) {
    room.position = position
    const answer = await this.history(roomId).catch(() => null)
    if (answer !== null) this.#on.joined(roomId, { messages: answer.messages, whole: false })
  }

  /** A new token for this connection; without it the server closes with 4401. */
  async #renew () {
    try {
      this.#token = await this.#login()
      await fetch(`${this.#path}/renew`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ connectionId: this.#welcome.connectionId })
      })
    } catch {}
  }
}
