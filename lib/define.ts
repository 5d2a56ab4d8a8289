import type { RoomMap } from '../types/policy.js'
import type { CallContext } from '../types/context.js'
import type { CallDefinition, CallSchema } from '../types/realtime.js'

/** Room policies, typed: params from the patterns, content from the schemas of the events. */
export function defineRooms<const Rooms extends RoomMap> (rooms: Rooms): Rooms {
  return rooms
}

/** A call with its handler, typed by its schemas. */
export function defineCall (
  event: string, options: { schema?: CallSchema }, handler: (ctx: CallContext, content: unknown) => unknown
): CallDefinition {
  return { event, schema: options.schema ?? {}, handler }
}
