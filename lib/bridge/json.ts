/** Deeper than this nothing is sent; it is also where a cycle ends. */
const MAX_DEPTH = 100

/**
 * JSON text of what goes from node to node. What would arrive there as something else (a date as text, a map as nothing) is
 * refused, so that it fails in the same way whether there is another node or not.
 *
 * @param what - names the value in the error: `command`
 * @throws {TypeError} names the place of what does not fit
 */
export function toJson (value: object, what: string): string {
  check(value, what, 0)
  return JSON.stringify(value)
}

function check (value: unknown, path: string, depth: number): void {
  if (depth > MAX_DEPTH) throw new TypeError(`${path.slice(0, 100)}... is nested too deeply to be sent to other nodes`)
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (Number.isFinite(value)) return
      throw unfit(path, String(value))
    case 'object':
      if (value === null) return
      if (Array.isArray(value)) value.forEach((item: unknown, index) => check(item, `${path}[${index}]`, depth + 1))
      else if (isPlain(value)) checkFields(value, path, depth)
      else throw unfit(path, `a ${value.constructor?.name ?? 'value'}`)
      return
    default:
      throw unfit(path, typeof value)
  }
}

function checkFields (value: object, path: string, depth: number): void {
  for (const [name, field] of Object.entries(value)) {
    // Left out on the way, which is what it means.
    if (field !== undefined) check(field, `${path}.${name}`, depth + 1)
  }
}

function isPlain (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function unfit (path: string, what: string): TypeError {
  return new TypeError(`${path} is ${what}, which does not survive JSON and so cannot be sent to other nodes`)
}
