import type { FastifyInstance } from 'fastify'
import { callAck, checkedText, contentText } from '../protocol/encode.js'
import type { ContentLimits } from '../protocol/encode.js'
import type { CallFrame } from '../protocol/frames.js'
import type { CallContext } from '../../types/context.js'
import type { Connection } from './connection.js'
import type { Validate } from './policy.js'

/** A declared call. */
export interface Call {
  readonly event: string
  /** The instance that declared it. */
  readonly server: FastifyInstance
  readonly validate: Validate | null
  /** Makes JSON text of what the handler returned, or promises it; by default what JSON.stringify makes of it. Whether it does is checked. */
  readonly serialize: ((response: unknown) => unknown) | null
  readonly handler: (ctx: CallContext, content: unknown) => unknown
}

/** Request and response over the socket: the handlers declared with `handle`. */
export class Calls {
  readonly #calls = new Map<string, Call>()
  readonly #limits: ContentLimits
  /** Calls a connection may have pending. */
  readonly #pending: number

  constructor (limits: ContentLimits, pending: number) {
    this.#limits = limits
    this.#pending = pending
  }

  /** False: there is one already. */
  add (call: Call): boolean {
    if (this.#calls.has(call.event)) return false
    this.#calls.set(call.event, call)
    return true
  }

  run (connection: Connection, frame: CallFrame): void {
    const call = this.#calls.get(frame.event)
    if (call === undefined) {
      connection.fail(frame, { code: 'unknown_event' })
    } else if (connection.calls >= this.#pending) {
      connection.fail(frame, { code: 'limit_reached', message: 'too many pending calls', retryable: true })
    } else {
      connection.calls++
      this.#answer(connection, frame, call)
        .catch((err: unknown) => connection.failWith(frame, err))
        .finally(() => { connection.calls-- })
    }
  }

  async #answer (connection: Connection, frame: CallFrame, call: Call): Promise<void> {
    let { content } = frame
    if (call.validate !== null) {
      const validation = await call.validate(content)
      if (!validation.ok) {
        connection.fail(frame, { code: 'invalid_content', message: validation.message })
        return
      }
      content = validation.value
    }
    const context: CallContext = {
      user: connection.user,
      connectionId: connection.id,
      server: call.server,
      get log () { return connection.log },
      event: call.event
    }
    const response = await call.handler(context, content)
    const text = call.serialize === null ? contentText(response, this.#limits) : checkedText(await call.serialize(response), this.#limits)
    connection.ack(frame, (id) => callAck(id, text))
  }
}
