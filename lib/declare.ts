import type { FastifyInstance } from 'fastify'
import type { Call } from './core/calls.js'
import type { RealtimeNode } from './core/node.js'
import { PatternError } from './core/pattern.js'
import type { Policy, Validate } from './core/policy.js'
import { errors } from './errors.js'
import { createSerializer, createValidator } from './http/validator.js'
import { resolvePolicy } from './options.js'
import { RESERVED_EVENTS } from './protocol/frames.js'
import { isEventName } from './protocol/names.js'

/** What declarations default to. */
export interface DeclarationDefaults {
  /** `limits.members`. */
  readonly members: number
}

/** Makes a policy of what was written for a pattern; the room belongs to the instance that declares it. */
export function declareRoom (node: RealtimeNode, server: FastifyInstance, defaults: DeclarationDefaults, pattern: string, input: unknown): void {
  const policy = compilePolicy(server, defaults, pattern, input)
  try {
    node.policies.add(pattern, policy)
  } catch (err) {
    if (err instanceof PatternError) throw new errors.RT_ERR_PATTERN(err.message)
    throw err
  }
}

/** The policy of a room `user:<userId>` that no pattern matches: only the server is there. */
export function userRoomPolicy (server: FastifyInstance, defaults: DeclarationDefaults): Policy {
  return compilePolicy(server, defaults, 'user:{userId}', {})
}

function compilePolicy (server: FastifyInstance, defaults: DeclarationDefaults, pattern: string, input: unknown): Policy {
  const { join, publish, events, history, presence, typing, members, onJoin, onMessage, onLeave } = resolvePolicy(pattern, input)
  return {
    pattern,
    server,
    join,
    publish,
    events: events === null ? null : compileEvents(server, pattern, events),
    retention: history,
    presence,
    typing,
    members: members ?? defaults.members,
    onJoin,
    onMessage,
    onLeave
  }
}

function compileEvents (server: FastifyInstance, pattern: string, events: ReadonlyMap<string, object>): ReadonlyMap<string, Validate> {
  return new Map([...events].map(([event, schema]) => [event, createValidator(server, schema, `event "${event}" of room "${pattern}"`)]))
}

export function declareCall (node: RealtimeNode, server: FastifyInstance, event: unknown, options: unknown, handler: unknown): void {
  if (!isEventName(event) || RESERVED_EVENTS.has(event)) {
    throw new errors.RT_ERR_BAD_ARGUMENT('the event of a call must be a name of 1 to 64 bytes that is not reserved')
  }
  if (typeof handler !== 'function') throw new errors.RT_ERR_BAD_ARGUMENT(`the handler of the call "${event}" must be a function`)
  const { content, response } = callSchemas(event, options)
  const call: Call = {
    event,
    server,
    validate: content === undefined ? null : createValidator(server, content, `content of call "${event}"`),
    serialize: response === undefined ? null : createSerializer(server, response, `response of call "${event}"`),
    handler: (ctx, value) => handler(ctx, value)
  }
  if (!node.calls.add(call)) throw new errors.RT_ERR_CALL_EXISTS(event)
}

function callSchemas (event: string, options: unknown): { content?: object, response?: object } {
  if (options === undefined) return {}
  if (!isObject(options)) throw new errors.RT_ERR_BAD_ARGUMENT(`the options of the call "${event}" must be an object`)
  refuseUnknown(event, options, ['schema'])
  const { schema } = options
  if (schema === undefined) return {}
  if (!isObject(schema)) throw new errors.RT_ERR_BAD_ARGUMENT(`the schema of the call "${event}" must be an object`)
  refuseUnknown(event, schema, ['content', 'response'])
  const { content, response } = schema
  if ((content !== undefined && !isSchema(content)) || (response !== undefined && !isSchema(response))) {
    throw new errors.RT_ERR_BAD_ARGUMENT(`the schemas of the call "${event}" must be objects`)
  }
  return { content, response }
}

function refuseUnknown (event: string, value: object, known: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw new errors.RT_ERR_BAD_ARGUMENT(`the call "${event}" has an unknown option "${name.slice(0, 64)}": there are ${known.join(', ')}`)
    }
  }
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** Some libraries make callable schemas. */
function isSchema (value: unknown): value is object {
  return isObject(value) || typeof value === 'function'
}
