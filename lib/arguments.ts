import { parseDuration } from './duration.js'
import { errors, publicContentError } from './errors.js'
import { contentText } from './protocol/encode.js'
import type { ContentLimits } from './protocol/encode.js'
import { RESERVED_EVENTS } from './protocol/frames.js'
import { isEventName, isKey, isRoomId, isUserId, MAX_ID_BYTES, MAX_NAME_BYTES, NAME_RULE } from './protocol/names.js'

/**
 * Checks of what an application hands to `fastify.realtime`. Each returns the checked value or throws RT_ERR_BAD_ARGUMENT
 * naming the argument; values are not repeated, they may be anything.
 */
export function checkRoomId (value: unknown): string {
  return isRoomId(value) ? value : refuse('roomId', `must be a string of 1 to ${MAX_ID_BYTES} bytes ${NAME_RULE}`)
}

export function checkUserId (value: unknown, name = 'userId'): string {
  return isUserId(value) ? value : refuse(name, `must be a string of 1 to ${MAX_ID_BYTES} bytes ${NAME_RULE}`)
}

export function checkEvent (value: unknown): string {
  if (!isEventName(value)) return refuse('event', `must be a string of 1 to ${MAX_NAME_BYTES} bytes ${NAME_RULE}`)
  return RESERVED_EVENTS.has(value) ? refuse('event', `must not be one of ${[...RESERVED_EVENTS].join(', ')}`) : value
}

export function checkOptionalKey (value: unknown): string | undefined {
  return value === undefined || isKey(value) ? value : refuse('options.key', `must be a string of 1 to ${MAX_NAME_BYTES} bytes ${NAME_RULE}`)
}

export function checkOptionalText (value: unknown, name: string, maxLength: number): string | undefined {
  if (value === undefined) return undefined
  return typeof value === 'string' && value.length <= maxLength ? value : refuse(name, `must be a string of at most ${maxLength} characters`)
}

export function checkOptionalBoolean (value: unknown, name: string): boolean | undefined {
  return value === undefined || typeof value === 'boolean' ? value : refuse(name, 'must be true or false')
}

export function checkLimit (value: unknown, standard: number, max: number): number {
  if (value === undefined) return standard
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max
    ? value
    : refuse('options.limit', `must be an integer from 1 to ${max}`)
}

export function checkDuration (value: unknown, name: string, standard: number, max: number): number {
  if (value === undefined) return standard
  const ms = parseDuration(value)
  return ms !== null && ms <= max ? ms : refuse(name, `must be a duration of at most ${max} ms, such as 5000 or '5s'`)
}

/** An options object, whatever was given for it; unknown options are named. */
export function checkOptions<Name extends string> (value: unknown, names: readonly Name[]): { readonly [name in Name]?: unknown } {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null) return refuse('options', 'must be an object')
  const known: readonly string[] = names
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) refuse(`options.${name.slice(0, 64)}`, `is not an option: there are ${names.join(', ')}`)
  }
  return value
}

/** @throws RT_ERR_CONTENT_* */
export function checkContent (content: unknown, limits: ContentLimits): string {
  try {
    return contentText(content, limits)
  } catch (err) {
    throw publicContentError(err)
  }
}

function refuse (name: string, rule: string): never {
  throw new errors.RT_ERR_BAD_ARGUMENT(`${name} ${rule}`)
}
