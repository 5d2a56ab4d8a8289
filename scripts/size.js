// What the client weighs in a bundle, minified and compressed; fails beyond the budget.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** Bytes for the client alone; what is imported besides is on top of it. */
const BUDGET = 6 * 1024

const parts = {
  createClient: BUDGET,
  shareTabs: 7 * 1024
}

for (const [names, budget] of Object.entries(parts)) {
  const { outputFiles: [bundle] } = await build({
    stdin: { contents: `export { ${names} } from './lib/client/index.ts'`, resolveDir: '.', loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false
  })
  const size = gzipSync(bundle.contents, { level: 9 }).length
  const verdict = size <= budget ? '' : `  over its budget of ${budget}`
  console.log(`${names}: ${bundle.contents.length} bytes, ${size} compressed${verdict}`)
  if (verdict !== '') process.exitCode = 1
}
