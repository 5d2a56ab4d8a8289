import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { findProgram } from '../../scripts/provision.js'
import { freePort } from './free-port.js'
import { deleteWithTests, endWithTests } from './leftovers.js'

/** A redis-server of the test's own, on a free port, in a folder of its own. */
export interface RedisServer {
  readonly port: number
  /** A connection for the test itself; ended with it. */
  readonly admin: Redis
  /** kill -9. */
  kill (): Promise<void>
  /** Starts it again on the same port, with what it left behind. */
  restart (): Promise<void>
}

/** Starts one more, which ends with this process at the latest; resolves when it takes connections. */
export async function launchRedis (...args: readonly string[]): Promise<ChildProcess> {
  const program = findProgram('redis-server')
  if (program === undefined) throw new Error('redis-server is missing: sudo apt-get install redis-server')
  const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithTests(started)
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: started.stdout }).on('line', (line) => {
      lines.push(line)
      if (/Ready to accept connections|Sentinel ID is/.test(line)) resolve()
    })
    started.once('exit', (code) => reject(new Error(`redis-server ended with ${code}\n${lines.join('\n')}`)))
  })
  return started
}

/** @param args - options of redis-server, such as `--appendonly yes` */
export async function startRedis (t: Test, ...args: readonly string[]): Promise<RedisServer> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'realtime-redis-'))
  deleteWithTests(folder)
  const launch = (): Promise<ChildProcess> => launchRedis('--port', String(port), '--dir', folder, '--save', '', '--bind', '127.0.0.1', ...args)
  let child = await launch()
  const admin = new Redis({ port, lazyConnect: true, retryStrategy: () => 50 })
  admin.on('error', () => {})

  async function kill (): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  t.teardown(async () => {
    admin.disconnect()
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    port,
    admin,
    kill,
    async restart () { child = await launch() }
  }
}

/** A master goes on without its replicas: they lose their link and get no other, while everything else can reach all of them. */
export async function cutReplicas ({ admin }: RedisServer): Promise<void> {
  await admin.call('acl', 'setuser', 'default', '-psync', '-sync')
  await admin.call('client', 'kill', 'type', 'replica')
}

/** It gives them its writes again. SYNC stays refused: a replica that asks by it never says how far it is, so that WAIT does not count it. */
export async function returnReplicas ({ admin }: RedisServer): Promise<void> {
  await admin.call('acl', 'setuser', 'default', '+psync')
}
