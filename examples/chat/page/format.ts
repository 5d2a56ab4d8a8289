/* What people read of times and errors. */

const clock = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' })
const calendar = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' })

export function timeOf (timestamp: number): string {
  return clock.format(timestamp)
}

export function dayOf (timestamp: number): string {
  return sameDay(timestamp, Date.now()) ? 'Today' : calendar.format(timestamp)
}

export function sameDay (one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString()
}

export function reasonOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `1 message`, `2 messages`. */
export function counted (count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
