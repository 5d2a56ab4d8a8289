import { createHash } from 'node:crypto'
import { roomChannel } from '../bridge/bridge.js'
import type { Bridge, IdempotencyKey, Publication, PublishResult } from '../bridge/bridge.js'
import { ContentError, contentText, messageAck, messageHead } from '../protocol/encode.js'
import type { ContentLimits } from '../protocol/encode.js'
import { MAX_ANSWER_MESSAGES, RESERVED_EVENTS } from '../protocol/frames.js'
import type { MessageFrame } from '../protocol/frames.js'
import { formatPosition } from '../protocol/position.js'
import type { RoomMessage } from '../../types/message.js'
import type { Connection } from './connection.js'
import type { Hooks } from './hooks.js'
import { patiently } from './patience.js'
import type { Policy } from './policy.js'
import { isServerOnly, roomContext } from './room.js'
import type { Membership, RoomMatch } from './room.js'
import type { Rooms } from './rooms.js'
import type { Timers } from './timers.js'

/** Room for what a stored frame holds besides its content: names, position, timestamp. */
const FRAME_OVERHEAD = 4 * 1024

/** Bytes of content that fit into every answer, which is where a stored frame must be able to go. */
export const MAX_CONTENT_BYTES = MAX_ANSWER_MESSAGES - FRAME_OVERHEAD

export interface PublisherOptions {
  readonly bridge: Bridge
  readonly timers: Timers
  readonly hooks: Hooks
  readonly rooms: Rooms
  /** Nesting of content. */
  readonly depth: number
  /** How long a key is remembered, in ms. */
  readonly keyTtl: number
}

/** Who a server publishes as, and under which key. */
export interface ServerPublish {
  readonly event: string
  /** Validated JSON text. */
  readonly content: string
  readonly userId: string | null
  readonly key?: string
}

/**
 * The way of a message from its frame to the bridge. What a client sends is answered here; delivery comes back from the
 * bridge, the same way for everybody.
 */
export class Publisher {
  readonly contentLimits: ContentLimits
  readonly #options: PublisherOptions

  constructor (options: PublisherOptions) {
    this.#options = options
    this.contentLimits = { depth: options.depth, bytes: MAX_CONTENT_BYTES }
  }

  /**
   * A member's message. Resolves when it is on its way to the bridge, which keeps the order from there; its ack follows when
   * the bridge has it. One whose callbacks hang is answered `unavailable`, and is not published any more.
   */
  fromMember (connection: Connection, frame: MessageFrame): void | Promise<void> {
    const membership = this.#options.rooms.membership(connection, frame.roomId)
    if (membership === undefined) {
      connection.fail(frame, { code: 'not_member' })
      return
    }
    const { match } = membership.room
    if (isServerOnly(match)) {
      connection.fail(frame, { code: 'forbidden' })
      return
    }
    const { publish, events, onMessage } = match.value
    if (RESERVED_EVENTS.has(frame.event) || (events !== null && !events.has(frame.event))) {
      connection.fail(frame, { code: 'unknown_event' })
      return
    }
    if (publish === 'members' && events === null && onMessage === null && this.#options.hooks.onMessage.length === 0) {
      void this.#issue(membership, frame, frame.content, this.#keyOf(membership, frame))
      return
    }
    const turn = new Turn()
    return patiently(this.#options.timers, connection, 'a message', this.#checked(membership, frame, turn)).catch((err: unknown) => {
      turn.giveUp()
      connection.failWith(frame, err)
    })
  }

  /** Appends what the server says to a room, whether anybody is in it or not. */
  async fromServer (match: RoomMatch, { event, content, userId, key }: ServerPublish): Promise<PublishResult> {
    const { retention } = match.value
    return await this.#options.bridge.publish({
      channel: roomChannel(match.roomId),
      head: messageHead({ roomId: match.roomId, event, userId, content, key }),
      retention,
      key: key === undefined || retention === null ? undefined : this.key('s', key, digest(event, content))
    })
  }

  key (scope: string, key: string, digestText: string): IdempotencyKey {
    return idempotencyKey(scope, key, digestText, this.#options.keyTtl)
  }

  /**
   * The key of a member's message. The digest is over the input as received: what validation or onMessage make of it must not
   * turn a repetition into a conflict.
   */
  #keyOf ({ connection, room }: Membership, frame: MessageFrame): IdempotencyKey | undefined {
    if (frame.key === undefined || room.policy.retention === null) return undefined
    return this.key(`u:${connection.userId}`, frame.key, digest(frame.event, JSON.stringify(frame.content)))
  }

  async #checked (membership: Membership, frame: MessageFrame, turn: Turn): Promise<void> {
    const { connection, room } = membership
    const { publish, onMessage } = room.policy
    const key = this.#keyOf(membership, frame)
    const message = draft(frame, connection.userId)
    const callbacks = typeof publish === 'function' || onMessage !== null || this.#options.hooks.onMessage.length > 0
    if (key === undefined || !callbacks) {
      await this.#apply(membership, frame, message, key, turn)
      return
    }
    // Callbacks run once a key: whoever repeats it waits for the first to be through, and then finds its result.
    turn.release = await claim(room.inFlight, key.id)
    if (turn.over) {
      turn.release()
      return
    }
    const known = await this.#options.bridge.lookup(membership.channel.name, key)
    if (turn.over) return
    if (known !== null) {
      acknowledge(connection, frame, known)
      turn.release()
      return
    }
    const issued = await this.#apply(membership, frame, message, key, turn)
    void issued.answered.finally(turn.release)
  }

  /** Validation, then the callbacks, which so can rely on it, then the bridge. */
  async #apply (
    membership: Membership, frame: MessageFrame, message: RoomMessage, key: IdempotencyKey | undefined, turn: Turn
  ): Promise<Issued> {
    const { connection, room } = membership
    const { match, policy } = room
    const validate = policy.events?.get(frame.event)
    if (validate !== undefined) {
      const validation = await validate(message.content)
      if (turn.over) return NOT_ISSUED
      if (!validation.ok) {
        connection.fail(frame, { code: 'invalid_content', message: validation.message })
        return NOT_ISSUED
      }
      message.content = validation.value
    }
    const { publish } = policy
    if (typeof publish === 'function') {
      const allowed = await publish(roomContext(connection, match), message)
      if (turn.over) return NOT_ISSUED
      if (allowed !== true) {
        connection.fail(frame, { code: 'forbidden' })
        return NOT_ISSUED
      }
    }
    for (const { server, fn } of this.#options.hooks.onMessage) {
      await fn(roomContext(connection, match, server), message)
      if (turn.over) return NOT_ISSUED
    }
    await policy.onMessage?.(roomContext(connection, match), message)
    if (turn.over) return NOT_ISSUED
    if (!membership.current) {
      connection.fail(frame, { code: 'not_member' })
      return NOT_ISSUED
    }
    return { answered: this.#issue(membership, frame, message.content, key) }
  }

  #issue (membership: Membership, frame: MessageFrame, content: unknown, key: IdempotencyKey | undefined): Promise<void> {
    const { connection, channel, room } = membership
    const { roomId, event } = frame
    let publication: Publication
    try {
      const text = contentText(content, this.contentLimits)
      publication = {
        channel: channel.name,
        head: messageHead({ roomId, event, userId: connection.userId, content: text, key: frame.key }),
        retention: room.policy.retention,
        key
      }
    } catch (err) {
      // What the application made of it is not the sender's fault.
      const tooLarge = content === frame.content && err instanceof ContentError && err.problem === 'too_large'
      if (tooLarge) connection.fail(frame, { code: 'too_large', message: err.message })
      else connection.failWith(frame, err)
      return Promise.resolve()
    }
    const published = this.#options.bridge.publish(publication)
    this.#options.rooms.typing.ended(membership)
    return published.then(
      (result) => acknowledge(connection, frame, result),
      (err: unknown) => connection.failWith(frame, err)
    )
  }
}

