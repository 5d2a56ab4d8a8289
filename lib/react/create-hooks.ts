import type { Hooks } from '../../types/react.js'
import { useClient } from './provider.js'
import { useCall } from './use-call.js'
import { useConnection } from './use-connection.js'
import { useDirect } from './use-direct.js'
import { usePresence } from './use-presence.js'
import { useRoom } from './use-room.js'

/**
 * The hooks, typed by an Api: a wrong event, content, call or room id is an error of the compiler. They are the very hooks that are
 * exported beside it; call it once, outside of components.
 *
 * @example
 * ```ts
 * export const { useRoom, usePresence, useDirect, useCall } = createHooks<Api>()
 * ```
 */
export function createHooks<Api> (): Hooks<Api>
export function createHooks (): object {
  return { useClient, useConnection, useRoom, usePresence, useDirect, useCall }
}
