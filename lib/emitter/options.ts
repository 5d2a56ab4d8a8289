import type { Retention } from '../bridge/bridge.js'
import { callback, object, refuse } from '../check.js'
import { PatternError, PatternTable } from '../core/pattern.js'
import { errors } from '../errors.js'
import { roomMap } from '../option-checks.js'
import { resolvePolicy, shared } from '../options.js'
import { redis } from '../redis-option.js'
import type { ResolvedRedis } from '../redis-option.js'

/** Bounds of a log, as far as an emitter can know them. */
export interface Bounds {
  /** `null`: there is no log. */
  readonly retention: Retention | null
  /** Whether they are those of the servers; if not, they are for a log that has none yet. */
  readonly known: boolean
}

export interface ResolvedEmitterOptions {
  readonly redis: ResolvedRedis
  readonly inbox: Bounds
  /** How long a key is remembered, in ms. */
  readonly keyTtl: number
  readonly onError: ((error: Error) => void) | null
  room (roomId: string): Bounds
}

const check = object({ redis: redis(), rooms: roomMap(), ...shared, onError: callback<(error: Error) => void>() })

/** @throws RT_ERR_OPTION, RT_ERR_PATTERN */
export function resolveEmitterOptions (input: unknown): ResolvedEmitterOptions {
  const { redis, rooms, inbox, idempotency, onError } = check.read(input, '')
  if (redis === null) return refuse('redis', 'given: an emitter has nothing else to publish to', undefined)
  const patterns = new PatternTable<Bounds>()
  for (const [pattern, policy] of Object.entries(rooms)) add(patterns, pattern, policy)
  const standard: Bounds = { retention: resolvePolicy('{room*}', {}).history, known: false }
  const given = typeof input === 'object' && input !== null && 'inbox' in input && input.inbox !== undefined
  return {
    redis,
    inbox: { retention: inbox, known: given },
    keyTtl: idempotency.ttl,
    onError,
    room: (roomId) => patterns.match(roomId)?.value ?? standard
  }
}

function add (patterns: PatternTable<Bounds>, pattern: string, policy: unknown): void {
  const { history } = resolvePolicy(pattern, policy)
  try {
    patterns.add(pattern, { retention: history, known: true })
  } catch (error) {
    if (error instanceof PatternError) throw new errors.RT_ERR_PATTERN(error.message)
    throw error
  }
}
