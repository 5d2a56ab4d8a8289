import type { ConnectionContext, RoomContext } from './context.js'
import type { LeaveReason, RoomMessage } from './message.js'

/** How a connection ended: the WebSocket close code and reason. */
export interface DisconnectReason {
  /** The WebSocket close code; 1006 where the connection broke. */
  readonly code: number
  /** The words beside the code; empty where there were none. */
  readonly reason: string
}

/**
 * The app-wide hooks. Each runs before the room's own callback of the same name, sync or async; throwing refuses,
 * what they return is ignored.
 */
export interface RealtimeHooks {
  /** A connection was authenticated and upgraded; its frames wait until this is done. Throwing closes it. */
  onConnect (ctx: ConnectionContext): unknown
  /**
   * A policy allowed a join that is not acknowledged yet. When this throws, or another `onJoin` does, the join never was: those
   * that went through before it get no `onLeave`, so what one of them took it has to give back by itself.
   */
  onJoin (ctx: RoomContext): unknown
  /** A member published a message that is neither delivered nor acknowledged yet. */
  onMessage (ctx: RoomContext, message: RoomMessage): unknown
  /**
   * A connection is no longer in a room that every `onJoin` let it into. Runs once for each connection, as soon as its membership
   * ends: a dropped one is not waited for over the grace window of presence, and its user may still be in the room with another one.
   * It can refuse nothing; when it throws, that is logged and the other `onLeave` run all the same.
   */
  onLeave (ctx: RoomContext, reason: LeaveReason): unknown
  /** A connection is gone. */
  onDisconnect (ctx: ConnectionContext, reason: DisconnectReason): unknown
}

/** The name of an app-wide hook. */
export type RealtimeHookName = keyof RealtimeHooks
