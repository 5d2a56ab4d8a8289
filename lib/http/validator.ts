import AjvCompiler from '@fastify/ajv-compiler'
import SerializerSelector from '@fastify/fast-json-stringify-compiler'
import type { FastifyInstance } from 'fastify'
import type { Validate, Validation } from '../core/policy.js'
import { errors } from '../errors.js'

/** JSON text of a value. Throws for one that does not match. */
export type Serialize = (value: unknown) => string | Promise<string>

/**
 * Validation of one event or call of an instance, by the rules its HTTP routes follow. Compiled when the app is ready, or at first
 * use before that, so that schemas and compilers which the instance gets later count too.
 *
 * @param what - names it in errors: `event message of room chat:{id}`
 */
export function createValidator (instance: FastifyInstance, schema: object, what: string): Validate {
  return lazy(instance, what, () => {
    const compiler = instance.validatorCompiler
    if (isStandard(schema) && (compiler === undefined || isAjv(compiler))) return standardValidator(schema)
    return compiledValidator(compileValidator(instance, schema))
  })
}

/** Serialization of the answers of one call: a JSON Schema keeps what it does not name to itself, as in a route's response. */
export function createSerializer (instance: FastifyInstance, schema: object, what: string): Serialize {
  return lazy(instance, what, () => {
    if (!isStandard(schema)) return compileSerializer(instance, schema)
    const validate = standardValidator(schema)
    return value => {
      const outcome = validate(value)
      return outcome instanceof Promise ? outcome.then(stringify) : stringify(outcome)
    }
  })
}

/** Scopes in which Fastify's own compilers are set up: those of our routes, by server. */
const scopes = new WeakMap<object, FastifyInstance>()

/**
 * Makes the scope of our routes one with Fastify's own compilers, whatever the app set: our routes are described in JSON Schema.
 * Being built by Fastify, with the app's Ajv options, those compilers also serve events of instances that have no route with
 * a schema.
 *
 * @returns the app's own validator compiler, if it set one
 */
export function useOwnCompilers (scope: FastifyInstance): FastifyInstance['validatorCompiler'] {
  const theirs = scope.validatorCompiler
  if (scope.validatorCompiler !== undefined) scope.setValidatorCompiler(defaultValidatorCompiler(scope))
  if (scope.serializerCompiler !== undefined) scope.setSerializerCompiler(defaultSerializerCompiler(scope))
  scopes.set(scope.server, scope)
  return theirs
}

// --- when ---

