/** Milliseconds, or a number with a unit: `'500ms'`, `'25s'`, `'5m'`, `'24h'`, `'7d'`. */
export type Duration = number | string

/** So many in so long. */
export interface Rate {
  /** How many. */
  max: number
  /** In how long, in milliseconds or as `'10s'`. */
  timeWindow: Duration
}
