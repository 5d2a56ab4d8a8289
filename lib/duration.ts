const UNITS: ReadonlyMap<string, number> = new Map(Object.entries({
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000
}))

const DURATION = /^(\d{1,12}(?:\.\d{1,6})?) ?([a-z]{1,12})$/

/**
 * A duration in milliseconds: a number, or a text such as `250ms`, `5s`, `5m`, `24h`, `7d`, `1 minute`. `null` when it is
 * neither, and when it is negative or not finite.
 */
export function parseDuration (value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : null
  if (typeof value !== 'string') return null
  const [, amount, name = ''] = DURATION.exec(value) ?? []
  const unit = UNITS.get(name)
  return unit === undefined ? null : Number(amount) * unit
}
