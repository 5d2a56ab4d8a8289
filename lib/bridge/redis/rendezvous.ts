import { hash } from 'node:crypto'

/** Places remembered; when there are more, all are found anew. */
const MAX_KNOWN = 20_000

/**
 * Shares subjects out over servers: each is on the one whose name, a line break and the subject have the greatest SHA-1 together. The
 * order of the list does not matter, and a server that is added takes its share evenly from all others and moves nothing else.
 *
 * @param names - of the servers, all different
 * @returns the index of a subject's server
 */
export function createRendezvous (names: readonly string[]): (subject: string) => number {
  if (names.length === 1) return () => 0
  const known = new Map<string, number>()
  return (subject) => {
    const place = known.get(subject)
    if (place !== undefined) return place
    if (known.size >= MAX_KNOWN) known.clear()
    const found = choose(names, subject)
    known.set(subject, found)
    return found
  }
}

function choose (names: readonly string[], subject: string): number {
  let best = ''
  let found = 0
  for (const [index, name] of names.entries()) {
    const weight = hash('sha1', `${name}\n${subject}`, 'hex')
    if (weight > best) [best, found] = [weight, index]
  }
  return found
}
