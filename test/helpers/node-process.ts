import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { ChannelName } from '../../lib/bridge/bridge.js'
import { endWithTests } from './leftovers.js'
import type { RedisBridgeInit } from './redis-bridge.js'

export interface Attachment {
  readonly channel: ChannelName
  readonly userId: string
  readonly connectionId: string
}

/** With a Redis, or a list of them as the option has it. */
export type NodeInit = RedisBridgeInit | { readonly shards: readonly string[], readonly prefix: string, readonly lease: string }

type Order =
  | { readonly type: 'attach', readonly members: readonly Attachment[] }
  | { readonly type: 'detach', readonly members: readonly Attachment[], readonly linger: number }
  | { readonly type: 'connect', readonly userId: string, readonly connectionId: string }

export type NodeOrder = Order & { readonly id: number }

export interface NodeAnswer {
  readonly id: number
  readonly error?: string
}

/** A node that can be killed. */
export interface NodeProcess {
  readonly pid: number
  attach (members: readonly Attachment[]): Promise<void>
  detach (members: readonly Attachment[], linger: number): Promise<void>
  connect (userId: string, connectionId: string): Promise<void>
  /** kill -9 */
  kill (): Promise<void>
  /** Stops it, as a machine that hangs. */
  pause (): void
  resume (): void
}

export async function startNode (t: Test, init: NodeInit): Promise<NodeProcess> {
  const program = fileURLToPath(new URL('bridge-node.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(init)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  endWithTests(child)
  const exited = once(child, 'exit')
  const waiting = new Map<number, (answer: NodeAnswer) => void>()
  child.on('message', (answer: NodeAnswer) => {
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)
  let orders = 0
  const answered = (id: number): Promise<void> => new Promise((resolve, reject) => {
    waiting.set(id, ({ error }) => {
      if (error === undefined) resolve()
      else reject(new Error(error))
    })
  })
  const order = async (what: Order): Promise<void> => {
    const id = ++orders
    const done = answered(id)
    child.send({ ...what, id })
    await done
  }
  await Promise.race([answered(0), exited.then(([code]) => { throw new Error(`the node ended with ${String(code)}`) })])
  if (child.pid === undefined) throw new Error('the node was not started')
  return {
    pid: child.pid,
    attach: (members) => order({ type: 'attach', members }),
    detach: (members, linger) => order({ type: 'detach', members, linger }),
    connect: (userId, connectionId) => order({ type: 'connect', userId, connectionId }),
    kill,
    pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') }
  }
}
