/**
 * What anyone may be told of why Redis cannot be used: our own words, and the code of a refusal. What a system says of an error names
 * hosts.
 */
export function publicReason (reason: string): string {
  const [words = ''] = reason.split(/[:(]/)
  const code = /^Redis refused: (?:.*: -)?([A-Z]+)\b/.exec(reason)?.[1]
  return code === undefined ? words.trim() : `${words}: ${code}`
}
