import { isRoomId, MAX_ID_BYTES, NAME_RULE } from '../protocol/names.js'

/**
 * Room patterns: segments parted by `:`, each a literal, `{name}` (one segment) or, last only, `{name*}` (the remainder,
 * `:` included).
 */
export interface PatternMatch<T> {
  readonly pattern: string
  readonly params: Readonly<Record<string, string>>
  readonly value: T
}

export class PatternError extends Error {}

type Segment =
  | { readonly kind: 'literal', readonly text: string }
  | { readonly kind: 'param', readonly name: string }
  | { readonly kind: 'rest', readonly name: string }

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>
  param?: Branch<T>
  rest?: Declared<T>
  end?: Declared<T>
}

interface Declared<T> {
  readonly pattern: string
  readonly segments: readonly Segment[]
  readonly value: T
}

const PLACEHOLDER = /^\{([A-Za-z][A-Za-z0-9_]*)(\*?)\}$/

/**
 * Finds the most specific pattern for a room. Two patterns that share rooms must be nested (one matches only rooms the other
 * matches too), which makes "most specific" unique; {@link add} refuses the rest as ambiguous.
 */
export class PatternTable<T> {
  readonly #root: Branch<T> = branch()
  readonly #declared: Array<Declared<T>> = []

  /** @throws {PatternError} malformed, declared before, or ambiguous with a declared pattern. */
  add (pattern: string, value: T): void {
    const segments = parse(pattern)
    for (const other of this.#declared) refuseAmbiguity(pattern, segments, other.pattern, other.segments)
    const declared = { pattern, segments, value }
    this.#declared.push(declared)

    let at = this.#root
    for (const segment of segments) {
      if (segment.kind === 'rest') {
        at.rest = declared
        return
      }
      if (segment.kind === 'param') {
        at.param ??= branch()
        at = at.param
      } else {
        let next = at.literals.get(segment.text)
        if (next === undefined) at.literals.set(segment.text, next = branch())
        at = next
      }
    }
    at.end = declared
  }

  match (roomId: string): PatternMatch<T> | null {
    const parts = roomId.split(':')
    const declared = find(this.#root, parts, 0)
    if (declared === null) return null
    return { pattern: declared.pattern, params: readParams(declared.segments, parts), value: declared.value }
  }
}

function branch<T> (): Branch<T> {
  return { literals: new Map() }
}

// Literal before placeholder before remainder is the order from narrow to wide, because matching patterns are nested.
function find<T> (at: Branch<T>, parts: readonly string[], index: number): Declared<T> | null {
  const part = parts[index]
  if (part === undefined) return at.end ?? null
  if (part === '') return null
  const literal = at.literals.get(part)
  const found = literal === undefined ? null : find(literal, parts, index + 1)
  if (found !== null) return found
  const single = at.param === undefined ? null : find(at.param, parts, index + 1)
  return single ?? at.rest ?? null
}

function readParams (segments: readonly Segment[], parts: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {}
  segments.forEach((segment, index) => {
    if (segment.kind === 'param') params[segment.name] = parts[index] ?? ''
    if (segment.kind === 'rest') params[segment.name] = parts.slice(index).join(':')
  })
  return params
}

function parse (pattern: string): Segment[] {
  const names = new Set<string>()
  const parts = pattern.split(':')
  const segments = parts.map((part, index): Segment => {
    if (part === '') throw new PatternError(`room pattern "${pattern}" has an empty segment`)
    const placeholder = PLACEHOLDER.exec(part)
    if (placeholder === null) {
      if (/[{}]/.test(part)) {
        throw new PatternError(`room pattern "${pattern}": "${part}" is neither a literal nor a whole placeholder such as {id} or {rest*}`)
      }
      return { kind: 'literal', text: part }
    }
    const [, name = '', star] = placeholder
    if (names.has(name)) throw new PatternError(`room pattern "${pattern}" names {${name}} twice`)
    names.add(name)
    if (star === '') return { kind: 'param', name }
    if (index !== parts.length - 1) throw new PatternError(`room pattern "${pattern}": {${name}*} may only come last`)
    return { kind: 'rest', name }
  })
  // The shortest room it stands for: a pattern that no room id can match is a mistake.
  const shortest = segments.map((segment) => segment.kind === 'literal' ? segment.text : 'x').join(':')
  if (!isRoomId(shortest)) throw new PatternError(`room pattern "${quoted(pattern)}" matches no room id: those are 1 to ${MAX_ID_BYTES} bytes ${NAME_RULE}`)
  return segments
}

/** Fit for a log line, whatever is in it. */
function quoted (pattern: string): string {
  return JSON.stringify(pattern.slice(0, MAX_ID_BYTES)).slice(1, -1)
}

function refuseAmbiguity (a: string, as: readonly Segment[], b: string, bs: readonly Segment[]): void {
  let aNarrower = false
  let bNarrower = false
  const length = Math.max(as.length, bs.length)
  for (let i = 0; i < length; i++) {
    const x = as[i]
    const y = bs[i]
    if (x === undefined || y === undefined) return
    if (x.kind === 'rest' || y.kind === 'rest') {
      if (x.kind !== 'rest') aNarrower = true
      if (y.kind !== 'rest') bNarrower = true
      break
    }
    if (x.kind === 'literal' && y.kind === 'literal') {
      if (x.text !== y.text) return
    } else if (x.kind === 'literal') {
      aNarrower = true
    } else if (y.kind === 'literal') {
      bNarrower = true
    }
  }
  if (aNarrower !== bNarrower) return
  throw new PatternError(aNarrower
    ? `room patterns "${a}" and "${b}" are ambiguous: both match some rooms and neither is the more specific one`
    : `room pattern "${a}" matches the same rooms as "${b}"`)
}
