// Fails when the tests reach less of lib/ than they did. Lines that only declare types count as missed, so 100 cannot be had.
import { readFileSync } from 'node:fs'

const FLOOR = 85

const summary = JSON.parse(readFileSync(new URL('../.tap/report/coverage-summary.json', import.meta.url), 'utf8'))
const lib = new URL('../lib/', import.meta.url).pathname
const files = Object.entries(summary).filter(([file]) => file.startsWith(lib)).map(([, { lines }]) => lines)
const total = files.reduce((sum, lines) => sum + lines.total, 0)
const covered = files.reduce((sum, lines) => sum + lines.covered, 0)
const percent = 100 * covered / total

console.log(`lines of lib/ that the tests reach: ${percent.toFixed(1)} % (at least ${FLOOR})`)
if (!(percent >= FLOOR)) process.exitCode = 1
