import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePort } from './free-port.js'
import { endWithTests } from './leftovers.js'

/** An application with the plugin in a process of its own, that can be killed. */
export interface ClusterNode {
  readonly pid: number
  /** Where it listens. */
  readonly port: number
  /** kill -9 */
  kill (): Promise<void>
  /** Stops it, as a machine that hangs; its sockets stay open. */
  pause (): void
  resume (): void
}

export interface ClusterNodeInit {
  /** Of Redis. */
  readonly redis: number
  readonly lease: number
}

export async function startClusterNode (t: Test, { redis, lease }: ClusterNodeInit): Promise<ClusterNode> {
  const program = fileURLToPath(new URL('cluster-node-process.ts', import.meta.url))
  const port = await freePort()
  const child = spawn(process.execPath, ['--import', 'tsx', program, String(port), String(redis), String(lease)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  endWithTests(child)
  const exited = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  await Promise.race([once(child, 'message'), exited.then(([code]) => { throw new Error(`the node ended with ${String(code)}`) })])
  if (child.pid === undefined) throw new Error('the node was not started')
  return {
    pid: child.pid,
    port,
    kill,
    pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') }
  }
}
