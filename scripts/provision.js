// Sees to it that the programs which the tests run beside Node are there: installs them through the system's package manager where
// that is allowed, and otherwise says in one line what to install.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Environment variables that name another program, the names it may have on the PATH, and its Debian package. For Python also the modules
 * that it must be able to import, with their packages: there may be several of it, and Debian's packages are for Debian's own.
 */
const programs = [
  { variable: 'CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'], apt: 'chromium' },
  { variable: 'REDIS_SERVER', names: ['redis-server', 'valkey-server'], apt: 'redis-server' },
  // Not NGINX: nginx itself takes that for the sockets it inherits.
  { variable: 'NGINX_PROGRAM', names: ['nginx'], apt: 'nginx' },
  { variable: 'HAPROXY_PROGRAM', names: ['haproxy'], apt: 'haproxy' },
  { variable: 'OPENSSL_PROGRAM', names: ['openssl'], apt: 'openssl' },
  {
    variable: 'PYTHON',
    names: ['python3'],
    apt: 'python3',
    modules: { redis: 'python3-redis', fastapi: 'python3-fastapi', uvicorn: 'python3-uvicorn', aiohttp: 'python3-aiohttp' }
  }
]

/** Where Debian puts programs that are started by the system, and where the PATH of ordinary users does not look. */
const system = ['/usr/sbin', '/usr/local/sbin']

/** In ms. A package manager that waits for an answer, or for a mirror that is not there, must not hold up the tests for ever. */
const PATIENCE = 10 * 60_000

/** Where a program of {@link programs} is, by its Debian package; undefined: nowhere. */
export function findProgram (apt) {
  const { variable, names, modules } = programs.find((program) => program.apt === apt)
  const isUsable = (path) => isExecutable(path) && (modules === undefined || imports(path, Object.keys(modules)))
  const named = process.env[variable]
  // Whoever names one means that one: another is no substitute.
  if (named) return isUsable(named) ? named : undefined
  for (const folder of [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...system]) {
    for (const name of names) if (isUsable(join(folder, name))) return join(folder, name)
  }
}

function isExecutable (path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function imports (python, modules) {
  return spawnSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore', timeout: 60_000 }).status === 0
}

/** Runs apt-get without asking anybody. Returns why it failed. */
function aptGet (...args) {
  // sudo passes no variables on.
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=60', ...args]
  if (process.getuid?.() !== 0) command.unshift('sudo', '-n')
  const { status, error, stderr } = spawnSync(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: PATIENCE })
  if (status === 0) return
  return error?.message ?? (stderr.trim().split('\n').at(-1) || `apt-get ended with ${status}`)
}

function install (packages) {
  const args = ['install', '--no-install-recommends', ...packages]
  // Lists of packages are missing in a fresh container, and old on a machine that has been up for long; mostly they will do.
  if (aptGet(...args) === undefined) return
  return aptGet('update') ?? aptGet(...args)
}

function packagesOf ({ apt, modules = {} }) {
  return [apt, ...Object.values(modules)]
}

function provision () {
  const missing = programs.filter(({ apt }) => findProgram(apt) === undefined)
  if (missing.length === 0) return
  for (const { variable, modules } of missing) {
    const needs = modules === undefined ? '' : ` with the modules ${Object.keys(modules).join(', ')}`
    if (process.env[variable]) return `${variable} names ${process.env[variable]}, which is no program that can be run${needs}.`
  }
  const packages = missing.flatMap(packagesOf)
  console.log(`installing for the tests: ${packages.join(' ')}`)
  const problem = install(packages)
  const left = missing.filter(({ apt }) => findProgram(apt) === undefined)
  if (left.length === 0) return
  const wanted = left.map(({ apt, variable }) => `${apt} (or name one in ${variable})`)
  return `The tests need ${wanted.join(', ')}: sudo apt-get install ${left.flatMap(packagesOf).join(' ')}${problem === undefined ? '' : ` (failed here: ${problem})`}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problem = provision()
  if (problem !== undefined) {
    console.error(problem)
    process.exitCode = 1
  }
}
