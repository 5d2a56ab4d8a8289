import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import type { CallContext } from './context.js'
import type { InferBy, InferReplyBy } from './provider.js'
import type { AnySchema } from './schema.js'

/** The schemas of a call. Without one, its side is neither checked nor typed. */
export interface CallSchema {
  /** What the client sends. Anything else is answered `invalid_content`. */
  readonly content?: AnySchema
  /** What the handler returns; serialised with it, as replies are in Fastify. */
  readonly response?: AnySchema
}

/** Options of a call. */
export interface CallOptions<Schema = CallSchema> {
  /** Schemas of what is sent and of the answer. Without one, neither is checked nor typed. */
  schema?: Schema
}

/** What a handler is given. */
export type CallContent<Schema, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> =
  Schema extends { readonly content: infer Content } ? InferBy<Provider, Content> : unknown

/** What a handler has to return. */
export type CallResponse<Schema, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> =
  Schema extends { readonly response: infer Response } ? InferReplyBy<Provider, Response> : unknown

/** Answers a call. Throwing a refusal answers `refused`, any other error `internal`. */
export type CallHandler<Content = unknown, Result = unknown> = {
  handler (ctx: CallContext, content: Content): Result | Promise<Result>
}['handler']

/**
 * A {@link CallHandler} that waits for its schema. The condition is always true; as a conditional type it is resolved before the
 * checker looks at a handler written in place, and only then does `return { status: 'open' }` keep its literal types.
 */
export type HandlerFor<Schema, Content, Result> = Schema extends object ? CallHandler<Content, Result> : never

/** A call with its handler, as `defineCall` returns it. */
export interface CallDefinition<Event extends string = string, Schema = CallSchema, Result = unknown> {
  /** The name by which clients call it. */
  readonly event: Event
  /** The schemas it was defined with; empty where there were none. */
  readonly schema: Schema
  /** Answers it. */
  readonly handler: CallHandler<CallContent<Schema>, Result>
}
