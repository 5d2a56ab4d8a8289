import type { Ack, DirectFrame, ErrorFrame, ErrorPart, JoinAnswer, Recovery } from '../frames.js'
import { partOf } from './hub-room.js'
import type { Attempt, Exchange } from './hub-room.js'

/** The inbox's part of the answer to a `resume`. */
export type InboxAnswer = Recovery<DirectFrame>

interface Job {
  readonly link: string
  /** Where the tab is. Absent: where the others are, it has caught up before. */
  readonly since?: string
  /** Rooms that go with it. */
  readonly rooms: readonly Attempt[]
  done (answer: InboxAnswer): void
}

/** The inbox of the real connection. All tabs that have caught up are at one position; the others are brought there one after the other. */
export interface HubInbox {
  /** Everything up to here has been handed to those who have caught up. */
  readonly position: string | undefined
  /** Tabs that have caught up. */
  readonly present: ReadonlySet<string>
  /** @param position - where the server begins to deliver */
  start (position: string): void
  /**
   * Brings a tab from its position to the others', and asks for rooms on the way, whose answers go where they belong.
   * An answer with an `error` is to be the answer to all.
   */
  resume (job: Job): void
  gone (link: string): void
  direct (frame: DirectFrame, text: string): void
  reset (frame: Gap, text: string): void
}

type Gap = Pick<InboxAnswer, 'reason' | 'position'>

/** The rooms that go with a resume: what to ask for each, and where its answer goes. */
export interface ResumedRooms {
  request (attempt: Attempt): object
  answered (attempt: Attempt, answer: JoinAnswer): void
}

export function createHubInbox (hub: Exchange, resumed: ResumedRooms): HubInbox {
  const present = new Set<string>()
  const jobs: Job[] = []
  let position: string | undefined
  /** The server allows one `resume` at a time. */
  let busy = false
  /** The server delivers: it waits for the first resume. */
  let begun = false
  /** What arrives has a gap before it, which is being closed. */
  let torn = false
  /** The inbox began anew while the server was asked. */
  let gap: Gap | undefined

  function next (): void {
    const job = busy ? undefined : jobs.shift()
    if (!job) return
    const { link, since, rooms, done } = job
    const known = begun && (since === undefined || since === position)
    if (known) {
      if (hub.has(link)) present.add(link)
      done({ position, recovered: true, messages: [] })
      if (rooms.length === 0) {
        next()
        return
      }
    }
    busy = begun = true
    gap = undefined
    hub.ask({ type: 'resume', inbox: known ? undefined : since, rooms: rooms.map(resumed.request) }, (answer) => {
      busy = false
      rooms.forEach((attempt, index) => {
        const { roomId } = attempt.request
        const error = answer.type === 'error' ? partOf(answer) : UNANSWERED
        resumed.answered(attempt, answer.type === 'ack' ? answer.rooms[index] ?? { roomId, error } : { roomId, error })
      })
      if (!known) took(job, answer)
      next()
    }, rooms.length)
  }

  function took ({ link, since, done }: Job, answer: Ack | ErrorFrame): void {
    const inbox: InboxAnswer = answer.type === 'ack' ? answer.inbox : { error: partOf(answer) }
    if (inbox.error) {
      if (gap && hub.has(link)) present.add(link)
      done(gap ? { ...gap, recovered: false } : { error: inbox.error })
      return
    }
    const { messages = [], more } = inbox
    if (!more && (present.size === 0 || since === position || messages.some((message) => message.position === position))) {
      handOut([...present], after(position, messages))
      position = inbox.position
      if (hub.has(link)) present.add(link)
      done(inbox)
      return
    }
    // What it carried will not be sent to the others, who are elsewhere; and after a page nothing is sent at all.
    done(inbox)
    if (more) restore()
    else restore(link, inbox.position)
  }

  /** @param at - where the tab `link` is */
  function restore (link?: string, at?: string): void {
    busy = torn = true
    hub.insist({ type: 'resume', inbox: position, rooms: [] }, (answer) => {
      busy = torn = false
      const inbox: InboxAnswer = answer.type === 'ack' ? answer.inbox : { error: answer }
      const { messages = [], more, recovered, reason, error } = inbox
      if (error) {
        hub.fail()
        return
      }
      if (recovered === false) {
        const text = JSON.stringify({ type: 'reset', inbox: true, reason, position: inbox.position })
        hub.emit(link ? [...present, link] : [...present], text)
      }
      // The tab is behind it, within, or at its end.
      handOut([...present], after(position, messages))
      if (link) handOut([link], after(at, messages))
      position = inbox.position
      if (more) restore(link, position)
      else if (link && hub.has(link)) present.add(link)
      next()
    })
  }

  function handOut (links: readonly string[], messages: readonly DirectFrame[]): void {
    for (const message of messages) hub.emit(links, JSON.stringify(message))
  }

  return {
    get position () { return position },
    present,
    start (given) {
      position = given
    },
    resume (job) {
      if (job.since !== undefined) present.delete(job.link)
      jobs.push(job)
      next()
    },
    gone (link) {
      present.delete(link)
    },
    direct (frame, text) {
      // The answer has it too.
      if (torn && frame.position !== undefined) return
      position = frame.position ?? position
      hub.emit([...present], text)
    },
    reset (frame, text) {
      gap = { reason: frame.reason, position: frame.position }
      position = frame.position
      hub.emit([...present], text)
    }
  }
}

function after (position: string | undefined, messages: readonly DirectFrame[]): readonly DirectFrame[] {
  return messages.slice(messages.findIndex((message) => message.position === position) + 1)
}

const UNANSWERED: ErrorPart = { code: 'unavailable', message: 'no answer', retryable: true }
