import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { findProgram } from '../scripts/provision.js'

const script = fileURLToPath(new URL('../scripts/provision.js', import.meta.url))

interface Machine {
  /** The only folder with programs. */
  readonly bin: string
  add (name: string, source?: string): Promise<string>
  /** Runs the script there; gives its exit code, its lines, and how apt-get was called. */
  provision (options?: { as?: 'root' | 'user', env?: NodeJS.ProcessEnv }): Promise<{ code: number | null, out: string[], err: string[], asked: string[] }>
}

/** What a machine's apt-get and sudo do, as shell scripts. The first argument of sudo is `-n`. */
interface Programs {
  readonly install?: string
  readonly update?: string
  readonly sudo?: string
}

/** What else the tests need; it is there from the beginning. */
const OTHERS = ['redis-server', 'nginx', 'haproxy', 'openssl', 'python3']

/** A machine with nothing on it but what is given, and the tools to install more. */
async function createMachine (t: Test, programs: (bin: string) => Programs = () => ({})): Promise<Machine> {
  const bin = t.testdir()
  const log = join(bin, 'log')
  const { install = '', update = '', sudo = 'shift; exec "$@"' } = programs(bin)
  const add = async (name: string, source = ''): Promise<string> => {
    const path = join(bin, name)
    await writeFile(path, `#!/bin/sh\n${source}\n`)
    await chmod(path, 0o755)
    return path
  }
  await writeFile(log, '')
  for (const other of OTHERS) await add(other)
  await add('env', 'export "$1"; shift; exec "$@"')
  await add('sudo', `echo "sudo $1" >> ${log}; ${sudo}`)
  await add('apt-get', `
    echo "$DEBIAN_FRONTEND $*" >> ${log}
    case "$*" in
      *install*) ${install}
      ;;
      *update*) ${update}
      ;;
    esac`)
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
  return {
    bin,
    add,
    async provision ({ as = 'root', env = {} } = {}) {
      const user = `data:text/javascript,process.getuid = () => ${as === 'root' ? 0 : 1000}`
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', user, script], { env: { PATH: bin, ...env }, encoding: 'utf8' })
      return { code: status, out: lines(stdout), err: lines(stderr), asked: lines(await readFile(log, 'utf8')) }
    }
  }
}

/** What installing Chromium leaves behind. */
const chromium = (bin: string): string => `echo '#!/bin/sh' > ${bin}/chromium && /bin/chmod 755 ${bin}/chromium`

const says = (text: string): string => `echo "${text}" >&2; exit 100`

const WANTED = 'The tests need chromium (or name one in CHROMIUM): sudo apt-get install chromium'

await t.test('says and does nothing where all is there', async (t) => {
  const machine = await createMachine(t)
  await machine.add('chromium-browser')
  t.strictSame(await machine.provision(), { code: 0, out: [], err: [], asked: [] })
})

await t.test('takes the program that the environment names, and no other for it', async (t) => {
  const machine = await createMachine(t)
  const other = await machine.add('another')
  t.strictSame(await machine.provision({ env: { CHROMIUM: other } }), { code: 0, out: [], err: [], asked: [] })
  await machine.add('chromium')
  for (const wrong of [join(machine.bin, 'nowhere'), join(machine.bin, 'log'), machine.bin]) {
    t.strictSame(await machine.provision({ env: { CHROMIUM: wrong } }), {
      code: 1, out: [], err: [`CHROMIUM names ${wrong}, which is no program that can be run.`], asked: []
    })
  }
})

for (const as of ['root', 'user'] as const) {
  await t.test(`installs what is missing and asks nobody, as ${as}`, async (t) => {
    const machine = await createMachine(t, (bin) => ({ install: chromium(bin) }))
    const { code, out, err, asked } = await machine.provision({ as })
    t.strictSame({ code, out, err }, { code: 0, out: ['installing for the tests: chromium'], err: [] })
    const call = /^noninteractive -qq .*install --no-install-recommends chromium$/
    if (as === 'user') t.equal(asked.shift(), 'sudo -n')
    t.match(asked, [call])
    t.equal(asked.length, 1)
    t.strictSame((await machine.provision({ as })).out, [], 'once')
  })
}

await t.test('reads the lists of packages where they do not have it', async (t) => {
  const machine = await createMachine(t, (bin) => ({
    install: `[ -e ${bin}/lists ] || { ${says('E: Unable to locate package chromium')}; }; ${chromium(bin)}`,
    update: `echo > ${bin}/lists`
  }))
  const { code, err, asked } = await machine.provision()
  t.strictSame({ code, err }, { code: 0, err: [] })
  t.match(asked, { length: 3, 0: /install/, 1: /update$/, 2: /install/ })
})

await t.test('says in one line what to install where it cannot, and why', async (t) => {
  const unreachable = await createMachine(t, () => ({
    install: says('E: Unable to locate package chromium'), update: says('E: some repository\nE: All of them')
  }))
  t.match(await unreachable.provision(), { code: 1, err: [`${WANTED} (failed here: E: All of them)`] })

  const silent = await createMachine(t, () => ({ install: 'exit 7' }))
  t.match(await silent.provision(), { code: 1, err: [`${WANTED} (failed here: apt-get ended with 7)`] })

  const forbidden = await createMachine(t, () => ({ sudo: says('sudo: a password is required') }))
  const { code, err, asked } = await forbidden.provision({ as: 'user' })
  t.strictSame({ code, err }, { code: 1, err: [`${WANTED} (failed here: sudo: a password is required)`] })
  t.notOk(asked.some((call) => call.includes('noninteractive')), 'nothing was tried')

  const useless = await createMachine(t)
  t.strictSame((await useless.provision()).err, [WANTED])
})

await t.test('says so too where there is no way to install anything', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [script], { env: { PATH: t.testdir() }, encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /^The tests need chromium .+ \(failed here: spawnSync (?:env|sudo) ENOENT\)\n$/)
  t.end()
})

const PYTHON = 'python3 python3-redis python3-fastapi python3-uvicorn python3-aiohttp'

await t.test('a Python that lacks a module is passed over, and its packages are installed where there is no other', async (t) => {
  const machine = await createMachine(t, (bin) => ({ install: `echo > ${bin}/modules` }))
  await machine.add('chromium')
  const lacking = await machine.add('python3', `[ "$2" = 'import redis, fastapi, uvicorn, aiohttp' ] && [ -e ${machine.bin}/modules ]`)
  t.strictSame(await machine.provision({ env: { PYTHON: lacking } }), {
    code: 1, out: [], err: [`PYTHON names ${lacking}, which is no program that can be run with the modules redis, fastapi, uvicorn, aiohttp.`], asked: []
  })
  // Another one further down the PATH.
  await mkdir(join(machine.bin, 'later'))
  await machine.add('later/python3')
  t.strictSame(await machine.provision({ env: { PATH: `${machine.bin}:${machine.bin}/later` } }), { code: 0, out: [], err: [], asked: [] })

  const { code, out, asked } = await machine.provision()
  t.strictSame({ code, out }, { code: 0, out: [`installing for the tests: ${PYTHON}`] })
  t.match(asked, [new RegExp(`install --no-install-recommends ${PYTHON}$`)])
})

await t.test('a folder is no program', (t) => {
  const { CHROMIUM, PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
    if (CHROMIUM !== undefined) process.env.CHROMIUM = CHROMIUM
  })
  delete process.env.CHROMIUM
  process.env.PATH = t.testdir({ chromium: {} })
  t.equal(findProgram('chromium'), undefined)
  t.end()
})
