import type { FastifyInstance } from 'fastify'
import type { Retention } from '../bridge/bridge.js'
import type { RoomContext } from '../../types/context.js'
import type { LeaveReason, RoomMessage } from '../../types/message.js'

/** Whether a value matches its schema. `value` is what goes on: coerced, with defaults, as the schema's library makes it. */
export type Validation =
  | { readonly ok: true, readonly value: unknown }
  /** The message names path and rule, and is fit for the client. */
  | { readonly ok: false, readonly message: string }

/** Takes a fresh copy, since validators change what they are given. A throw is a fault of the validator. */
export type Validate = (value: unknown) => Validation | Promise<Validation>

/** A room policy, checked and complete. */
export interface Policy {
  readonly pattern: string
  /** The instance that declared it. */
  readonly server: FastifyInstance
  readonly join: ((ctx: RoomContext) => unknown) | null
  readonly publish: 'members' | 'server' | ((ctx: RoomContext, message: RoomMessage) => unknown)
  /** `null`: any event, unchecked. */
  readonly events: ReadonlyMap<string, Validate> | null
  /** `null`: volatile. */
  readonly retention: Retention | null
  /** Grace window in ms; `null`: no presence. */
  readonly presence: { readonly grace: number } | null
  readonly typing: boolean
  /** Users at most. */
  readonly members: number
  readonly onJoin: ((ctx: RoomContext) => unknown) | null
  readonly onMessage: ((ctx: RoomContext, message: RoomMessage) => unknown) | null
  readonly onLeave: ((ctx: RoomContext, reason: LeaveReason) => unknown) | null
}

/** Rooms whose id begins with this carry a user's own updates; only the server publishes there. */
export const USER_ROOM_PREFIX = 'user:'
