import type { Register } from './register.js'

/** A user of whom nothing is known but the id: the claims of the credential. */
export interface AnyUser {
  /** Who this is, in every room and on every node: 1 to 200 bytes. */
  readonly id: string
  readonly [claim: string]: unknown
}

/**
 * The user of a connection: `Register['user']` where the application declared it, else {@link AnyUser}. Plain JSON: a renewal hands it
 * to the node that holds the connection, and one with a date, a bigint or a class instance in it is refused, on one node too.
 */
export type RealtimeUser = Register extends { user: infer User } ? User & { readonly id: string } : AnyUser
