/** What is under way, and whether it still matters when it arrives. */
export interface Turn {
  /** Nothing of before has any effect from now on. */
  next (): void
  /** Calls the function, such as what cancels a timer, when the turn is over. */
  onNext (fn: () => void): void
  /** The function, as long as the turn lasts. */
  guard<Value = void> (fn: (value: Value) => void): (value: Value) => void
}

export function createTurn (): Turn {
  let turn = 0
  let ends: Array<() => void> = []
  return {
    next () {
      turn++
      ends.forEach((end) => end())
      ends = []
    },
    onNext (fn) {
      ends.push(fn)
    },
    guard (fn) {
      const mine = turn
      return (value) => mine === turn && fn(value)
    }
  }
}
