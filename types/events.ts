import type { AnySchema } from './schema.js'

/** Event names that clients use for themselves, so that no room may declare them. */
export type ReservedEvent = 'presence' | 'typing' | 'reset' | 'left' | 'error'

/** What the compiler shows where a room declares such a name. */
export interface ReservedEventName {
  readonly 'this event name is reserved': never
}

/** Schemas by event. */
export type EventMap =
  { readonly [event: string]: AnySchema } & { readonly [Event in ReservedEvent]?: ReservedEventName }

/** Where a policy keeps the type of its events. There is no such value. */
export declare const eventsOf: unique symbol

/** Any event with any content. */
export interface AnyEvents {
  readonly [event: string]: unknown
}
