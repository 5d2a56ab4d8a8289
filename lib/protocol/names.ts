import { MAX_POSITION_BYTES } from './position.js'

/** Longest room or user id, in bytes of UTF-8. */
export const MAX_ID_BYTES = 200

/** Longest event name, idempotency key or presence status, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 64

/** What every name must be, for error messages. */
export const NAME_RULE = 'without control characters, braces and lone surrogates'

/**
 * Length in bytes of a name as UTF-8, or -1 when it has a control character (C0, DEL, C1), a brace or a lone surrogate,
 * or when it has more than `max` bytes. Stops at the first reason, so a long string costs no more than `max` steps.
 */
function nameBytes (text: string, max: number): number {
  // A UTF-16 unit is at least one byte.
  if (text.length > max) return -1
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      if (unit < 0x20 || unit === 0x7f || unit === 0x7b || unit === 0x7d) return -1
      bytes += 1
    } else if (unit < 0x800) {
      if (unit < 0xa0) return -1
      bytes += 2
    } else if (unit >= 0xd800 && unit <= 0xdfff) {
      // charCodeAt beyond the end is NaN, which fails both comparisons.
      const next = text.charCodeAt(i + 1)
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return -1
      bytes += 4
      i++
    } else {
      bytes += 3
    }
  }
  return bytes <= max ? bytes : -1
}

function isName (value: unknown, max: number): value is string {
  return typeof value === 'string' && nameBytes(value, max) > 0
}

/** 1 to 200 bytes of well-formed text without control characters and braces. */
export function isRoomId (value: unknown): value is string {
  return isName(value, MAX_ID_BYTES)
}

/** The same rule as {@link isRoomId}. */
export function isUserId (value: unknown): value is string {
  return isName(value, MAX_ID_BYTES)
}

/** 1 to 64 bytes of well-formed text without control characters and braces. */
export function isEventName (value: unknown): value is string {
  return isName(value, MAX_NAME_BYTES)
}

/** An idempotency key: the same rule as {@link isEventName}. */
export function isKey (value: unknown): value is string {
  return isName(value, MAX_NAME_BYTES)
}

/** A presence status: the same rule as {@link isEventName}. */
export function isStatus (value: unknown): value is string {
  return isName(value, MAX_NAME_BYTES)
}

/**
 * Whether a position is short enough to look at. Whether it means anything is for the log's judge to say: a malformed one
 * is an expired one, never an error.
 */
export function isPositionText (value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_POSITION_BYTES && utf8Length(value) <= MAX_POSITION_BYTES
}

/** Bytes of a text as UTF-8, counting a lone surrogate as the three bytes of U+FFFD, without encoding it. */
export function utf8Length (text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) {
      bytes += 1
      continue
    }
    bytes += 2
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const next = text.charCodeAt(i + 1)
      // A pair is four bytes for two units: one of them was counted as three, the other one is skipped.
      if (next >= 0xdc00 && next <= 0xdfff) i++
    }
  }
  return bytes
}
