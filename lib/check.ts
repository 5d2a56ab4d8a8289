import { parseDuration } from './duration.js'
import { errors } from './errors.js'

/**
 * Small checkers that options are described with. Each knows what it accepts, in words, so that an error and the
 * documentation say the same.
 */
export interface Check<T> {
  /** What is accepted: "an integer from 1 to 128". */
  readonly expected: string
  /** The default as one would write it; `undefined` where there is none. */
  readonly standard?: unknown
  /** The checks of an object's keys. */
  readonly shape?: Shape
  /** The value to work with; `undefined` gives the default. Throws RT_ERR_OPTION naming `path`. */
  read (value: unknown, path: string): T
}

export type Shape = Readonly<Record<string, Check<unknown>>>

export type Checked<S extends Shape> = { readonly [Key in keyof S]: S[Key] extends Check<infer T> ? T : never }

export function refuse (path: string, expected: string, value: unknown): never {
  throw new errors.RT_ERR_OPTION(`${path === '' ? 'the options' : path} must be ${expected}, got ${describe(value, path)}`)
}

/** A short description of a value for an error; below `auth` and `redis` only its type, since it may be a secret. */
function describe (value: unknown, path: string): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return isPlainObject(value) ? 'an object' : 'an object that is not a literal'
  if (typeof value === 'function') return 'a function'
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) + (value.length > 40 ? '...' : '') : String(value)
  // What stands before an @ in a URL is a password.
  const secret = /^(auth|redis)\b/.test(path) || shown.includes('@')
  return secret ? `a ${typeof value}` : `the ${typeof value} ${shown}`
}

/** An object written as a literal, not a Map, a class instance or the like, whose content would be overlooked. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // By the prototype's prototype, so that a literal of another realm is one too.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * What TypeScript users are held to by their compiler and nobody can check at run time: the signature of a function.
 */
export function isFunction<F extends (...args: never[]) => unknown> (value: unknown): value is F {
  return typeof value === 'function'
}

/** Options handed on to another package, which checks their values itself. */
export function isForeignOptions<T extends object> (value: unknown): value is T {
  return isPlainObject(value)
}

export interface IntegerRule {
  readonly standard: number
  readonly min: number
  readonly max: number
  /** Whether `Infinity` is accepted. */
  readonly unlimited?: boolean
}

export function integer ({ standard, min, max, unlimited = false }: IntegerRule): Check<number> {
  const expected = `an integer from ${min} to ${max}${unlimited ? ', or Infinity' : ''}`
  return {
    expected,
    standard,
    read (value = standard, path) {
      if (unlimited && value === Infinity) return Infinity
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : refuse(path, expected, value)
    }
  }
}

export interface DurationRule {
  readonly standard: string
  readonly min: string
  readonly max: string
}

/** A duration, resolved to whole milliseconds. */
export function duration ({ standard, min, max }: DurationRule): Check<number> {
  const expected = `a duration from ${min} to ${max} (milliseconds, or text such as "${standard}")`
  const least = parseDuration(min) ?? 0
  const most = parseDuration(max) ?? 0
  return {
    expected,
    standard,
    read (value = standard, path) {
      const ms = parseDuration(value)
      return ms !== null && ms >= least && ms <= most ? Math.round(ms) : refuse(path, expected, value)
    }
  }
}

export function boolean (standard: boolean): Check<boolean> {
  return {
    expected: 'a boolean',
    standard,
    read: (value = standard, path) => typeof value === 'boolean' ? value : refuse(path, 'a boolean', value)
  }
}

/** A function, or `null` when there is none. */
export function callback<F extends (...args: never[]) => unknown> (): Check<F | null> {
  return {
    expected: 'a function',
    read: (value, path) => value === undefined ? null : isFunction<F>(value) ? value : refuse(path, 'a function', value)
  }
}

/** An object with these keys and no others; without it, that of all defaults. */
export function object<S extends Shape> (shape: S): Check<Checked<S>> {
  return {
    expected: 'an object',
    shape,
    read: (value = {}, path) => {
      if (!isPlainObject(value)) return refuse(path, 'an object', value)
      refuseUnknown(value, Object.keys(shape), path)
      return readShape(shape, value, path)
    }
  }
}

export function join (path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function readShape<S extends Shape> (shape: S, source: Record<string, unknown>, path: string): Checked<S> {
  const values = Object.entries(shape).map(([key, check]) => [key, check.read(own(source, key), join(path, key))])
  // Object.fromEntries forgets which key has which type; the line above reads each with the check of its own key.
  return Object.fromEntries(values) as Checked<S>
}

function own (source: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(source, key) ? source[key] : undefined
}

/** Refuses every name that is not known. */
export function refuseUnknown (source: object, known: readonly string[], path: string): void {
  refuseMisspelt(source, known, path)
  const unknown = Object.keys(source).find((key) => !known.includes(key))
  if (unknown !== undefined) throw unknownOption(path, unknown, `known here: ${known.join(', ')}`)
}

/** Refuses names that look like a known one, where others may know names of their own. */
export function refuseMisspelt (source: object, known: readonly string[], path: string): void {
  for (const key of Object.keys(source)) {
    const near = known.includes(key) ? undefined : nearest(key, known)
    if (near !== undefined) throw unknownOption(path, key, `did you mean ${join(path, near)}?`)
  }
}

function unknownOption (path: string, key: string, hint: string): Error {
  return new errors.RT_ERR_OPTION(`${join(path, key.slice(0, 64))} is unknown; ${hint}`)
}

/** The name that a misspelt one probably stands for. */
function nearest (name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.edits - b.edits)
  return ranked[0]?.candidate
}

/** Edits between two words, a swap of neighbours being one. */
function distance (a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits = Math.min(edits, at(before, j - 2) + 1)
      row.push(edits)
    }
    before = last
    last = row
  }
  return at(last, b.length)
}

function at (row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
