/** Where a program that the tests run is, by its Debian package; undefined: nowhere. */
export function findProgram (apt: string): string | undefined
