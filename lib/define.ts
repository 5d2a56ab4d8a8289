import type {
  CallContent, CallDefinition, CallHandler, CallOptions, CallResponse, CallSchema, HandlerFor
} from '../types/calls.js'
import type { DefinedRooms, RoomMap } from '../types/policy.js'

/**
 * Room policies, typed: params from the patterns, content from the schemas of the events. Returns what it is given.
 *
 * An object written inside `register` cannot be inferred, which is why this function exists. A callback that returns what
 * `server.realtime` gave it needs a return type (`join: async (ctx): Promise<boolean> => ...`) once these rooms are part of
 * `Register`: their type would depend on itself otherwise.
 *
 * @example
 * ```ts
 * const rooms = defineRooms({
 *   'chat:{id}': {
 *     join: ({ user, params, server }) => canRead(server.db, user, params.id),
 *     publish: 'members',
 *     events: { message: Type.Object({ text: Type.String({ maxLength: 4000 }) }) },
 *     onMessage: async (ctx, message) => { await save(message) }
 *   }
 * })
 * ```
 */
export function defineRooms<const Rooms extends object> (rooms: DefinedRooms<Rooms>): DefinedRooms<Rooms>
export function defineRooms (rooms: RoomMap): RoomMap {
  return rooms
}

/**
 * A call with its handler, typed by its schemas: pass it to `fastify.realtime.handle`, and its type to `ApiOf`.
 *
 * @example
 * ```ts
 * const getOrder = defineCall('orders.get', {
 *   schema: { content: Type.Object({ id: Type.String() }), response: Order }
 * }, ({ server, user }, { id }) => server.orders.find(user, id))
 * ```
 */
export function defineCall<
  const Event extends string, const Schema extends CallSchema = {}, Result extends CallResponse<Schema> = CallResponse<Schema>
> (
  event: Event, options: CallOptions<Schema>, handler: HandlerFor<Schema, CallContent<Schema>, Result>
): CallDefinition<Event, Schema, Result>
export function defineCall (event: string, options: CallOptions, handler: CallHandler): CallDefinition {
  return { event, schema: options.schema ?? {}, handler }
}
