/** How long after the last sign of it somebody counts as typing, in ms. */
const ENDS = 5_000

/** The components of one room in which this user types. */
export interface Typists {
  set (typist: object, typing: boolean): void
  /** A message was sent, which ends typing by itself. */
  clear (): void
}

/** @param tell - called with whether this user types anywhere */
export function createTypists (tell: (typing: boolean) => void): Typists {
  const timers = new Map<object, ReturnType<typeof setTimeout>>()

  function stop (typist: object): void {
    clearTimeout(timers.get(typist))
    // One that did not type has nothing to end: somebody else may.
    if (timers.delete(typist)) tell(timers.size > 0)
  }

  return {
    set (typist, typing) {
      if (!typing) return stop(typist)
      clearTimeout(timers.get(typist))
      timers.set(typist, setTimeout(() => stop(typist), ENDS))
      tell(true)
    },
    clear () {
      timers.forEach((timer) => clearTimeout(timer))
      timers.clear()
    }
  }
}
