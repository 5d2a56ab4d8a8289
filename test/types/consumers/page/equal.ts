/** True if both are the same type; `any` equals nothing but itself. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Does not compile unless both types are the same. */
export function equal<A, B> (same: Equal<A, B>): void {
  if (!same) throw new Error('not the same type')
}
