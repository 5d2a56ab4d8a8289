const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Whether a JSON text nests arrays and objects deeper than `limit`; `[]` is 1 deep. One pass, stopped by the first bracket
 * too many, so that text from outside can be refused before anything recursive sees it: JSON.parse takes 64 KB of nested
 * arrays, JSON.stringify and structuredClone then overflow the stack on the result. The answer for text that is not JSON
 * means nothing.
 */
export function isDeeperThan (text: string, limit: number): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) {
      i = endOfString(text, i + 1)
    } else if (unit === OPEN_ARRAY || unit === OPEN_OBJECT) {
      if (++depth > limit) return true
    } else if (unit === CLOSE_ARRAY || unit === CLOSE_OBJECT) {
      depth--
    }
  }
  return false
}

/** Index of the quote that closes the string whose text begins at `start`. */
function endOfString (text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) return i
    if (unit === BACKSLASH) i++
  }
  return text.length
}
