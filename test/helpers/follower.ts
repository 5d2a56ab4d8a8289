import type { Peer, ServerFrame } from './client.js'

/**
 * A client's memory of one room, kept by the rules of the protocol: the position moves with `message`, `reset` and the answers of
 * joins, never with acks. Complains about whatever comes twice, out of order or where nothing may come.
 */
export class RoomFollower {
  readonly roomId: string
  position: string | undefined
  /** Content of every message, in the order the application would see it. */
  readonly seen: unknown[] = []
  readonly gaps: string[] = []
  readonly complaints: string[] = []
  readonly #positions = new Set<string>()
  #read = 0
  #joined = false
  #more = false

  constructor (roomId: string) {
    this.roomId = roomId
  }

  /** The last answer was a page: nothing comes by itself until the rest is read. */
  get more (): boolean {
    return this.#more
  }

  /** A new connection: nothing of the room may come before its join is answered. */
  connected (): void {
    this.#read = 0
    this.#joined = false
    this.#more = false
  }

  /** Joins, page by page until the room is live again. */
  async join (peer: Peer): Promise<void> {
    do {
      const answer = await peer.request({ type: 'join', roomId: this.roomId, ...(this.position === undefined ? {} : { since: this.position }) })
      if (answer.type !== 'ack') throw new Error(`the join was answered ${answer.code}`)
      this.read(peer)
    } while (this.#more)
  }

  /** Takes in every frame that has come since the last time. */
  read (peer: Peer): void {
    for (; this.#read < peer.frames.length; this.#read++) {
      const frame = peer.frames[this.#read]
      if (frame !== undefined) this.#frame(frame)
    }
  }

  #frame (frame: ServerFrame): void {
    if (frame.type === 'ack' && Array.isArray(frame.rooms)) {
      for (const room of frame.rooms) if (room.roomId === this.roomId && room.error === undefined) this.#answer(room)
      return
    }
    if (frame.roomId !== this.roomId) return
    switch (frame.type) {
      case 'ack':
        if ('recovered' in frame || ('position' in frame && !('timestamp' in frame))) this.#answer(frame)
        break
      case 'message':
        if (!this.#joined) this.complaints.push(`a message before the join: ${JSON.stringify(frame)}`)
        if (this.#more) this.complaints.push('a live message while more is true')
        this.#message(frame)
        break
      case 'reset':
        this.gaps.push(`reset ${frame.reason}`)
        this.position = frame.position
        break
      case 'left':
        this.#joined = false
    }
  }

  #answer (answer: Pick<ServerFrame, string>): void {
    this.#joined = true
    this.#more = answer.more === true
    if (answer.recovered === false) this.gaps.push(answer.reason)
    for (const message of answer.messages ?? []) this.#message(message)
    this.position = answer.position
  }

  #message (frame: Pick<ServerFrame, string>): void {
    if (this.#positions.has(frame.position)) this.complaints.push(`twice: ${frame.position}`)
    this.#positions.add(frame.position)
    const [offset, before] = [offsetOf(frame.position), offsetOf(this.position ?? '')]
    if (offset <= before) this.complaints.push(`${frame.position} after ${this.position}`)
    this.position = frame.position
    this.seen.push(frame.content)
  }
}

function offsetOf (position: string): number {
  return Number(position.split('.')[1] ?? -1)
}
