/**
 * What an application declares about itself, once, so that `fastify.realtime` is typed everywhere.
 *
 * @example
 * ```ts
 * declare module 'fastify-realtime' {
 *   interface Register { api: Api, user: User }
 * }
 * ```
 *
 * `api` is what {@link ApiOf} derives, or the same shape written by hand; `user` is what `auth` makes of a credential.
 */
export interface Register {}

/** The Api the application declared, or `unknown`. */
export type RegisteredApi = Register extends { api: infer Api } ? Api : unknown
