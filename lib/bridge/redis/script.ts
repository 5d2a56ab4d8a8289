import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script as Redis takes it. */
export interface Script {
  readonly source: string
  /** Under which Redis knows it once it has run. */
  readonly sha: string
}

/** Scripts of scripts/, one after the other: those in front hold what the last one uses. */
export function loadScript (...names: readonly string[]): Script {
  const source = names.map((name) => readFileSync(new URL(`scripts/${name}.lua`, import.meta.url), 'utf8')).join('\n')
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
