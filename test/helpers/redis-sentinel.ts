import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { freePort } from './free-port.js'
import { deleteWithTests } from './leftovers.js'
import { cutReplicas, launchRedis, startRedis } from './redis.js'
import type { RedisServer } from './redis.js'
import { until } from './until.js'

/** A master, its replicas, and a sentinel that replaces it soon after it is gone. */
export interface SentinelGroup {
  /** For the option `redis`. */
  readonly options: { readonly sentinels: Array<{ host: string, port: number }>, readonly name: string }
  readonly servers: readonly RedisServer[]
  /** Which of them is the master, by what the sentinel says. */
  master (): Promise<RedisServer>
  /** The master takes writes, and its replicas get them no more. */
  cutReplicas (): Promise<void>
  /** Ends the master as kill -9 does; resolves when another server has taken over. */
  failOver (): Promise<{ readonly former: RedisServer, readonly master: RedisServer }>
}

const NAME = 'main'

export async function startSentinel (t: Test, replicas: number): Promise<SentinelGroup> {
  const settings = ['--repl-diskless-sync-delay', '0']
  const first = await startRedis(t, ...settings)
  const others = await Promise.all(Array.from({ length: replicas }, () => startRedis(t, ...settings, '--replicaof', `127.0.0.1 ${first.port}`)))
  const servers = [first, ...others]
  await until('all replicas are in step', async () => {
    await first.admin.multi().set('step', '').del('step').exec()
    return await first.admin.wait(replicas, 1_000) === replicas
  })

  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'realtime-sentinel-'))
  deleteWithTests(folder)
  const file = join(folder, 'sentinel.conf')
  await writeFile(file, [
    `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `sentinel monitor ${NAME} 127.0.0.1 ${first.port} 1`,
    `sentinel down-after-milliseconds ${NAME} 1500`, `sentinel failover-timeout ${NAME} 3000`, `sentinel parallel-syncs ${NAME} 2`
  ].join('\n'))
  const child = await launchRedis(file, '--sentinel')
  const sentinel = new Redis({ port, lazyConnect: true })
  sentinel.on('error', () => {})
  t.teardown(async () => {
    sentinel.disconnect()
    const exited = once(child, 'exit')
    if (child.kill('SIGKILL')) await exited
    await rm(folder, { recursive: true, force: true })
  })

  async function master (): Promise<RedisServer> {
    const address = await sentinel.call('sentinel', 'get-master-addr-by-name', NAME)
    const current = Array.isArray(address) ? Number(address[1]) : 0
    const server = servers.find(({ port }) => port === current)
    if (server === undefined) throw new Error(`the sentinel names ${String(address)}`)
    return server
  }

  async function known (): Promise<number> {
    const list = await sentinel.call('sentinel', 'replicas', NAME)
    return Array.isArray(list) ? list.filter((one) => Array.isArray(one) && one.includes('slave')).length : 0
  }
  await until('the sentinel knows all replicas', async () => await known() === replicas)

  return {
    options: { sentinels: [{ host: '127.0.0.1', port }], name: NAME },
    servers,
    master,
    cutReplicas: async () => await cutReplicas(await master()),
    async failOver () {
      const former = await master()
      await former.kill()
      await until('another master', async () => {
        const now = await master()
        return now !== former && (await now.admin.role())[0] === 'master'
      })
      return { former, master: await master() }
    }
  }
}
