import { resumeAck } from '../protocol/encode.js'
import type { InboxAnswer } from '../protocol/encode.js'
import type { ResumeFrame } from '../protocol/frames.js'
import { answerBudget } from './catch-up.js'
import type { AnswerBudget } from './catch-up.js'
import type { Connection } from './connection.js'
import type { Inboxes } from './inbox.js'
import type { Joiner, PreparedJoin } from './join.js'

export interface ResumerOptions {
  readonly joiner: Joiner
  readonly inboxes: Inboxes
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
    const { joiner, inboxes } = this.#options
    let answered = (): void => {}
    const answer = new Promise<void>((resolve) => { answered = resolve })
    try {
      const { inbox } = connection
      // Each room's lane is held until the answer is queued: frames about the room that follow must find it joined.
      const preparing = frame.rooms.map((room) => new Promise<PreparedJoin>((resolve) => {
        connection.lanes.run(room.roomId, async () => {
          resolve(await joiner.prepare(connection, room))
          await answer
        })
      }))
      const [preparedInbox, joins] = await Promise.all([
        inbox === null ? NO_INBOX : inboxes.prepare(inbox, frame.inbox),
        Promise.all(preparing)
      ])
      if (connection.ended) {
        for (const join of joins) join.abandon()
        return
      }
      const budget = answerBudget()
      const parts = { inbox: preparedInbox.complete(budget), rooms: joins.map((join) => join.complete(budget)) }
      connection.ack(frame, (id) => resumeAck(id, parts))
    } finally {
      answered()
    }
  }
}

/** A connection that ended under way. */
const NO_INBOX: { complete: (budget: AnswerBudget) => InboxAnswer } = { complete: () => ({ error: { code: 'unavailable' } }) }