/** A message that was handed to the bridge, or answered without; an object, so that `await` stops at the handing over. */
interface Issued {
  readonly answered: Promise<void>
}

const NOT_ISSUED: Issued = { answered: Promise.resolve() }

/** The time that one message has for its callbacks. What comes to when it is over has no effect any more. */
class Turn {
  over = false
  /** Lets the next message under the same key have its turn. */
  release: () => void = () => {}

  giveUp (): void {
    this.over = true
    this.release()
  }
}

/** Waits until nobody else works on `id`, and holds it until the returned function is called. */
async function claim (inFlight: Map<string, Promise<void>>, id: string): Promise<() => void> {
  for (let before = inFlight.get(id); before !== undefined; before = inFlight.get(id)) await before
  let done = (): void => {}
  const mine = new Promise<void>((resolve) => { done = resolve })
  inFlight.set(id, mine)
  return () => {
    if (inFlight.get(id) === mine) inFlight.delete(id)
    done()
  }
}

/** What policies and callbacks see of a message; only its content can be changed. */
function draft ({ event, content, key }: MessageFrame, userId: string): RoomMessage {
  const message: RoomMessage = Object.create(null)
  Object.defineProperties(message, {
    event: { value: event, enumerable: true },
    userId: { value: userId, enumerable: true },
    ...(key === undefined ? {} : { key: { value: key, enumerable: true } }),
    content: { value: content, enumerable: true, writable: true }
  })
  return message
}

function acknowledge (connection: Connection, frame: MessageFrame, result: PublishResult): void {
  const { roomId, key } = frame
  if (result.status === 'conflict') {
    connection.fail(frame, { code: 'conflict' })
    return
  }
  connection.ack(frame, (id) => messageAck(id, {
    roomId,
    position: result.position === undefined ? undefined : formatPosition(result.position),
    timestamp: result.timestamp,
    key,
    duplicate: result.status === 'duplicate'
  }))
}

/** @param scope - `s`: of servers; `u:<userId>`: of that user */
export function idempotencyKey (scope: string, key: string, digestText: string, ttl: number): IdempotencyKey {
  // A control character parts them, because no name has one: user ids may have colons.
  return { id: `${scope}\0${key}`, digest: digestText, ttl }
}

export function digest (event: string, content: string): string {
  return createHash('sha1').update(event).update('\0').update(content).digest('base64')
}

/** Checks content of the server against the room's schemas, as it would be for a member. */
export async function validateForRoom (policy: Policy, event: string, content: unknown): Promise<{ content: unknown } | { unknownEvent: true } | { invalid: string }> {
  const { events } = policy
  if (events === null) return { content }
  const validate = events.get(event)
  if (validate === undefined) return { unknownEvent: true }
  const validation = await validate(content)
  return validation.ok ? { content: validation.value } : { invalid: validation.message }
}
