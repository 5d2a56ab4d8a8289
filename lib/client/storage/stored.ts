import type { StoredMessage } from '../../../types/client.js'
import { host } from '../environment.js'

/** The longest name of a queue, in UTF-16 units: an id of a user, and what an application puts beside it. */
const MAX_NAME = 256

/** @throws TypeError - a queue without a name of its own would be everybody's, whoever is signed in */
export function checkName (name: unknown): void {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
    throw new TypeError(`The name of a stored queue must be a text of 1 to ${MAX_NAME} characters, not ${String(name)}`)
  }
}

/** What hears of failures: the application's handler, which may fail itself, or whoever hears of errors that nobody caught. */
export function createReport (onError: (error: unknown) => void = (error) => host.reportError?.(error)): (error: unknown) => void {
  return (error) => {
    try {
      onError(error)
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** Is it a message this version of the client can send? The store is shared with other versions, other scripts, and people. */
export function isStored (value: unknown): value is StoredMessage {
  const { key, roomId, event, content, at, userId, sentAt } = Object(value)
  return [key, roomId, event].every((name) => typeof name === 'string' && name !== '') && content !== undefined &&
    isTime(at) && (userId === undefined || typeof userId === 'string') && (sentAt === undefined || isTime(sentAt))
}

function isTime (value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

export function inOrder (messages: StoredMessage[]): StoredMessage[] {
  return messages.sort((a, b) => a.at - b.at)
}

/** An item that was removed because it is no message. Its content is not told: it may be anybody's. */
export function brokenItem (name: string): Error {
  return new Error(`An item of the stored queue "${name}" was no message and has been removed`)
}
