/* Conversations by key: rooms by their id, people by '@' and name. */

export type RoomId = `chat:${string}`
export type PersonKey = `@${string}`
export type ConversationKey = RoomId | PersonKey | typeof ORDERS

export const ORDERS = 'orders:live'

/** Where everybody is, so that its members are all who are here. */
export const GENERAL: RoomId = 'chat:general'

export const DEFAULT_ROOMS: readonly RoomId[] = [GENERAL, 'chat:random', 'chat:coffee']

export function isPerson (key: ConversationKey): key is PersonKey {
  return key.startsWith('@')
}

export function titleOf (key: ConversationKey): string {
  if (key === ORDERS) return 'Live orders'
  return isPerson(key) ? key.slice(1) : key.slice('chat:'.length)
}

/** As people write it: `#Lunch today` is `chat:lunch-today`. */
export function roomIdOf (input: string): RoomId | undefined {
  const name = input.trim().toLowerCase().replace(/^#/, '').trim().replace(/\s+/g, '-')
  return name === '' ? undefined : `chat:${name}`
}
