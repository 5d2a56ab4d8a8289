import type { Bridge } from '../bridge/bridge.js'
import { historyAck, joinAck, plainAck, presenceAck } from '../protocol/encode.js'
import { MAX_ANSWER_MESSAGES } from '../protocol/frames.js'
import type { ClientFrame, HistoryFrame, JoinFrame, LeaveFrame, PresenceFrame, ReceivedFrame, StatusFrame, TypingFrame } from '../protocol/frames.js'
import type { Calls } from './calls.js'
import { answerBudget } from './catch-up.js'
import type { Connection } from './connection.js'
import type { Inboxes } from './inbox.js'
import type { Joiner } from './join.js'
import { patiently } from './patience.js'
import type { Publisher } from './publish.js'
import type { Receipts } from './receipts.js'
import type { Resumer } from './resume.js'
import type { Membership } from './room.js'
import type { Rooms } from './rooms.js'
import type { Timers } from './timers.js'

/** Bytes of a member's `meta` as JSON. */
const MAX_META_BYTES = 2 * 1024

export interface DispatcherOptions {
  readonly bridge: Bridge
  readonly rooms: Rooms
  readonly joiner: Joiner
  readonly publisher: Publisher
  readonly resumer: Resumer
  readonly inboxes: Inboxes
  readonly receipts: Receipts
  readonly calls: Calls
  readonly timers: Timers
}

/** What each frame of a client leads to. The only place that tells frame types apart. */
export class Dispatcher {
  readonly #options: DispatcherOptions

  constructor (options: DispatcherOptions) {
    this.#options = options
  }

  /** @param bytes - the frame's own, while it has to wait */
  dispatch (connection: Connection, frame: ClientFrame, bytes: number): void {
    const { publisher, calls, resumer } = this.#options
    const { lanes } = connection
    this.#endInboxHold(connection, frame)
    switch (frame.type) {
      case 'join':
        lanes.run(frame.roomId, () => this.#join(connection, frame), { bytes })
        return
      case 'leave':
        lanes.run(frame.roomId, () => this.#leave(connection, frame), { bytes })
        return
      case 'message':
        lanes.run(frame.roomId, () => publisher.fromMember(connection, frame), { bytes })
        return
      case 'typing':
        lanes.run(frame.roomId, () => this.#typing(connection, frame), { bytes })
        return
      case 'presence':
        lanes.run(frame.roomId, () => this.#presence(connection, frame), { bytes })
        return
      case 'status':
        lanes.run(frame.roomId, () => this.#status(connection, frame), { bytes })
        return
      case 'history':
        lanes.run(frame.roomId, () => this.#history(connection, frame), { bytes })
        return
      case 'call':
        calls.run(connection, frame)
        return
      case 'resume':
        resumer.run(connection, frame)
        return
      case 'received':
        this.#received(connection, frame)
        return
      case 'pong':
        connection.ack(frame, (id) => plainAck(id))
    }
  }

  #endInboxHold (connection: Connection, frame: ClientFrame): void {
    const { inbox } = connection
    if (inbox === null || inbox.hold === null || frame.type === 'pong') return
    if (frame.type === 'resume') this.#options.inboxes.keepHolding(inbox)
    else this.#options.inboxes.release(inbox)
  }

  async #join (connection: Connection, frame: JoinFrame): Promise<void> {
    const join = await this.#options.joiner.prepare(connection, frame)
    const result = join.complete(answerBudget())
    if ('error' in result) connection.fail(frame, result.error)
    else connection.ack(frame, (id) => joinAck(id, result))
  }

  #leave (connection: Connection, frame: LeaveFrame): void | Promise<void> {
    const membership = this.#membership(connection, frame)
    if (membership === null) return
    const { rooms, timers } = this.#options
    const left = rooms.leave(membership, 'left', 0)
    connection.ack(frame, (id) => plainAck(id, frame.roomId))
    // The hooks of a join that follows must not overtake those of this leave, unless they hang.
    return patiently(timers, connection, 'onLeave', left).catch(() => {})
  }

  #typing (connection: Connection, frame: TypingFrame): void {
    const membership = this.#membership(connection, frame)
    if (membership === null) return
    if (!membership.room.policy.typing) {
      connection.fail(frame, { code: 'forbidden' })
      return
    }
    this.#options.rooms.typing.set(membership, frame.typing)
    connection.ack(frame, (id) => plainAck(id, frame.roomId))
  }

  #presence (connection: Connection, frame: PresenceFrame): void {
    const membership = this.#membership(connection, frame)
    if (membership === null) return
    const { room, channel } = membership
    const { mirror } = room
    if (mirror === null) {
      connection.fail(frame, { code: 'bad_request', message: 'this room has no presence' })
      return
    }
    // Presence frames on their way to this member are older than the page.
    channel.flushTo(membership)
    if (!membership.active) {
      connection.fail(frame, { code: 'not_member' })
      return
    }
    connection.ack(frame, (id) => presenceAck(id, frame.roomId, mirror.page(frame.after, answerBudget())))
  }

  #status (connection: Connection, frame: StatusFrame): void | Promise<void> {
    const membership = this.#membership(connection, frame)
    if (membership === null) return
    const { room, channel } = membership
    if (room.mirror === null) {
      connection.fail(frame, { code: 'bad_request', message: 'this room has no presence' })
      return
    }
    if (frame.meta !== undefined && Buffer.byteLength(JSON.stringify(frame.meta)) > MAX_META_BYTES) {
      connection.fail(frame, { code: 'too_large', message: `meta is larger than ${MAX_META_BYTES} bytes` })
      return
    }
    return this.#options.bridge.presenceUpdate(channel.name, connection.userId, { status: frame.status, meta: frame.meta }).then(
      (present) => {
        if (present) connection.ack(frame, (id) => plainAck(id, frame.roomId))
        else connection.fail(frame, { code: 'not_member' })
      },
      (err: unknown) => connection.failWith(frame, err)
    )
  }

  async #history (connection: Connection, frame: HistoryFrame): Promise<void> {
    const membership = this.#membership(connection, frame)
    if (membership === null) return
    const { room, channel } = membership
    if (room.policy.retention === null) {
      connection.fail(frame, { code: 'bad_request', message: 'this room keeps no history' })
      return
    }
    const { before, after, limit, roomId } = frame
    const bounds = { limit, maxBytes: MAX_ANSWER_MESSAGES }
    const query = before !== undefined ? { before, ...bounds } : after !== undefined ? { after, ...bounds } : { last: limit, ...bounds }
    try {
      const { entries, gap, more } = await this.#options.bridge.read(channel.name, query)
      if (!membership.current) {
        connection.fail(frame, { code: 'not_member' })
        return
      }
      const messages = entries.map(({ payload }) => payload)
      connection.ack(frame, (id) => historyAck(id, { roomId, messages, more, reason: gap }))
    } catch (err) {
      connection.failWith(frame, err)
    }
  }

  #received (connection: Connection, frame: ReceivedFrame): void {
    for (const position of frame.positions) this.#options.receipts.received(connection.userId, connection.id, position)
    connection.ack(frame, (id) => plainAck(id))
  }

  /** Only members get anything of a room; whether it exists is nobody else's business. */
  #membership (connection: Connection, frame: { readonly id?: number, readonly roomId: string }): Membership | null {
    const membership = this.#options.rooms.membership(connection, frame.roomId)
    if (membership !== undefined) return membership
    connection.fail(frame, { code: 'not_member' })
    return null
  }
}
