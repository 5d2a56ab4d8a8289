// Sees to it that the programs which the tests run beside Node are there: installs them through the system's package manager where
// that is allowed, and otherwise says in one line what to install.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Environment variables that name another program, the names it may have on the PATH, and its Debian package. */
const programs = [
  { variable: 'CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'], apt: 'chromium' }
]

/** Where a program of {@link programs} is, by its Debian package; undefined: nowhere. */
export function findProgram (apt) {
  const { variable, names } = programs.find((program) => program.apt === apt)
  if (process.env[variable]) return process.env[variable]
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) if (isExecutable(join(folder, name))) return join(folder, name)
  }
}

function isExecutable (path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function missing () {
  return programs.map(({ apt }) => apt).filter((apt) => findProgram(apt) === undefined)
}

function run (command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status === 0
}

/** Installs without asking anybody, or not at all. */
function install (packages) {
  const asRoot = process.getuid?.() === 0
  const [command, ...args] = asRoot ? ['apt-get'] : ['sudo', '-n', 'apt-get']
  return run(command, [...args, 'update', '-qq']) && run(command, [...args, 'install', '-qq', '--no-install-recommends', ...packages])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = missing()
  if (wanted.length > 0) {
    console.log(`installing for the tests: ${wanted.join(' ')}`)
    install(wanted)
    const left = missing()
    if (left.length > 0) {
      console.error(`The tests need programs that are missing and could not be installed. Install them: sudo apt-get install ${left.join(' ')}`)
      process.exitCode = 1
    }
  }
}
