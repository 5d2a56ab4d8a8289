import type { Register } from './register.js'

/** A user of whom nothing is known but the id: the claims of the credential. */
export interface AnyUser {
  /** Who this is, in every room and on every node: 1 to 200 bytes. */
  readonly id: string
  readonly [claim: string]: unknown
}

/** The user of a connection: `Register['user']` where the application declared it, else {@link AnyUser}. */
export type RealtimeUser = Register extends { user: infer User } ? User & { readonly id: string } : AnyUser
