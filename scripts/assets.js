// Puts what the compiler leaves behind, the scripts that run inside Redis, into a build: node scripts/assets.js [folder]
import { cpSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [out = join(root, 'dist')] = process.argv.slice(2)

for (const entry of readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.lua')) continue
  const file = join(entry.parentPath, entry.name)
  cpSync(file, join(out, relative(root, file)))
}
