// What the client weighs in a bundle, minified and compressed; fails beyond the budget.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'

/** Bytes for the client alone; what is imported besides is on top of it. */
const BUDGET = 6 * 1024

const parts = {
  createClient: BUDGET,
  shareTabs: 7 * 1024
}

/** One file of what somebody who imports these names needs. */
async function bundle (names, minifyIdentifiers) {
  const { outputFiles: [file] } = await build({
    stdin: { contents: `export { ${names} } from './lib/client/index.ts'`, resolveDir: '.', loader: 'ts' },
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true,
    minifyIdentifiers,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false
  })
  return file.text
}

const compressed = (text) => gzipSync(text, { level: 9 }).length

for (const [names, budget] of Object.entries(parts)) {
  // Names are shortened by Terser, which has them compress better than those of esbuild alone; so its size is told as well.
  const { code } = await minify(await bundle(names, false), { module: true })
  const size = compressed(code)
  const verdict = size <= budget ? '' : `  over its budget of ${budget}`
  console.log(`${names}: ${code.length} bytes, ${size} compressed (${compressed(await bundle(names, true))} by esbuild alone)${verdict}`)
  if (verdict !== '') process.exitCode = 1
}
