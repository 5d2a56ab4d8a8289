import type { FastifyTypeProvider } from 'fastify'
import type { Infer } from './infer.js'

/** What a validated content is: the word of the instance's type provider, and {@link Infer} where it has none. */
export type InferBy<Provider extends FastifyTypeProvider, Schema> =
  (Provider & { schema: Schema })['validator'] extends infer Content
    ? unknown extends Content ? Infer<Schema> : Content
    : never

/** The same for what a handler returns. */
export type InferReplyBy<Provider extends FastifyTypeProvider, Schema> =
  (Provider & { schema: Schema })['serializer'] extends infer Content
    ? unknown extends Content ? Infer<Schema> : Content
    : never
