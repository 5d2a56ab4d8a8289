import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What the package is made of, and what it is made with. */
const sources = ['lib', 'types', 'scripts/assets.js', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']

/** What stands in it beside what is built. */
const additions = ['package.json', 'README.md', 'LICENSE', 'docs']

const builds = join(root, 'node_modules', '.cache', 'fastify-realtime')

/**
 * Runs a program of Node's. tap puts itself into every Node process through NODE_OPTIONS, whatever `env` says: that makes a compiler slow
 * and keeps TypeScript 7.0 from starting at all, so it is taken away on the way.
 */
export async function runNode (args: readonly string[], cwd: string): Promise<{ code: number, output: string }> {
  const [file = '', ...rest] = process.platform === 'win32' ? [process.execPath, ...args] : ['env', '-u', 'NODE_OPTIONS', process.execPath, ...args]
  try {
    const { stdout, stderr } = await promisify(execFile)(file, rest, { cwd, maxBuffer: 64 * 1024 * 1024 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { code: error.code, output: error.stdout + error.stderr }
  }
}

function isFailure (error: unknown): error is { code: number, stdout: string, stderr: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'stdout' in error && 'stderr' in error
}

/**
 * Puts what an application gets from npm into `folder`/node_modules/fastify-realtime, built from the sources as they are now.
 * Returns where it is.
 */
export async function installPackage (folder: string): Promise<string> {
  const home = join(folder, 'node_modules', 'fastify-realtime')
  mkdirSync(home, { recursive: true })
  cpSync(await build(), join(home, 'dist'), { recursive: true })
  for (const name of additions) cpSync(join(root, name), join(home, name), { recursive: true })
  // A package of its own: as a part of this one it would find the sources under the package's name.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  return home
}

/**
 * The very build that is published: what does not build here cannot be packed. It takes its time, so that those with the same sources
 * share one, whatever process they are.
 */
async function build (): Promise<string> {
  const built = join(builds, fingerprint())
  if (existsSync(built)) return built
  mkdirSync(builds, { recursive: true })
  const fresh = mkdtempSync(join(builds, 'fresh-'))
  try {
    const { code, output } = await runNode([join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh], root)
    if (code !== 0) throw new Error(`the package does not build: ${output}`)
    await runNode([join(root, 'scripts/assets.js'), fresh], root)
    try {
      renameSync(fresh, built)
    } catch (error) {
      // Somebody else was faster, with the same.
      if (!existsSync(built)) throw error
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  forgetOld()
  return built
}

/** Builds of sources that are no more; those of today may be in use. */
function forgetOld (): void {
  for (const name of readdirSync(builds)) {
    const { mtimeMs } = statSync(join(builds, name), { throwIfNoEntry: false }) ?? { mtimeMs: Infinity }
    if (mtimeMs < Date.now() - 86_400_000) rmSync(join(builds, name), { recursive: true, force: true })
  }
}

function fingerprint (): string {
  const hash = createHash('sha256')
  for (const source of sources) {
    for (const file of filesOf(source)) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update('\0')
  }
  return hash.digest('hex').slice(0, 16)
}

/** A file, or the files of a folder, from the root of the project. */
function filesOf (path: string): string[] {
  if (/\.js(on)?$/.test(path)) return [path]
  return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort()
}
