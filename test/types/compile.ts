import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The compilers that the types are promised for. */
export type Compiler = '5.9' | '6.0' | '7.0'

export const everyCompiler: readonly Compiler[] = ['5.9', '6.0', '7.0']

/** Where they are in node_modules. */
const packages: ReadonlyMap<Compiler, string> = new Map([['5.9', 'typescript-5.9'], ['6.0', 'typescript'], ['7.0', 'typescript-7.0']])

/** How long a file of these tests may take on a busy machine, in ms; alone on two cores it is a fraction of it. */
export const PATIENCE = 400_000

export interface Compilation {
  /** Every error, with paths relative to the folder it ran in. */
  readonly errors: readonly string[]
  readonly output: string
}

let free = Math.max(1, Math.min(4, availableParallelism()))
const waiting: Array<() => void> = []

async function turn (): Promise<void> {
  if (free > 0) {
    free--
    return
  }
  await new Promise<void>((resolve) => waiting.push(resolve))
}

function done (): void {
  const next = waiting.shift()
  if (next === undefined) free++
  else next()
}

/** Runs a compiler, not more of them at once than there are cores. */
export async function compile (compiler: Compiler, cwd: string, args: readonly string[]): Promise<Compilation> {
  await turn()
  try {
    return await run(compiler, cwd, args)
  } finally {
    done()
  }
}

async function run (compiler: Compiler, cwd: string, args: readonly string[]): Promise<Compilation> {
  const bin = join(root, 'node_modules', packages.get(compiler) ?? '', 'bin', 'tsc')
  const command = [process.execPath, bin, '--pretty', 'false', ...args]
  // tap puts itself into every Node process through NODE_OPTIONS, whatever `env` says. A compiler is slow with it, and 7.0 does not
  // start at all, so it is taken away on the way.
  const [file = '', ...rest] = process.platform === 'win32' ? command : ['env', '-u', 'NODE_OPTIONS', ...command]
  const child = spawn(file, rest, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: string[] = []
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve, reject) => { child.once('error', reject).once('close', resolve) })
  const output = chunks.join('')
  const errors = output.split('\n').filter((line) => /(^|: )error TS\d+: /.test(line))
  // A compiler that died must not count as one that found nothing.
  if (errors.length === 0 && code !== 0) errors.push(`exit code ${code}: ${output}`)
  return { errors, output }
}

/**
 * Puts what an application gets from npm into `folder`/node_modules/fastify-realtime: the manifest and the declarations,
 * built from the sources as they are now. Also copies the applications next to it.
 */
export async function install (folder: string): Promise<Compilation> {
  const home = join(folder, 'node_modules', 'fastify-realtime')
  const built = await compile('6.0', root, [
    '-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--sourceMap', 'false', '--inlineSources', 'false', '--outDir', join(home, 'dist')
  ])
  // The very build that is published: what does not build here cannot be packed.
  if (built.errors.length > 0) throw new Error(`the package does not build: ${built.output}`)
  cpSync(join(root, 'package.json'), join(home, 'package.json'))
  cpSync(join(root, 'test/types/consumers'), folder, { recursive: true, filter: (source) => !source.endsWith('/dist') })
  return built
}

/** Options of a program that is made up in a test; the applications have their own. */
export function writeProgram (folder: string, files: readonly string[], options: Readonly<Record<string, unknown>>): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, target: 'es2023', module: 'nodenext', types: ['node'], noEmit: true, ...options }, files
  }))
}

/** A number of `--extendedDiagnostics`. */
export function diagnostic (output: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(output)?.[1]
  if (value === undefined) throw new Error(`no ${name} in: ${output}`)
  return Number(value)
}

/** The files a program loaded, from `--listFiles`, relative to a folder. */
export function loadedFiles (output: string, folder: string): string[] {
  return output.split('\n').filter((line) => line.startsWith('/') || /^[A-Z]:/.test(line)).map((line) => relative(folder, line.trim()))
}
