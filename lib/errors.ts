import createError from '@fastify/error'
import { ContentError } from './protocol/encode.js'

/** Last argument of every error: what led to it. */
interface Cause {
  readonly cause: unknown
}

/** An error that always says the same. */
function fixed<Code extends string, Status extends number> (code: Code, message: string, statusCode: Status) {
  return createError<Code, Status, [Cause?]>(code, message, statusCode)
}

/** An error whose message ends with a detail of the case. */
function detailed<Code extends string, Status extends number> (code: Code, message: string, statusCode: Status) {
  return createError<Code, Status, [detail: string, cause?: Cause]>(code, message, statusCode)
}

/**
 * Every error this package throws or rejects with. Fastify answers `statusCode` where a route handler lets one through;
 * what a caller can do about each is in docs/errors.md.
 */
export const errors = {
  // Registration and declarations: thrown at start.
  RT_ERR_OPTION: detailed('RT_ERR_OPTION', 'Invalid option: %s', 500),
  RT_ERR_REDIS: detailed('RT_ERR_REDIS', 'Redis cannot be used: %s', 500),
  RT_ERR_ALREADY_REGISTERED: fixed('RT_ERR_ALREADY_REGISTERED', 'fastify-realtime is already registered on this instance', 500),
  RT_ERR_PATTERN: detailed('RT_ERR_PATTERN', 'Invalid room pattern: %s', 500),
  RT_ERR_HOOK: detailed('RT_ERR_HOOK', 'Invalid hook: %s', 500),
  RT_ERR_CALL_EXISTS: detailed('RT_ERR_CALL_EXISTS', 'A handler is already declared for the call %s', 500),

  // Methods of fastify.realtime: rejected with.
  RT_ERR_BAD_ARGUMENT: detailed('RT_ERR_BAD_ARGUMENT', 'Invalid argument: %s', 500),
  RT_ERR_UNKNOWN_ROOM: detailed('RT_ERR_UNKNOWN_ROOM', 'No declared pattern matches the room %s', 500),
  RT_ERR_UNKNOWN_EVENT: detailed('RT_ERR_UNKNOWN_EVENT', 'The event is not declared: %s', 500),
  RT_ERR_INVALID_CONTENT: detailed('RT_ERR_INVALID_CONTENT', 'The content does not match its schema: %s', 500),
  RT_ERR_CONTENT_NOT_SERIALIZABLE: detailed('RT_ERR_CONTENT_NOT_SERIALIZABLE', 'Content refused: %s', 500),
  RT_ERR_CONTENT_TOO_DEEP: detailed('RT_ERR_CONTENT_TOO_DEEP', 'Content refused: %s', 500),
  RT_ERR_CONTENT_TOO_LARGE: detailed('RT_ERR_CONTENT_TOO_LARGE', 'Content refused: %s', 500),
  RT_ERR_CONFLICT: fixed('RT_ERR_CONFLICT', 'The idempotency key was used with other content', 409),
  RT_ERR_UNAVAILABLE: detailed('RT_ERR_UNAVAILABLE', 'Not applied, try again: %s', 503),
  RT_ERR_TIMEOUT: detailed('RT_ERR_TIMEOUT', 'The outcome is unknown: %s', 504),

  // Answers of the HTTP routes.
  RT_ERR_SUBPROTOCOL: detailed('RT_ERR_SUBPROTOCOL', 'Subprotocol: %s', 400),
  RT_ERR_UNAUTHORIZED: detailed('RT_ERR_UNAUTHORIZED', 'Unauthorized: %s', 401),
  RT_ERR_FORBIDDEN: detailed('RT_ERR_FORBIDDEN', 'Forbidden: %s', 403),
  RT_ERR_FORBIDDEN_ORIGIN: fixed('RT_ERR_FORBIDDEN_ORIGIN', 'The origin is not allowed', 403),
  RT_ERR_OTHER_USER: fixed('RT_ERR_OTHER_USER', 'The connection belongs to another user', 403),
  RT_ERR_CONNECTION_NOT_FOUND: fixed('RT_ERR_CONNECTION_NOT_FOUND', 'There is no such connection', 404),
  RT_ERR_NO_ROUTE: fixed('RT_ERR_NO_ROUTE', 'There is nothing here', 404),
  RT_ERR_METHOD: fixed('RT_ERR_METHOD', 'This is a WebSocket endpoint: nothing but GET', 405),
  RT_ERR_UPGRADE_REQUIRED: fixed('RT_ERR_UPGRADE_REQUIRED', 'This is a WebSocket endpoint: send an upgrade', 426),
  RT_ERR_TOO_MANY: detailed('RT_ERR_TOO_MANY', 'Too many: %s', 429),
  RT_ERR_OVERLOADED: detailed('RT_ERR_OVERLOADED', 'Overloaded: %s', 503),
  RT_ERR_DRAINING: fixed('RT_ERR_DRAINING', 'The server is draining: connect to another one', 503)
} as const

/** Code of an error this package throws or rejects with. */
export type RealtimeErrorCode = keyof typeof errors

/** The public error for content that {@link ContentError} refused; anything else comes back as it is. */
export function publicContentError (err: unknown): unknown {
  if (!(err instanceof ContentError)) return err
  switch (err.problem) {
    case 'not_serializable': return new errors.RT_ERR_CONTENT_NOT_SERIALIZABLE(err.message, { cause: err.cause })
    case 'too_deep': return new errors.RT_ERR_CONTENT_TOO_DEEP(err.message, { cause: err.cause })
    case 'too_large': return new errors.RT_ERR_CONTENT_TOO_LARGE(err.message, { cause: err.cause })
  }
}

/** In the global registry, so that a refusal of another copy of this module (ESM beside CommonJS) is one too. */
const REFUSAL = Symbol.for('fastify-realtime.refusal')

/** What goes with a {@link Refusal}. */
export interface RefusalOptions {
  /** Sent to the client as the `content` of the `error` frame: any JSON value. */
  readonly content?: unknown
  /** For the application's own log; never sent. */
  readonly cause?: unknown
}

/**
 * Throw it from a policy, a hook, `onMessage` or a call handler to refuse with a message of your own: the client gets an
 * `error` frame with code `refused`, this message and this content. Any other error is answered `internal` and logged.
 *
 * @example
 * ```ts
 * onMessage (ctx, message) {
 *   if (await isMuted(ctx.user.id)) throw new Refusal('You are muted', { content: { minutes: 5 } })
 * }
 * ```
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code = 'RT_REFUSAL'
  /** Where one escapes into an HTTP handler. */
  readonly statusCode = 403
  readonly content?: unknown
  readonly [REFUSAL] = true

  constructor (message: string, options: RefusalOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    if (options.content !== undefined) this.content = options.content
  }
}

/** Is this a {@link Refusal}, of whichever copy of this module? */
export function isRefusal (err: unknown): err is Refusal {
  return typeof err === 'object' && err !== null && REFUSAL in err && err[REFUSAL] === true
}
