/** What is under way, and whether it still matters when it arrives. */
export interface Turn {
  /** Nothing of before has any effect from now on. */
  next (): void
  /** The function, as long as the turn lasts. */
  guard<Value = void> (fn: (value: Value) => void): (value: Value) => void
}

export function createTurn (): Turn {
  let turn = 0
  return {
    next () {
      turn++
    },
    guard (fn) {
      const mine = turn
      return (value) => mine === turn && fn(value)
    }
  }
}
