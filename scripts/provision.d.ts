/** Where a program that the tests run is, by its Debian package; undefined: nowhere. Python is one that has the modules of the examples. */
export function findProgram (apt: string): string | undefined
