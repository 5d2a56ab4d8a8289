/**
 * An option that is a number of messages.
 *
 * @throws {RangeError} outside of its bounds
 */
export function check (name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`)
}
