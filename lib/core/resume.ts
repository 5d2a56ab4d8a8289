import { resumeAck } from '../protocol/encode.js'
import type { ErrorBody, InboxAnswer, ResumedRoom } from '../protocol/encode.js'
import type { ResumeFrame, ResumeRoom } from '../protocol/frames.js'
import { answerBudget, fitError } from './catch-up.js'
import type { AnswerBudget } from './catch-up.js'
import type { Connection } from './connection.js'
import type { Inboxes } from './inbox.js'
import { refused } from './join.js'
import type { Joiner, PreparedJoin } from './join.js'
import { PATIENCE } from './patience.js'
import type { Timers } from './timers.js'

export interface ResumerOptions {
  readonly joiner: Joiner
  readonly timers: Timers
  readonly inboxes: Inboxes
  /** Rooms a connection may be in. */
  readonly maxRooms: number
}

/** One frame that brings back the inbox and every room, each for itself, answered together. */
export class Resumer {
  readonly #options: ResumerOptions

  constructor (options: ResumerOptions) {
    this.#options = options
  }

  run (connection: Connection, frame: ResumeFrame): void {
    if (connection.resuming) {
      connection.fail(frame, { code: 'limit_reached', message: 'a resume is in flight', retryable: true })
      return
    }
    connection.resuming = true
    this.#resume(connection, frame)
      .catch((err: unknown) => connection.failWith(frame, err))
      .finally(() => { connection.resuming = false })
  }

  async #resume (connection: Connection, frame: ResumeFrame): Promise<void> {
    const { inboxes, maxRooms } = this.#options
    let answered = (): void => {}
    const answer = new Promise<void>((resolve) => { answered = resolve })
    try {
      const { inbox } = connection
      const [preparedInbox, prepared] = await Promise.all([
        inbox === null ? NO_INBOX : inboxes.prepare(inbox, frame.inbox),
        Promise.all(frame.rooms.slice(0, maxRooms).map((room) => this.#prepare(connection, room, answer)))
      ])
      const joins = [...prepared, ...frame.rooms.slice(maxRooms).map((room) => refused(room, TOO_MANY))]
      if (connection.ended) {
        for (const join of joins) join.abandon()
        return
      }
      const budget = answerBudget(frame.rooms.map(({ roomId }) => roomId))
      const parts = { inbox: preparedInbox.complete(budget), rooms: joins.map((join) => fitted(join.complete(budget), budget)) }
      connection.ack(frame, (id) => resumeAck(id, parts))
    } finally {
      answered()
    }
  }

  /**
   * The room's lane is held until the answer is queued: frames about the room that follow must find it joined. A lane that is
   * busy all the time (a message whose hook hangs) costs this room its place in the answer, not the others theirs.
   */
  #prepare (connection: Connection, room: ResumeRoom, answer: Promise<void>): Promise<PreparedJoin> {
    const { joiner, timers } = this.#options
    return new Promise((resolve) => {
      let late = false
      const waited = timers.after(PATIENCE, () => {
        late = true
        resolve(refused(room, { code: 'unavailable' }))
      })
      const dropped = (): void => {
        timers.cancel(waited)
        resolve(refused(room, { code: 'unavailable' }))
      }
      connection.lanes.run(room.roomId, async () => {
        if (late) return
        timers.cancel(waited)
        resolve(await joiner.prepare(connection, room).catch((err: unknown) => refused(room, connection.describe(err))))
        await answer
      }, { dropped })
    })
  }
}

/** No connection can be in so many: those at the end are not even asked for. */
const TOO_MANY: ErrorBody = { code: 'limit_reached', message: 'too many rooms for one connection' }

function fitted (room: ResumedRoom, budget: AnswerBudget): ResumedRoom {
  return 'error' in room ? { ...room, error: fitError(room.error, budget) } : room
}

/** A connection that ended under way. */
const NO_INBOX: { complete: (budget: AnswerBudget) => InboxAnswer } = { complete: () => ({ error: { code: 'unavailable' } }) }