/** Compiles on ready, so that a bad schema stops the start, or at the first call before that. */
function lazy<Fn extends (value: unknown) => unknown> (instance: FastifyInstance, what: string, compile: () => Fn): (value: unknown) => ReturnType<Fn>
function lazy (instance: FastifyInstance, what: string, compile: () => (value: unknown) => unknown): (value: unknown) => unknown {
  let compiled: ((value: unknown) => unknown) | undefined
  const get = () => {
    try {
      compiled ??= compile()
    } catch (cause) {
      throw new errors.RT_ERR_OPTION(`the schema of ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
    return compiled
  }
  let started = false
  try {
    instance.addHook('onReady', async () => { get() })
  } catch {
    started = true
  }
  // Declared after the start, where no hook can be added any more.
  if (started) get()
  return value => get()(value)
}

// --- how ---

type ValidatorCompiler = NonNullable<FastifyInstance['validatorCompiler']>
type SerializerCompiler = NonNullable<FastifyInstance['serializerCompiler']>
type Compiled = ReturnType<ValidatorCompiler>

/** What Fastify passes for the body of a route. */
const PLACE = { method: 'POST', url: '/', httpPart: 'body' }

function compileValidator (instance: FastifyInstance, schema: object): Compiled {
  const compilers = [instance.validatorCompiler, shared(instance)?.validatorCompiler]
  return firstThatKnows(compilers, compiler => compiler({ ...PLACE, schema }), () => defaultValidatorCompiler(instance))
}

function compileSerializer (instance: FastifyInstance, schema: object): Serialize {
  const compilers = [instance.serializerCompiler, shared(instance)?.serializerCompiler]
  return firstThatKnows(compilers, compiler => compiler({ method: PLACE.method, url: PLACE.url, httpStatus: '200', schema }),
    () => defaultSerializerCompiler(instance))
}

/**
 * Compiles with the first compiler there is. One inherited from a parent may not know the schemas that this instance added; only
 * then one is made for it, with Fastify's default options.
 */
function firstThatKnows<C, Result> (compilers: (C | undefined)[], compile: (compiler: C) => Result, make: () => C): Result {
  const compiler = compilers.find(candidate => candidate !== undefined)
  if (compiler === undefined) return compile(make())
  try {
    return compile(compiler)
  } catch (err) {
    if (!(err instanceof Error) || !/resolve ref/i.test(err.message)) throw err
    try {
      return compile(make())
    } catch {
      throw err
    }
  }
}

function shared (instance: FastifyInstance): FastifyInstance | undefined {
  return scopes.get(instance.server)
}

function defaultValidatorCompiler (instance: FastifyInstance): ValidatorCompiler {
  const compile: unknown = AjvCompiler()(schemasOf(instance), { customOptions: {} })
  if (!isFunction<ValidatorCompiler>(compile)) throw new TypeError('@fastify/ajv-compiler made no compiler')
  return compile
}

function defaultSerializerCompiler (instance: FastifyInstance): SerializerCompiler {
  const compile: unknown = SerializerSelector()(schemasOf(instance), {})
  if (!isFunction<SerializerCompiler>(compile)) throw new TypeError('@fastify/fast-json-stringify-compiler made no compiler')
  return compile
}

function schemasOf (instance: FastifyInstance): Record<string, object> {
  return Object.fromEntries(Object.entries(instance.getSchemas()).filter((entry): entry is [string, object] => isObject(entry[1])))
}

/** Both compilers are typed for other versions of what they wrap than Fastify's own types name. */
function isFunction<Fn> (value: unknown): value is Fn {
  return typeof value === 'function'
}

/** Does it compile to Ajv's functions? Those cannot read a Standard Schema; any other compiler of the app decides. */
function isAjv (compiler: ValidatorCompiler): boolean {
  try {
    return 'schemaEnv' in compiler({ ...PLACE, schema: { type: 'string' } })
  } catch {
    return false
  }
}

/** As lib/validation.js of Fastify reads what a compiled validator returns. */
function compiledValidator (validate: Compiled): Validate {
  return value => {
    const holder = { content: value === undefined ? null : value }
    // Ajv can only replace the value itself (coercion) where it knows what holds it.
    const call: (...args: unknown[]) => unknown = validate
    const result = 'schemaEnv' in validate
      ? call(holder.content, { parentData: holder, parentDataProperty: 'content' })
      : call(holder.content)
    if (isThenable(result)) {
      // Resolves with the data, which must not be mistaken for { value } or { error }.
      return Promise.resolve(result).then(
        passed => passed === false ? failure(validate.errors) : { ok: true, value: holder.content },
        (err: unknown) => failure(err)
      )
    }
    if (result === false) return failure(validate.errors)
    if (isObject(result)) {
      if ('error' in result && result.error) return failure(result.error)
      if ('value' in result) return { ok: true, value: result.value }
    }
    return { ok: true, value: holder.content }
  }
}

// --- Standard Schema ---

interface StandardSchema {
  readonly '~standard': { validate (value: unknown): unknown }
}

/** A schema that validates by itself: https://standardschema.dev */
function isStandard (schema: object): schema is StandardSchema {
  if (!('~standard' in schema)) return false
  const standard = schema['~standard']
  return isObject(standard) && 'validate' in standard && typeof standard.validate === 'function'
}

function standardValidator (schema: StandardSchema): Validate {
  const read = (result: unknown): Validation => {
    if (!isObject(result)) throw new TypeError('a Standard Schema returned no result')
    if ('issues' in result && result.issues) return failure(result.issues)
    return { ok: true, value: 'value' in result ? result.value : undefined }
  }
  return value => {
    const result = schema['~standard'].validate(value)
    return isThenable(result) ? Promise.resolve(result).then(read) : read(result)
  }
}

function stringify (outcome: Validation): string {
  if (!outcome.ok) throw new TypeError(`the answer does not match its schema: ${outcome.message}`)
  return JSON.stringify(outcome.value) ?? 'null'
}

// --- messages ---

const MAX_MESSAGE = 300

function failure (reason: unknown): Validation {
  return { ok: false, message: describe(reason).slice(0, MAX_MESSAGE) }
}

/** The first of several reasons: Ajv's errors, issues of a Standard Schema, or an error of any other library. */
function describe (reason: unknown): string {
  const list: unknown = isObject(reason) && 'errors' in reason && Array.isArray(reason.errors) ? reason.errors : reason
  const first: unknown = Array.isArray(list) ? list[0] : list
  if (!isObject(first)) return 'content does not match its schema'
  const message = 'message' in first && typeof first.message === 'string' ? first.message : 'does not match its schema'
  const rule = 'keyword' in first && typeof first.keyword === 'string' ? ` (${first.keyword})` : ''
  return `content${pathOf(first)} ${message}${rule}`
}

function pathOf (reason: object): string {
  if ('instancePath' in reason && typeof reason.instancePath === 'string') return reason.instancePath
  if (!('path' in reason) || !Array.isArray(reason.path)) return ''
  const keys = reason.path.map((segment: unknown) => isObject(segment) && 'key' in segment ? segment.key : segment)
  return keys.map(key => `/${String(key)}`).join('')
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && 'then' in value && typeof value.then === 'function'
}
