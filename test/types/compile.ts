import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackage, runNode } from '../helpers/package.js'

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
  const { code, output } = await runNode([bin, ...args, '--pretty', 'false'], cwd)
  const errors = output.split('\n').filter((line) => /(^|: )error TS\d+: /.test(line))
  // A compiler that died must not count as one that found nothing.
  if (errors.length === 0 && code !== 0) errors.push(`exit code ${code}: ${output}`)
  return { errors, output }
}

/**
 * Compiles several applications of one folder, in this order, in one process: they share what it has read of the packages they stand on,
 * which is most of the work. Returns the errors of each, with paths relative to the folder.
 */
export async function compileAll (compiler: Compiler, cwd: string, projects: readonly string[]): Promise<Map<string, readonly string[]>> {
  // 7.0 would build several at a time, and one may use what another one emits.
  const inOrder = compiler === '7.0' ? ['--builders', '1'] : []
  const { errors } = await compile(compiler, cwd, ['-b', ...projects, ...inOrder])
  const rest = new Set(errors)
  const found = new Map(projects.map((project) => {
    const folder = project.endsWith('.json') ? dirname(project) : project
    const own = errors.filter((error) => error.startsWith(`${folder}/`))
    own.forEach((error) => rest.delete(error))
    return [project, own]
  }))
  if (rest.size > 0) throw new Error([...rest].join('\n'))
  return found
}

/** Installs the package into `folder`, and the applications next to it. */
export async function install (folder: string): Promise<void> {
  await installPackage(folder)
  cpSync(join(root, 'test/types/consumers'), folder, { recursive: true, filter: (source) => !/\/dist$|\.tsbuildinfo$/.test(source) })
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
